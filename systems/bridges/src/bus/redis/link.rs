//! Link: a connection to the server, with time-outs for all that is asked, and what its errors mean to a run.

use std::time::Duration;

use redis::{Client, Connection, ErrorKind, RedisError, ServerErrorKind, Value};

use super::command::push;

/// How long a server may take to let us in, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

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
        "OOM" => LinkError::Away(format!("it has no memory left ({said}): raise its maxmemory")),
        "WRONGTYPE" => LinkError::Wrong(format!("the name of a stream is taken by something else ({said})")),
        // LOADING, READONLY, MASTERDOWN, MISCONF (its disk is full), TRYAGAIN ..: all pass.
        _ => LinkError::Away(format!("it answers {said}")),
    }
}

/// A connection to the server.
pub struct Link(Connection);

impl Link {
    /// Connects, and says who it is: `name` is what `CLIENT LIST` shows.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn open(client: &Client, name: &str) -> Result<Self, LinkError> {
        let mut connection = client.get_connection_with_timeout(CONNECT)?;
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
