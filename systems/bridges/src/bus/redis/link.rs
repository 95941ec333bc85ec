//! Link: a connection to the server, with time-outs for all that is asked, and what its errors mean to a run.

use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, ErrorKind, RedisError, ServerErrorKind, Value};

use super::command::push;

/// How long a server may take to let us in, at most and at least, and to answer.
pub const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_MIN: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may be silent before that is an outage, though an answer may still come: what a large one takes on a slow way.
pub const SILENCE: Duration = Duration::from_secs(3);

/// Why the server did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// Not now: it can't be reached, or has no room.
    Away(String),
    /// It does not let us: before a run starts somebody has to change something, later it may be changed back.
    Denied(String),
    /// It never will.
    Wrong(String),
}

impl LinkError {
    /// What it is, for people.
    pub fn text(&self) -> &str {
        let (Self::Away(text) | Self::Denied(text) | Self::Wrong(text)) = self;
        text
    }
}

impl LinkError {
    /// The same with another text.
    #[must_use]
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Away(text) => Self::Away(change(text)),
            Self::Denied(text) => Self::Denied(change(text)),
            Self::Wrong(text) => Self::Wrong(change(text)),
        }
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed;
        if let Some(errors) = error.clone().into_server_errors()
            && let Some((_, first)) = errors.first()
        {
            return of_server(first.code(), first.details().unwrap_or_default());
        }
        let (code, detail) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
        match error.kind() {
            _ if is_refused => of_server("WRONGPASS", detail),
            _ if is_unknown_host(&error) => {
                Self::Denied(format!("{error}: the URL's host must be one that is known here"))
            }
            ErrorKind::InvalidClientConfig => Self::Wrong(error.to_string()),
            ErrorKind::Server(ServerErrorKind::ExecAbort) | ErrorKind::Server(_) | ErrorKind::Extension => {
                of_server(code, detail)
            }
            ErrorKind::Io if error.to_string().contains("certificate") => Self::Denied(format!(
                "its certificate is not accepted ({error}): the host's name and ?ca=FILE must be those of the certificate"
            )),
            _ if error.is_timeout() => Self::Away("it does not answer".into()),
            _ => Self::Away(error.to_string()),
        }
    }
}

/// What an error says that the server has answered with.
pub fn of_server(code: &str, detail: &str) -> LinkError {
    let said = format!("{code} {detail}");
    let said = said.trim();
    match code {
        "WRONGPASS" | "NOAUTH" => LinkError::Denied(format!(
            "it refuses the user or the password ({said}): check them in the URL or where it has them from"
        )),
        "NOPERM" => {
            LinkError::Denied(format!("its user may not do this ({said}): allow it with ACL SETUSER"))
        }
        // Of SELECT, which is the first that is asked.
        "ERR" if detail.contains("DB index") || detail.contains("SELECT is not allowed") => {
            LinkError::Denied(format!(
                "it has no such database ({said}): the number behind the URL's host must be one it has"
            ))
        }
        "OOM" => LinkError::Away(format!("it has no memory left ({said}): raise its maxmemory")),
        "WRONGTYPE" => LinkError::Wrong(format!("the name of a stream is taken by something else ({said})")),
        // LOADING, READONLY, MASTERDOWN, MISCONF (its disk is full), TRYAGAIN ..: all pass.
        _ => LinkError::Away(format!("it answers {said}")),
    }
}

/// As the system's resolver says it, which has no kinds of its own. "Temporary failure" is one that passes.
fn is_unknown_host(error: &RedisError) -> bool {
    let said = error.to_string();
    said.contains("could not resolve")
        || said.contains("failed to lookup address") && !said.contains("Temporary")
}

/// What an error at the door means. Who speaks TLS and who does not understand each other's first word no better than this.
fn at_the_door(client: &Client, error: RedisError) -> LinkError {
    let is_tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    let is_cut = error.is_connection_dropped() && !error.is_connection_refusal();
    let is_garbled = error.is_timeout() || error.to_string().contains("corrupt");
    match LinkError::from(error) {
        LinkError::Away(text) if is_tls && (is_cut || is_garbled) => {
            LinkError::Away(format!("{text}; if it does not speak TLS, the URL must begin with redis://"))
        }
        LinkError::Away(text) if !is_tls && is_cut => {
            LinkError::Away(format!("{text}; if it speaks TLS only, the URL must begin with rediss://"))
        }
        other => other,
    }
}

/// A connection to the server.
pub struct Link(Connection);

impl Link {
    /// Connects, for about `at_most`, and says who it is: `name` is what `CLIENT LIST` shows.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn open(client: &Client, name: &str, at_most: Duration) -> Result<Self, LinkError> {
        let at_most = at_most.clamp(CONNECT_MIN, CONNECT);
        let connection = client.get_connection_with_timeout(at_most);
        let mut connection = connection.map_err(|error| at_the_door(client, error))?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        // A name is for people: a user who may not give one does without. No spaces are allowed in it.
        let name: String = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
        match redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection) {
            Err(error) if error.is_io_error() => Err(error.into()),
            _ => Ok(Self(connection)),
        }
    }

    /// Lets answers take so much longer.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn allow(&mut self, longer: Duration) -> Result<(), LinkError> {
        Ok(self.0.set_read_timeout(Some(ANSWER + longer))?)
    }

    /// Lets answers take so long.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn limit(&mut self, longest: Duration) -> Result<(), LinkError> {
        Ok(self.0.set_read_timeout(Some(longest))?)
    }

    /// Sends `count` commands, which `request` has the bytes of; gives their answers, what the server says against one included.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn ask(&mut self, request: &[u8], count: usize) -> Result<Vec<Value>, LinkError> {
        use redis::ConnectionLike;
        Ok(self.0.req_packed_commands(request, 0, count)?)
    }

    /// As [`Link::ask`], one command of these words.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn ask_one(&mut self, words: &[&[u8]]) -> Result<Value, LinkError> {
        let mut request = Vec::new();
        push(&mut request, words);
        Ok(self.ask(&request, 1)?.pop().unwrap_or_default())
    }
}
