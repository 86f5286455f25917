//! A page with the live curves of a run, served on this machine alone.
//!
//! The server knows a few addresses and one method, reads at most a small
//! request within a few seconds, answers and closes. It answers only requests
//! that name this machine as their host: a page from elsewhere cannot read it
//! by giving its own name this machine's address.
//!
//! One address, `/end`, is answered when the run has ended. A page that waits for
//! it is told, fetches how the run ended and its report, and says goodbye; for
//! that long the server stays. Timers would not do: browsers slow down those of
//! hidden pages to one a minute.

use crate::error::{Error, Result};
use crate::files;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections at a time; more are turned away.
const CONNECTIONS: usize = 16;
/// Pages at a time that wait for the end: browsers open six connections.
const WAITING: usize = 4;
/// Bytes of a request.
const REQUEST: usize = 8 * 1024;
/// Bytes of a file.
const FILE: u64 = 64 << 20;
/// Time for the whole request, and for the whole answer.
const READ_TIME: Duration = Duration::from_secs(5);
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How often a page that waits for the end is looked after.
const LOOK: Duration = Duration::from_millis(100);
/// Time that pages have, once they are told, to fetch what they want.
const GRACE: Duration = Duration::from_secs(5);
/// Ports tried from the one asked for.
const PORTS: u16 = 20;

const PAGE: &str = include_str!("../../assets/report/dashboard.html");

