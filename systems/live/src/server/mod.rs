//! The server: one thread that shows a run over HTTP/1.1.
//!
//! It has what the run's [`Watch`] shows and nothing else. Whatever clients do, a tick waits for none of them.

mod connections;
mod events;
mod token;

mod shared;
mod stream;

mod answers;
mod page;
mod routes;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use corec_run::view::Watch;
use corec_run::{Http, wall_clock};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::process::open_files_max;
use connections::{Connections, Worth};
use events::Events;
use shared::Shared;

pub use token::{Token, VARIABLE};

/// The file in a run's folder that says where it is shown, and has the token.
pub const FILE: &str = "http.json";

/// Connections at once; fewer where the process may open few files.
const CONNECTIONS_MAX: usize = 256;
/// A request's head must be there within this time, and fit into so many bytes and headers.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// A client that takes nothing for so long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that wait in the system for one client.
const SEND_BUFFER: usize = 256 << 10;
/// How long viewers, and who asks once a second or more often, are given to take in that the run has ended.
const GOODBYE: Duration = Duration::from_millis(1200);

/// Why a run can't be shown.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address can't be had.
    #[error("--http: {address}: {error}{hint}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The address or the token is none.
    #[error("{0}")]
    Wrong(String),
    /// The system has no thread to give.
    #[error("--http: no thread: {0}")]
    Thread(io::Error),
}

/// A server. Dropped, it ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    over: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Shows what `watch` shows at an address of the form of [`Http`]. `token` is the one that was given.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn start(address: &str, watch: Watch, token: Option<String>) -> Result<Self, ServeError> {
        let address =
            Http(address.into()).address().map_err(|e| ServeError::Wrong(format!("--http: {e}")))?;
        let token = Token::of(token).map_err(ServeError::Wrong)?;
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        ": another process has this port: --http with another one, or 0 for any that is free"
                    }
                    io::ErrorKind::PermissionDenied => {
                        ": ports below 1024 are root's: --http with another one"
                    }
                    _ => "",
                };
                ServeError::Bind { address, error, hint }
            })?;
        let address = listener.local_addr().map_err(|error| ServeError::Bind { address, error, hint: "" })?;
        watch.open();
        let (over, is_over) = watch::channel(false);
        let (shared, painted) = share(watch, token, address, is_over);
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(serve(listener, shared, painted)),
                Err(e) => tracing::error!("--http: the run is not shown: {e}"),
            }
        };
        let thread =
            std::thread::Builder::new().name("corec-http".into()).spawn(serve).map_err(ServeError::Thread)?;
        Ok(Self { address, over, thread: Some(thread) })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        url(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.send_replace(true);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// The address as a client on this machine reaches it.
fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

fn share(
    watch: Watch,
    token: Token,
    address: SocketAddr,
    is_over: watch::Receiver<bool>,
) -> (Arc<Shared>, watch::Sender<Events>) {
    let (painted, events) = watch::channel(Events::default());
    let files = open_files_max().map_or(CONNECTIONS_MAX, |files| (files / 4).clamp(4, CONNECTIONS_MAX));
    let shared = Shared {
        watch,
        token,
        address,
        connections: Connections::new(files),
        events,
        viewers: AtomicU64::new(0),
        requests: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        came: Notify::new(),
        started: wall_clock(),
        asked_at: AtomicU64::new(0),
        stuck_since: Mutex::default(),
        is_over,
    };
    (Arc::new(shared), painted)
}

/// Takes connections until the server ends.
async fn serve(listener: TcpListener, shared: Arc<Shared>, painted: watch::Sender<Events>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let painter = tokio::spawn(stream::paint(Arc::clone(&shared), painted));
    let note = tokio::spawn(note(Arc::clone(&shared)));
    let routes = routes::routes(&shared);
    let mut id = 0;
    while !shared.is_over() {
        let accepted =
            tokio::select! { accepted = listener.accept() => accepted, () = shared.over() => break };
        let Ok((socket, _)) = accepted else {
            // As many files are open as may be.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        if shared.connections.make_room() {
            shared.refuse();
        }
        _ = socket.set_nodelay(true);
        _ = socket2::SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER);
        let (worth, routes) = (Worth::default(), routes.clone());
        id += 1;
        let task = tokio::spawn(connection(
            socket,
            routes,
            worth.clone(),
            Close { shared: Arc::clone(&shared), id },
        ));
        shared.connections.add(id, worth, task.abort_handle());
    }
    drop(listener);
    // Viewers read that it is over, and go by themselves.
    _ = painter.await;
    _ = timeout(GOODBYE, async {
        while shared.viewers() > 0 || shared.is_asked() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    if let Ok(Some(file)) = note.await {
        _ = fs::remove_file(file);
    }
}

/// What is done when a connection ends, however it does.
struct Close {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Close {
    fn drop(&mut self) {
        self.shared.connections.remove(self.id);
    }
}

/// Answers what comes on one connection.
async fn connection(
    io: impl AsyncRead + AsyncWrite + Send + 'static,
    routes: Router,
    worth: Worth,
    _close: Close,
) {
    let mut io = TimeoutStream::new(io);
    io.set_write_timeout(Some(WRITE_WITHIN));
    let service = routes.layer(axum::Extension(worth));
    let service = TowerToHyperService::new(service);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    // Its error is the client's.
    _ = http.serve_connection(TokioIo::new(Box::pin(io)), service).await;
}

/// Writes into the run's folder where it is shown, once there is one. Gives the file when the server ends.
async fn note(shared: Arc<Shared>) -> Option<PathBuf> {
    let folder = loop {
        let view = shared.watch.view();
        if view.made.is_some() {
            break view.run.folder.clone();
        }
        tokio::select! { () = sleep(Duration::from_millis(50)) => {}, () = shared.over() => return None }
    };
    let path = folder.join(FILE);
    let text =
        json!({ "url": url(shared.address), "token": shared.token.new_text(), "pid": std::process::id() });
    if let Err(error) = write_private(&path, &format!("{text}\n")) {
        tracing::warn!("{}: {error}", path.display());
        return None;
    }
    shared.over().await;
    Some(path)
}

/// Writes a file that nobody but its owner may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Answers one connection whose other end is in memory: for the fuzzer, which is no network.
#[doc(hidden)]
pub async fn answer(io: impl AsyncRead + AsyncWrite + Send + 'static, watch: Watch) {
    let (over, is_over) = watch::channel(false);
    let token = Token::of(Some("0123456789abcdef".into())).expect("it is one");
    let (shared, _painted) = share(watch, token, ([127, 0, 0, 1], 8000).into(), is_over);
    let routes: Router = routes::routes(&shared);
    connection(io, routes, Worth::default(), Close { shared, id: 0 }).await;
    drop(over);
}
