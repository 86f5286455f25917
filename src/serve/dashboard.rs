//! A page with the live curves of a run, served on this machine alone: `wgrad train
//! --dashboard`.
//!
//! One address, `/end`, is answered when the run has ended. A page that waits for
//! it is told, fetches how the run ended and its report, and says goodbye; for
//! that long the server stays. Timers would not do: browsers slow down those of
//! hidden pages to one a minute.

use super::careful::careful;
use super::guard::{Guard, guarded};
use super::listen::{self, Limits};
use super::problem::Problem;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::files;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Pages at a time that wait for the end: browsers open six connections.
const WAITING: usize = 4;
/// Bytes of a file.
const FILE: u64 = 64 << 20;
/// How much a browser may have open, and how slow it may be.
const LIMITS: Limits = Limits {
    connections: 16,
    keep_alive: false,
    head: Duration::from_secs(5),
    write: Duration::from_secs(5),
    drain: Duration::from_secs(1),
};
/// How often it is looked whether pages still want something.
const LOOK: Duration = Duration::from_millis(20);
/// Time that pages have, once they are told, to fetch what they want.
const GRACE: Duration = Duration::from_secs(5);
/// Ports tried from the one asked for.
const PORTS: u16 = 20;

const PAGE: &str = include_str!("../../assets/report/dashboard.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      connect-src 'self'; frame-ancestors 'none'";

/// A running server; when this is dropped it tells the pages that the run has
/// ended, and ends.
pub struct Handle {
    address: SocketAddr,
    shared: Arc<Shared>,
    ended: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What requests share.
struct Shared {
    /// The run's folder.
    folder: Mutex<PathBuf>,
    /// Whether the run has ended.
    ended: watch::Receiver<bool>,
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
        // Nobody may listen any more.
        let _ = self.ended.send(true);
        let until = Instant::now() + GRACE;
        while self.shared.pages.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves the live curves of a run's folder on 127.0.0.1. A busy port gives way
/// to the next free one; port 0 is any free one.
pub fn serve(folder: PathBuf, port: u16) -> Result<Handle> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(4).build();
    let runtime = runtime.map_err(|e| Error::io("starting the dashboard", e))?;
    let listener = bind(&runtime, port)?;
    let address = listener.local_addr().map_err(|e| Error::io("asking for the dashboard's address", e))?;
    let (ended, has_ended) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(Shared { folder: Mutex::new(folder), ended: has_ended, pages: AtomicUsize::new(0) });
    let app = router(shared.clone());
    let thread = std::thread::Builder::new()
        .name("dashboard".into())
        .spawn(move || {
            // Whatever a page still wanted is over.
            let _ = runtime.block_on(listen::serve(listener, None, app, LIMITS, stopping));
        })
        .map_err(|e| Error::io("starting the dashboard's thread", e))?;
    Ok(Handle { address, shared, ended, stop, thread: Some(thread) })
}

fn bind(runtime: &Runtime, port: u16) -> Result<TcpListener> {
    let mut busy = None;
    for port in port..=port.saturating_add(PORTS) {
        match runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port))) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse => busy = Some(e),
            Err(e) => return Err(Error::io(format!("opening port {port} for the dashboard"), e)),
        }
    }
    let busy = busy.expect("at least one port was tried");
    Err(Error::io(format!("ports {port} to {} are busy; give the dashboard another", port.saturating_add(PORTS)), busy))
}

fn router(shared: Arc<Shared>) -> Router {
    let guard = Arc::new(Guard::new(&Settings::default()));
    Router::new()
        .route("/", get(async || ([(header::CONTENT_TYPE, HTML), (header::CONTENT_SECURITY_POLICY, POLICY)], PAGE)))
        .route("/metrics.jsonl", file("metrics.jsonl", "application/jsonl; charset=utf-8", ""))
        .route("/run.json", file("run.json", JSON, "{}"))
        .route("/live.json", file("live.json", JSON, "{}"))
        .route("/report.html", file("report.html", HTML, ""))
        .route("/end", get(end))
        .route("/goodbye", get(goodbye))
        .fallback(async || {
            Problem::missing("there are /, /metrics.jsonl, /run.json, /live.json, /report.html and /end")
        })
        .with_state(shared)
        .layer(from_fn_with_state(guard, guarded))
        .layer(from_fn(careful))
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// A page that waits for the end, until it is told or has gone.
struct Page {
    shared: Arc<Shared>,
    is_told: bool,
}

impl Drop for Page {
    fn drop(&mut self) {
        if !self.is_told {
            self.shared.leave();
        }
    }
}

/// Answers once the run has ended. A page that goes away before drops this.
async fn end(State(shared): State<Arc<Shared>>) -> Response {
    if !shared.enter() {
        return Problem::busy("enough pages wait for the end").into_response();
    }
    let mut page = Page { shared: shared.clone(), is_told: false };
    let mut ended = shared.ended.clone();
    let _ = ended.wait_for(|ended| *ended).await;
    page.is_told = true;
    ([(header::CONTENT_TYPE, JSON)], "{\"ended\":true}").into_response()
}

async fn goodbye(State(shared): State<Arc<Shared>>) {
    shared.leave();
}

/// A file of the run, or what stands for it until it is there.
fn file(name: &'static str, kind: &'static str, missing: &'static str) -> MethodRouter<Arc<Shared>> {
    get(async move |State(shared): State<Arc<Shared>>| -> Response {
        let path = shared.folder().join(name);
        let read = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
            let mut bytes = vec![];
            files::open(&path)?.take(FILE + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let bytes = match read.await.unwrap_or_else(|_| Err(ErrorKind::Other.into())) {
            Ok(bytes) if bytes.len() as u64 <= FILE => bytes,
            Ok(_) => return Problem::internal("larger than 64 MiB").into_response(),
            Err(e) if e.kind() == ErrorKind::NotFound => missing.into(),
            Err(e) => return Problem::internal(e.to_string()).into_response(),
        };
        ([(header::CONTENT_TYPE, kind)], bytes).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpStream;

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
        for target in ["/secret", "/../secret", "//run.json", "/run.json/", "/%2e%2e/secret"] {
            let answer = get(&handle, target);
            assert!(answer.starts_with("HTTP/1.1 404"), "{target}: {answer}");
        }
    }

    #[test]
    fn strange_requests_are_turned_away() {
        let dir = tempfile::tempdir().unwrap();
        let handle = serve(dir.path().into(), 0).unwrap();
        let cases: [(&[u8], &str); 4] = [
            (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            (b"GET / HTTP/1.1\r\n\r\n", "403"),
            (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            (b"\xff\xfe\r\n\r\n", "400"),
        ];
        for (request, status) in cases {
            let answer = ask(&handle, request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
        }
        // Clients that say nothing hold their places, not the server.
        let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(handle.address).unwrap()).collect();
        std::thread::sleep(Duration::from_millis(200));
        assert!(get(&handle, "/run.json").starts_with("HTTP/1.1 503"));
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
        assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
