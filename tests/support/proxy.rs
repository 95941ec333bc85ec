//! A TCP proxy between a client and a server that does to connections what links do: delays, cuts, silence.
//!
//! [`Proxy::set`] changes its mode while it runs, for connections that are there and those to come. A byte that is on its way in
//! that moment may still get through; what a mode holds back goes on when another one lets it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use super::redis::free_port;

/// How long a thread looks elsewhere before it looks at the mode again.
const PAUSE: Duration = Duration::from_millis(5);
/// A link that is full is written to so many times a second.
const THROTTLE_STEPS: u64 = 50;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They go on at once.
    Pass,
    /// A round trip takes so much longer, half of it on each way.
    Latency(Duration),
    /// So many bytes a second each way.
    Throttle(u64),
    /// Requests arrive, replies are held back.
    HalfOpen,
    /// Nothing arrives. Connections are taken and kept.
    Silent,
    /// Half of the next reply arrives, then the client's connection is reset (RST).
    ResetInReply,
    /// Each byte is sent by itself, both ways.
    ByteAtATime,
    /// Nobody listens, and connections that were there are gone.
    Closed,
}

/// A proxy on the loopback. Dropped, it is as [`Mode::Closed`].
pub struct Proxy {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    port: u16,
    target_port: u16,
    mode: Mutex<Mode>,
    /// Both ends of the connections there are, to be shut from outside. Only a connection's own threads keep it open.
    ends: Mutex<Vec<Weak<TcpStream>>>,
    connections: AtomicU64,
    is_listening: AtomicBool,
    is_over: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Reply,
}

impl Proxy {
    /// Listens on a port of its own and passes everything on to a server on the loopback.
    pub fn start(target_port: u16) -> Self {
        let (port, listener) = std::iter::repeat_with(free_port)
            .find_map(|port| Some((port, listen(port).ok()?)))
            .expect("it is tried until a port is free");
        let shared = Arc::new(Shared {
            port,
            target_port,
            mode: Mutex::new(Mode::Pass),
            ends: Mutex::default(),
            connections: AtomicU64::new(0),
            is_listening: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&of_thread, Some(listener))));
        Self { shared, acceptor }
    }

    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Connections that were taken so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// From now on it does this. Once it returns, the port listens or refuses as the mode says.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode() = mode;
        while self.shared.is_listening.load(Ordering::Acquire) != (mode != Mode::Closed) {
            thread::sleep(PAUSE);
        }
        if mode == Mode::Closed {
            self.shared.drop_all();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(acceptor) = self.acceptor.take() {
            _ = acceptor.join();
        }
        self.shared.drop_all();
    }
}

impl Shared {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_all(&self) {
        for end in self.ends.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            _ = end.upgrade().map(|end| end.shutdown(Shutdown::Both));
        }
    }

    /// Keeps both ends so that they can be shut, unless it is over with connections.
    fn keep(&self, ends: [&Arc<TcpStream>; 2]) -> io::Result<()> {
        let mut kept = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over.load(Ordering::Acquire) || *self.mode() == Mode::Closed {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        kept.retain(|end| end.strong_count() > 0);
        kept.extend(ends.map(Arc::downgrade));
        Ok(())
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes connections, and closes and opens the port as the mode says, until the proxy is dropped.
fn accept(shared: &Arc<Shared>, mut listener: Option<TcpListener>) {
    while !shared.is_over.load(Ordering::Acquire) {
        match (*shared.mode() == Mode::Closed, &listener) {
            // A process that is being started has a copy of it for a moment, and would keep it open.
            (true, Some(open)) => {
                _ = SockRef::from(open).shutdown(Shutdown::Both);
                listener = None;
            }
            // Somebody else may have the port for a moment.
            (false, None) => listener = listen(shared.port).ok(),
            _ => {}
        }
        shared.is_listening.store(listener.is_some(), Ordering::Release);
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(shared);
                // A server that is away is a connection that ends.
                thread::spawn(move || _ = connect(&shared, client));
            }
            _ => thread::sleep(PAUSE),
        }
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let server = Arc::new(TcpStream::connect(("127.0.0.1", shared.target_port))?);
    let client = Arc::new(client);
    shared.keep([&client, &server])?;
    let of_thread = (Arc::clone(shared), Arc::clone(&server), Arc::clone(&client));
    thread::spawn(move || pump(&of_thread.0, Way::Reply, &of_thread.1, &of_thread.2));
    pump(shared, Way::Request, &client, &server);
    Ok(())
}

/// Carries what comes from one end to the other, until one of them is gone.
fn pump(shared: &Shared, way: Way, from: &TcpStream, to: &TcpStream) {
    match carry(shared, way, from, to) {
        Ok(End::Closed) => _ = to.shutdown(Shutdown::Write),
        // What is closed without lingering is reset. A shutdown for writing would end it in good order before that.
        Ok(End::Reset) => {
            _ = SockRef::from(to).set_linger(Some(Duration::ZERO));
            _ = to.shutdown(Shutdown::Read);
            _ = from.shutdown(Shutdown::Both);
        }
        Err(_) => {
            _ = from.shutdown(Shutdown::Both);
            _ = to.shutdown(Shutdown::Both);
        }
    }
}

enum End {
    Closed,
    Reset,
}

fn carry(shared: &Shared, way: Way, mut from: &TcpStream, to: &TcpStream) -> io::Result<End> {
    from.set_read_timeout(Some(PAUSE))?;
    to.set_nodelay(true)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        // Unread bytes stay with the system, which stops the sender in time.
        if part(*shared.mode(), way, usize::MAX).bytes == 0 {
            thread::sleep(PAUSE);
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(End::Closed),
            Ok(count) if deliver(shared, way, &buffer[..count], to)? => return Ok(End::Reset),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes bytes as the mode says, which may change meanwhile. Whether the connection is to be reset now.
fn deliver(shared: &Shared, way: Way, mut bytes: &[u8], mut to: &TcpStream) -> io::Result<bool> {
    while !bytes.is_empty() {
        let mode = *shared.mode();
        let part = part(mode, way, bytes.len());
        thread::sleep(part.pause);
        to.write_all(&bytes[..part.bytes])?;
        if mode == Mode::ResetInReply && way == Way::Reply {
            return Ok(true);
        }
        bytes = &bytes[part.bytes..];
    }
    Ok(false)
}

/// How many bytes go next, and how long it is before they do.
struct Part {
    bytes: usize,
    pause: Duration,
}

fn part(mode: Mode, way: Way, waiting: usize) -> Part {
    let at_once = |bytes| Part { bytes, pause: Duration::ZERO };
    match mode {
        Mode::Pass | Mode::Closed => at_once(waiting),
        Mode::Latency(round_trip) => Part { bytes: waiting, pause: round_trip / 2 },
        Mode::Throttle(per_second) => {
            let bytes = waiting.min((per_second / THROTTLE_STEPS).max(1) as usize);
            Part { bytes, pause: Duration::from_secs_f64(bytes as f64 / per_second.max(1) as f64) }
        }
        Mode::HalfOpen if way == Way::Request => at_once(waiting),
        Mode::HalfOpen | Mode::Silent => Part { bytes: 0, pause: PAUSE },
        Mode::ResetInReply if way == Way::Reply => at_once(waiting / 2),
        Mode::ResetInReply => at_once(waiting),
        // Long enough for the other end to be woken by each.
        Mode::ByteAtATime => Part { bytes: 1, pause: Duration::from_micros(50) },
    }
}
