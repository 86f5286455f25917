//! A line of JSON on stderr for each request. A thread of its own writes them: whoever reads
//! slowly loses lines, and keeps no request waiting.

use super::listen::Peer;
use crate::error::{Error, Result};
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Lines that may wait.
const LINES: usize = 4096;
/// Characters of an address that are shown.
const SHOWN: usize = 256;

/// What the thread is told.
enum Told {
    Line(String),
    /// To say when all lines before this are written.
    Flush(SyncSender<()>),
}

/// Takes lines.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Told>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Starts the thread; it ends when all clones are dropped.
    ///
    /// Fails when there is no thread to be had.
    pub fn start() -> Result<Log> {
        let (lines, waiting) = sync_channel::<Told>(LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let of_thread = lost.clone();
        std::thread::Builder::new()
            .name("access log".into())
            .spawn(move || {
                for told in waiting {
                    let lost = of_thread.swap(0, Relaxed);
                    if lost > 0 {
                        eprintln!("{}", json!({ "time": now(), "event": "log", "lost_lines": lost }));
                    }
                    match told {
                        Told::Line(line) => eprintln!("{line}"),
                        // Nobody may wait for it any more.
                        Told::Flush(done) => drop(done.send(())),
                    }
                }
            })
            .map_err(|e| Error::io("starting the thread of the log", e))?;
        Ok(Log { lines, lost })
    }

    /// Waits until the lines are written, for a second at most.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.try_send(Told::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    /// Writes a line.
    pub fn say(&self, line: &Value) {
        if self.lines.try_send(Told::Line(line.to_string())).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The time, as RFC 3339 writes it.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = DateTime::from_timestamp(since.as_secs() as i64, since.subsec_nanos()).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Logs a request once its answer begins.
pub async fn logged(State(log): State<Log>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(SHOWN).collect();
    let peer = request.extensions().get::<Peer>().map(|p| p.0.to_string());
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let response = next.run(request).await;
    log.say(&json!({
        "time": now(),
        "event": "request",
        "peer": peer,
        "method": method.as_str(),
        "path": path,
        "status": response.status().as_u16(),
        "ms": (began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        "bytes_in": length,
        "bytes_out": response.body().size_hint().exact(),
    }));
    response
}
