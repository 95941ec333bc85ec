//! Server: the one connection to it, and the runtime that moves its bytes, only while somebody waits for an answer.
//!
//! Nothing waits for ever: every call has a time-out of its own, for a COPY heeds none of the server's. What has failed in a way
//! that leaves a connection in doubt has lost it.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::Settings;
use super::tls::connector;
use super::trouble::Trouble;

/// Tables that rows are copied into.
pub(super) const TABLES: usize = 5;
/// How long a server may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the end of a COPY may take: what the systems on the way have taken in goes over the slowest link first. As long as a run
/// waits for its store.
const COPIED: Duration = Duration::from_secs(60);
/// How long it may take to let go of a connection that is closed.
const FAREWELL: Duration = Duration::from_secs(1);
/// The least version: `gen_random_uuid` without an extension.
const SERVER_MIN: i32 = 130_000;
/// What a server does for itself: it gives up on a lock before we give up on it, and on a transaction whose owner is gone.
const SESSION: &str = "SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = '60s'; \
    SET client_min_messages = warning; SET datestyle = ISO";

/// Waits for an answer, but not for ever.
pub(super) async fn within<T, E: Into<Trouble>>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    limited(ANSWER, answer).await
}

/// Waits for the end of a COPY, but not for ever.
pub(super) async fn copied<T, E: Into<Trouble>>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    limited(COPIED, answer).await
}

async fn limited<T, E: Into<Trouble>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Trouble::Away(format!("no answer in {} s", limit.as_secs()))),
    }
}

/// A connection.
pub(super) struct Link {
    pub client: Client,
    driver: JoinHandle<()>,
    /// The COPY of each table, once it has been used.
    pub copies: [Option<Statement>; TABLES],
    /// Whether a commit is on the disk once it is answered.
    is_durable: bool,
}

/// A server, connected or not.
pub(super) struct Server {
    pub settings: Settings,
    tls: MakeRustlsConnect,
    /// Always there, but while it is dropped.
    runtime: Option<Runtime>,
    link: Option<Link>,
    /// Whether a commit is on the disk once it is answered; as it was when last connected.
    pub is_durable: bool,
}

impl Server {
    /// A server that is not connected yet.
    ///
    /// # Errors
    /// Authorities that can't be read, or no runtime: a text.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let tls = connector(&settings.trust)?;
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|e| format!("its runtime could not start: {e}"))?;
        Ok(Self { settings, tls, runtime: Some(runtime), link: None, is_durable: false })
    }

    /// Whether there is a connection that may be used.
    pub fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.client.is_closed())
    }

    /// Connects anew.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn connect(&mut self) -> Result<(), Trouble> {
        self.disconnect();
        let runtime = self.runtime.as_ref().expect("is there until the drop");
        let (config, tls) = (&self.settings.config, self.tls.clone());
        let link = runtime.block_on(within(open(config, tls)))?;
        (self.is_durable, self.link) = (link.is_durable, Some(link));
        Ok(())
    }

    /// Does `work` on the connection. One that is in doubt afterwards is given up.
    ///
    /// # Errors
    /// What `work` says.
    pub fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Link) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let runtime = self.runtime.as_ref().expect("is there until the drop");
        let Some(link) = &mut self.link else { return Err(Trouble::Away("not connected".into())) };
        let result = runtime.block_on(work(link));
        if matches!(result, Err(Trouble::Away(_) | Trouble::Denied(_) | Trouble::Refused(_))) {
            self.disconnect();
        }
        result
    }

    fn disconnect(&mut self) {
        let (Some(Link { client, mut driver, .. }), Some(runtime)) = (self.link.take(), &self.runtime) else {
            return;
        };
        // The server hears of it, if it is there, and logs no lost client.
        drop(client);
        if runtime.block_on(async { timeout(FAREWELL, &mut driver).await }).is_err() {
            driver.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.disconnect();
        // A name that is being looked up is not waited for.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn open(config: &tokio_postgres::Config, tls: MakeRustlsConnect) -> Result<Link, Trouble> {
    let (client, connection) = config.connect(tls).await?;
    // What goes wrong on it is told to whoever waits for an answer.
    let driver = tokio::spawn(async { _ = connection.await });
    client.batch_execute(SESSION).await?;
    let about =
        "SELECT current_setting('server_version_num')::int4, current_setting('synchronous_commit') <> 'off'";
    let row = client.query_one(about, &[]).await?;
    let (version, is_durable): (i32, bool) = (row.try_get(0)?, row.try_get(1)?);
    if version < SERVER_MIN {
        let found = version / 10_000;
        return Err(Trouble::Refused(format!("found PostgreSQL {found}, must be 13 or later")));
    }
    Ok(Link { client, driver, copies: [const { None }; TABLES], is_durable })
}
