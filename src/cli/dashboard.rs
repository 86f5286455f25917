//! A page with the live curves of a run, served on this machine alone.
//!
//! The server knows three addresses and one method, reads at most a small
//! request within a few seconds, answers and closes. It answers only requests
//! that name this machine as their host: a page from elsewhere cannot read it
//! by giving its own name this machine's address.

use crate::error::{Error, Result};
use crate::files;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections at a time; more are turned away.
const CONNECTIONS: usize = 16;
/// Bytes of a request.
const REQUEST: usize = 8 * 1024;
/// Bytes of a file.
const FILE: u64 = 64 << 20;
/// Time for the whole request, and for the whole answer.
const READ_TIME: Duration = Duration::from_secs(5);
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Ports tried from the one asked for.
const PORTS: u16 = 20;

const PAGE: &str = include_str!("../../assets/report/dashboard.html");

/// A running server; it ends when this is dropped.
pub struct Handle {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection; if that fails it is
        // gone already, or ends with the program.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Serves the live curves of a run's folder on 127.0.0.1. A busy port gives way
/// to the next free one, with a message; port 0 is any free one.
pub fn serve(folder: PathBuf, port: u16) -> Result<Handle> {
    let listener = bind(port)?;
    let address = listener.local_addr().map_err(|e| Error::io("asking for the dashboard's address", e))?;
    if port != 0 && address.port() != port {
        eprintln!("port {port} is busy; the dashboard is on port {}", address.port());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, folder) = (stop.clone(), Arc::<Path>::from(folder));
    let thread = std::thread::Builder::new()
        .name("dashboard".into())
        .spawn(move || accept(&listener, &folder, &stopped))
        .map_err(|e| Error::io("starting the dashboard's thread", e))?;
    Ok(Handle { address, stop, thread: Some(thread) })
}

fn bind(port: u16) -> Result<TcpListener> {
    let mut busy = None;
    for port in port..=port.saturating_add(PORTS) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => busy = Some(e),
            Err(e) => return Err(Error::io(format!("opening port {port} for the dashboard"), e)),
        }
    }
    let busy = busy.expect("at least one port was tried");
    Err(Error::io(format!("ports {port} to {} are busy; give the dashboard another", port.saturating_add(PORTS)), busy))
}

fn accept(listener: &TcpListener, folder: &Arc<Path>, stop: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file handles, perhaps: not to be asked again at once.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (folder, counted) = (folder.clone(), Open(open.clone()));
        let spawned = std::thread::Builder::new().name("dashboard client".into()).spawn(move || {
            let _counted = counted;
            // A client that has gone away is no error of ours.
            let _ = answer(stream, &folder);
        });
        // Without a thread the connection is dropped, which closes it.
        drop(spawned);
    }
}

/// Counts a connection until it ends, however it does.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let port = stream.local_addr()?.port();
    let (status, kind, body) = match request(&mut stream)? {
        Some(head) => respond(&head, port, folder),
        None => ("400 Bad Request", TEXT, b"a request of at most 8 KiB is expected within 5 seconds\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; frame-ancestors 'none'\r\n\r\n",
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
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
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

/// Status, type and body of the answer.
fn respond(head: &str, port: u16, folder: &Path) -> (&'static str, &'static str, Vec<u8>) {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let host = lines.filter_map(|l| l.split_once(':')).find(|(k, _)| k.eq_ignore_ascii_case("host"));
    let host = host.map_or("", |(_, v)| v.trim());
    let ours = ["127.0.0.1", "localhost"].iter().any(|name| host == *name || host == format!("{name}:{port}"));
    if !ours {
        return ("403 Forbidden", TEXT, b"this page is for this machine alone: use 127.0.0.1 or localhost\n".to_vec());
    }
    if method != "GET" {
        return ("405 Method Not Allowed", TEXT, b"only GET is answered\n".to_vec());
    }
    match target.split('?').next().unwrap_or_default() {
        "/" => ("200 OK", "text/html; charset=utf-8", PAGE.as_bytes().to_vec()),
        "/metrics.jsonl" => file(folder, "metrics.jsonl", "application/jsonl; charset=utf-8", b""),
        "/run.json" => file(folder, "run.json", "application/json", b"{}"),
        _ => ("404 Not Found", TEXT, b"there are /, /metrics.jsonl and /run.json\n".to_vec()),
    }
}

/// A file of the run, or what stands for it until it is there.
fn file(folder: &Path, name: &str, kind: &'static str, missing: &[u8]) -> (&'static str, &'static str, Vec<u8>) {
    let path = folder.join(name);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![];
        files::open(&path)?.take(FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // What is no file (a pipe, say) could block for ever.
    match std::fs::metadata(&path).map(|m| m.is_file()) {
        Err(_) => ("200 OK", kind, missing.to_vec()),
        Ok(false) => ("500 Internal Server Error", TEXT, b"not a regular file\n".to_vec()),
        Ok(true) => match read() {
            Ok(bytes) if bytes.len() as u64 <= FILE => ("200 OK", kind, bytes),
            Ok(_) => ("500 Internal Server Error", TEXT, b"larger than 64 MiB\n".to_vec()),
            Err(e) => ("500 Internal Server Error", TEXT, format!("{e}\n").into_bytes()),
        },
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
    fn a_busy_port_gives_way_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let first = serve(dir.path().into(), 0).unwrap();
        let second = serve(dir.path().into(), first.address.port()).unwrap();
        assert_ne!(first.address, second.address);
        let port = first.address.port();
        drop(first);
        // The port is free again.
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
