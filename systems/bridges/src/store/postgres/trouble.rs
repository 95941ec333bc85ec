//! Trouble: what a server or a network said, and what it means for a batch.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;

/// Why something did not go as asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Not now: it may go well on a new connection.
    Away(String),
    /// Until somebody changes something: a start is refused, a run that goes may see it changed back.
    Denied(String),
    /// A row that the database does not take.
    BadData(String),
    /// Never, until somebody changes something.
    Refused(String),
    /// The cursor is not where it was left.
    Moved,
}

impl Trouble {
    /// What it says.
    pub fn text(self) -> String {
        match self {
            Self::Away(text) | Self::Denied(text) | Self::BadData(text) | Self::Refused(text) => text,
            Self::Moved => "the run's cursor was moved by another process".into(),
        }
    }

    /// What an error means.
    pub fn of(error: &Error) -> Self {
        let Some(db) = error.as_db_error() else { return without_code(error) };
        let (code, said) = (db.code().code(), db.message().replace('\n', " "));
        let advised = |advice: &str| Self::Denied(format!("{said}: {advice}"));
        match code {
            "28P01" => advised("user and password in the URL must be the server's"),
            "28000" => advised("the server's pg_hba.conf or the URL (user, sslmode) must be changed"),
            "3D000" => advised("create it, or name another in the URL"),
            "3F000" => advised("the user's search_path must begin with a schema that is there"),
            "42501" => advised("the user of the URL must be granted it: corec doctor says what"),
            "25006" => Self::Away(format!(
                "{said}: the server must be a primary, and default_transaction_read_only off for the database and the user"
            )),
            _ => match &code[..2] {
                // Connection, operator intervention, resources, rollback; a lock that was not given; a transaction that was ended
                // for idling.
                "08" | "53" | "57" | "40" => Self::Away(said),
                _ if ["55P03", "25P03"].contains(&code) => Self::Away(said),
                "22" | "23" => Self::BadData(said),
                _ => Self::Refused(format!("{said} (SQLSTATE {code})")),
            },
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

fn without_code(error: &Error) -> Trouble {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Trouble::Denied(about_tls(tls));
            }
            return about_io(io);
        }
        causes.push(cause.to_string());
        next = cause.source();
    }
    let said = error.to_string();
    let is_passing = ["connection closed", "timeout waiting", "unexpected message", "communicating"];
    if error.is_closed() || is_passing.iter().any(|text| said.contains(text)) {
        return Trouble::Away(said);
    }
    let why = causes.join(": ");
    Trouble::Refused(match why.as_str() {
        "password missing" => "found no password, must be in the URL: the server asks for one".into(),
        why if why.contains("does not support TLS") => {
            format!("{why}, must speak it as sslmode or ca in the URL ask: change the server, or the URL")
        }
        "" => said,
        why => format!("{said}: {why}"),
    })
}

fn about_io(io: &io::Error) -> Trouble {
    let said = io.to_string();
    // The system's resolver has no kinds of its own. "Temporary failure" is one that passes.
    let is_unknown = said.contains("failed to lookup address") && !said.contains("Temporary");
    if is_unknown || said.contains("could not resolve") {
        return Trouble::Denied(format!("{said}: the URL's host must be one that is known here"));
    }
    if io.kind() == io::ErrorKind::NotFound {
        return Trouble::Away(format!("no server listens there: {said}"));
    }
    Trouble::Away(said)
}

fn about_tls(tls: &rustls::Error) -> String {
    use rustls::CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    let advice = match tls {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the URL's host must be a name of the server's certificate"
        }
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "ca=FILE in the URL must be the authority that signed the server's certificate"
        }
        _ => "the server's certificate must be changed, or ca= in the URL",
    };
    format!("TLS: {tls}: {advice}")
}