/// A running server; when this is dropped it tells the pages that the run has
/// ended, and ends.
pub struct Handle {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the server's threads share.
struct Shared {
    /// The run's folder.
    folder: Mutex<PathBuf>,
    /// Whether the run has ended.
    ended: AtomicBool,
    /// Whether the server ends.
    stop: AtomicBool,
    /// Connections.
    open: AtomicUsize,
    /// Pages that wait for the end, or have been told and not said goodbye.
    pages: AtomicUsize,
}

impl Shared {
    fn folder(&self) -> PathBuf {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a page that waits for the end, if there is room for one more.
    fn enter(&self) -> bool {
        let one_more = |n: usize| (n < WAITING).then_some(n + 1);
        self.pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Counts a page less.
    fn leave(&self) {
        // A goodbye of a page that was never counted changes nothing.
        let _ = self.pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }
}

impl Handle {
    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Goes on with another run's folder.
    pub fn show(&self, folder: &Path) {
        *self.shared.folder.lock().unwrap_or_else(PoisonError::into_inner) = folder.to_path_buf();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let until = Instant::now() + GRACE;
        while self.shared.pages.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            std::thread::sleep(LOOK / 5);
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection; if that fails it is
        // gone already, or ends with the program.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Serves the live curves of a run's folder on 127.0.0.1. A busy port gives way
/// to the next free one; port 0 is any free one.
pub fn serve(folder: PathBuf, port: u16) -> Result<Handle> {
    let listener = bind(port)?;
    let address = listener.local_addr().map_err(|e| Error::io("asking for the dashboard's address", e))?;
    let shared = Arc::new(Shared {
        folder: Mutex::new(folder),
        ended: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        open: AtomicUsize::new(0),
        pages: AtomicUsize::new(0),
    });
    let for_thread = shared.clone();
    let thread = std::thread::Builder::new()
        .name("dashboard".into())
        .spawn(move || accept(&listener, &for_thread))
        .map_err(|e| Error::io("starting the dashboard's thread", e))?;
    Ok(Handle { address, shared, thread: Some(thread) })
}

fn bind(port: u16) -> Result<TcpListener> {
    let mut busy = None;
    for port in port..=port.saturating_add(PORTS) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse => busy = Some(e),
            Err(e) => return Err(Error::io(format!("opening port {port} for the dashboard"), e)),
        }
    }
    let busy = busy.expect("at least one port was tried");
    Err(Error::io(format!("ports {port} to {} are busy; give the dashboard another", port.saturating_add(PORTS)), busy))
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file handles, perhaps: not to be asked again at once.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if shared.open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let counted = Open(shared.clone());
        let spawned = std::thread::Builder::new().name("dashboard client".into()).spawn(move || {
            // A client that has gone away is no error of ours.
            let _ = answer(stream, &counted.0);
        });
        // Without a thread the connection is dropped, which closes it.
        drop(spawned);
    }
}

/// Counts a connection until it ends, however it does.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Status, type and body of an answer.
type Answer = (&'static str, &'static str, Vec<u8>);

fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let port = stream.local_addr()?.port();
    let found = match request(&mut stream)? {
        Some(head) => respond(&head, port, shared),
        None => Some(("400 Bad Request", TEXT, b"a request of at most 8 KiB is expected within 5 seconds\n".to_vec())),
    };
    let (status, kind, body) = match found {
        Some(found) => found,
        None if !shared.enter() => ("503 Service Unavailable", TEXT, b"enough pages wait for the end\n".to_vec()),
        None if has_stayed_to_the_end(&mut stream, shared) => ("200 OK", JSON, b"{\"ended\":true}".to_vec()),
        None => {
            shared.leave();
            return Ok(());
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         img-src data:; connect-src 'self'; frame-ancestors 'none'\r\n\r\n",
        body.len()
    );
    let until = Instant::now() + WRITE_TIME;
    stream.set_write_timeout(Some(READ_TIME))?;
    stream.write_all(head.as_bytes())?;
    for piece in body.chunks(64 * 1024) {
        if Instant::now() > until {
            return Ok(());
        }
        stream.write_all(piece)?;
    }
    stream.flush()
}

/// Waits until the run has ended; false if the page goes away before.
fn has_stayed_to_the_end(stream: &mut TcpStream, shared: &Shared) -> bool {
    if stream.set_read_timeout(Some(LOOK)).is_err() {
        return false;
    }
    while !shared.ended.load(Ordering::Relaxed) {
        match stream.read(&mut [0]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // Closed; or it says more than its request, which nobody waits for.
            _ => return false,
        }
    }
    true
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The head of a request; `None` if it is too long, too slow, or no text.
fn request(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let until = Instant::now() + READ_TIME;
    let mut head = vec![];
    let mut buffer = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > REQUEST {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(n) => head.extend(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(e) => return Err(e),
        }
        if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            head.truncate(end);
            return Ok(String::from_utf8(head).ok());
        }
    }
}

/// The answer to a request; none if that is to wait for the end of the run.
fn respond(head: &str, port: u16, shared: &Shared) -> Option<Answer> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let host = lines.filter_map(|l| l.split_once(':')).find(|(k, _)| k.eq_ignore_ascii_case("host"));
    let host = host.map_or("", |(_, v)| v.trim());
    let ours = ["127.0.0.1", "localhost"].iter().any(|name| host == *name || host == format!("{name}:{port}"));
    if !ours {
        let message = b"this page is for this machine alone: use 127.0.0.1 or localhost\n";
        return Some(("403 Forbidden", TEXT, message.to_vec()));
    }
    if method != "GET" {
        return Some(("405 Method Not Allowed", TEXT, b"only GET is answered\n".to_vec()));
    }
    let folder = shared.folder();
    Some(match target.split('?').next().unwrap_or_default() {
        "/" => ("200 OK", HTML, PAGE.as_bytes().to_vec()),
        "/metrics.jsonl" => file(&folder.join("metrics.jsonl"), "application/jsonl; charset=utf-8", b""),
        "/run.json" => file(&folder.join("run.json"), JSON, b"{}"),
        "/live.json" => file(&folder.join("live.json"), JSON, b"{}"),
        "/report.html" => file(&folder.join("report.html"), HTML, b""),
        "/end" => return None,
        "/goodbye" => {
            shared.leave();
            ("200 OK", TEXT, vec![])
        }
        _ => ("404 Not Found", TEXT, NOT_FOUND.to_vec()),
    })
}

const HTML: &str = "text/html; charset=utf-8";
const NOT_FOUND: &[u8] = b"there are /, /metrics.jsonl, /run.json, /live.json, /report.html and /end\n";

/// A file of the run, or what stands for it until it is there.
fn file(path: &Path, kind: &'static str, missing: &[u8]) -> Answer {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![];
        files::open(path)?.take(FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 <= FILE => ("200 OK", kind, bytes),
        Ok(_) => ("500 Internal Server Error", TEXT, b"larger than 64 MiB\n".to_vec()),
        Err(e) if e.kind() == ErrorKind::NotFound => ("200 OK", kind, missing.to_vec()),
        Err(e) => ("500 Internal Server Error", TEXT, format!("{e}\n").into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(handle: &Handle, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(handle.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(handle: &Handle, target: &str) -> String {
        ask(handle, format!("GET {target} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", handle.address.port()).as_bytes())
    }

    #[test]
    fn the_page_and_the_files_are_served() {
        let dir = tempfile::tempdir().unwrap();
        let handle = serve(dir.path().into(), 0).unwrap();
        assert!(handle.url().starts_with("http://127.0.0.1:"));
        let page = get(&handle, "/");
        assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("<!doctype html>"), "{page}");
        assert!(get(&handle, "/metrics.jsonl").ends_with("\r\n\r\n"));
        std::fs::write(dir.path().join("metrics.jsonl"), "{\"epoch\":1}\n").unwrap();
        std::fs::write(dir.path().join("run.json"), "{\"model\":\"m\"}").unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        assert!(get(&handle, "/metrics.jsonl?t=1").ends_with("{\"epoch\":1}\n"));
        assert!(get(&handle, "/run.json").ends_with("{\"model\":\"m\"}"));
        for target in ["/secret", "/../secret", "//run.json", "/run.json/", "", "/%2e%2e/secret"] {
            let answer = get(&handle, target);
            assert!(answer.starts_with("HTTP/1.1 404"), "{target}: {answer}");
        }
    }

    #[test]
    fn strange_requests_are_turned_away() {
        let dir = tempfile::tempdir().unwrap();
        let handle = serve(dir.path().into(), 0).unwrap();
        let cases: [(&[u8], &str); 6] = [
            (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            (b"GET / HTTP/1.1\r\n\r\n", "403"),
            (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            (b"\xff\xfe\r\n\r\n", "400"),
            (b"\r\n\r\n", "403"),
            (&[b'a'; 100_000], "400"),
        ];
        for (request, status) in cases {
            let answer = ask(&handle, request);
            // Of a request cut short the answer may be lost with the connection.
            let cut = request.len() > REQUEST && answer.is_empty();
            assert!(cut || answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
        }
        // Clients that say nothing hold their places, not the server.
        let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(handle.address).unwrap()).collect();
        drop(silent);
        std::thread::sleep(Duration::from_millis(200));
        assert!(get(&handle, "/run.json").contains("200 OK"));
    }

    #[test]
    fn pages_are_told_of_the_end_and_fetch_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let handle = serve(dir.path().into(), 0).unwrap();
        assert!(get(&handle, "/report.html").ends_with("\r\n\r\n"), "no report yet");
        let port = handle.address.port();
        let page = std::thread::spawn(move || {
            let ask = |target: &str| {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            };
            let told = ask("/end");
            std::thread::sleep(Duration::from_millis(500));
            let (run, report) = (ask("/run.json"), ask("/report.html"));
            ask("/goodbye");
            [told, run, report]
        });
        while handle.shared.pages.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(3 * LOOK);
        assert!(!page.is_finished(), "it waits for the end");
        std::fs::write(dir.path().join("run.json"), "{\"state\":\"finished\"}").unwrap();
        std::fs::write(dir.path().join("report.html"), "<!doctype html>").unwrap();
        let begun = Instant::now();
        drop(handle);
        let took = begun.elapsed();
        let [told, run, report] = page.join().unwrap();
        assert!(told.ends_with("{\"ended\":true}") && run.ends_with("{\"state\":\"finished\"}"), "{told} {run}");
        assert!(report.ends_with("<!doctype html>") && report.contains("text/html"), "{report}");
        assert!(took < GRACE, "it went on for {took:?} after the goodbye");
    }

    #[test]
    fn a_page_that_has_gone_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let handle = serve(dir.path().into(), 0).unwrap();
        let wait = || {
            let mut stream = TcpStream::connect(handle.address).unwrap();
            stream.write_all(b"GET /end HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        };
        let until = |pages: usize| {
            let begun = Instant::now();
            while handle.shared.pages.load(Ordering::Relaxed) != pages {
                assert!(begun.elapsed() < Duration::from_secs(20), "{pages} pages were expected");
                std::thread::sleep(LOOK / 10);
            }
        };
        let pages: Vec<TcpStream> = (0..WAITING).map(|_| wait()).collect();
        until(WAITING);
        assert!(get(&handle, "/end").starts_with("HTTP/1.1 503"));
        drop(pages);
        until(0);
        // Goodbyes of nobody count for nothing.
        get(&handle, "/goodbye");
        assert_eq!(handle.shared.pages.load(Ordering::Relaxed), 0);
        let begun = Instant::now();
        drop(handle);
        assert!(begun.elapsed() < GRACE);
    }

    #[test]
    fn a_busy_port_gives_way_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let first = serve(dir.path().into(), 0).unwrap();
        let second = serve(dir.path().into(), first.address.port()).unwrap();
        assert_ne!(first.address, second.address);
        let port = first.address.port();
        second.show(Path::new("elsewhere"));
        assert_eq!(second.shared.folder(), Path::new("elsewhere"));
        drop(first);
        // The port is free again.
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
