//! A server of trained models: `wgrad serve`. It speaks the Open Inference Protocol,
//! TensorFlow Serving's, and one for people ([`predict`]); puts the samples of several
//! requests together ([`engine`]); and takes newer weights while it runs ([`registry`]).
//!
//! A request passes `listen` (connections), `log`, `guard` (who may ask), `app` (the
//! addresses), `body` (limits), one of the protocols, which makes a [`model::Ask`] of it,
//! `model` (samples, in parallel) and `engine` (the device, one batch after the other).
//!
//! ```no_run
//! use wgrad::serve::{Served, Server, Settings};
//!
//! # fn main() -> wgrad::Result<()> {
//! let device = wgrad::device::Device::open("cpu")?;
//! let runs = [Served::parse("digits=runs/keras-cnn-001")?];
//! let server = Server::start(&runs, device, Settings::default())?;
//! println!("{}", server.url());
//! server.stop(); // lets requests end that have begun
//! # Ok(())
//! # }
//! ```

mod alive;
mod app;
mod body;
mod careful;
pub mod dashboard;
mod data;
mod engine;
mod generate;
mod guard;
mod listen;
mod log;
mod metrics;
mod model;
mod openapi;
mod paced;
mod page;
mod predict;
mod problem;
mod registry;
mod routes;
mod settings;
mod stats;
mod takes;
mod tfs;
#[cfg(feature = "tls")]
mod tls;
mod v2;
mod writer;

pub use settings::{Served, Settings, TlsFiles};

use crate::device::Device;
use crate::error::{Error, Result};
use app::App;
use listen::Limits;
use log::Log;
use model::How;
use registry::{Entry, Registry};
use serde_json::json;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How often it is looked whether a device has failed: usually, and at least, while it does not open again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];

/// A server that runs. When this is dropped it ends as by [`Server::stop`].
pub struct Server {
    address: SocketAddr,
    is_secure: bool,
    models: Vec<String>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<bool>>,
}

impl Server {
    /// Loads runs and serves them on a device, from threads of its own.
    ///
    /// Fails when a run cannot be loaded, and when the address is in use.
    pub fn start(runs: &[Served], device: Device, settings: Settings) -> Result<Server> {
        if runs.is_empty() {
            return Err(Error::usage("no run to serve; name at least one"));
        }
        check(&settings)?;
        let tls = tls(&settings)?;
        let runtime = runtime()?;
        // First of all: an address in use is known before models are loaded.
        let listener = runtime.block_on(listen::bind((settings.host, settings.port).into()))?;
        let address = listener.local_addr().map_err(|e| Error::io("asking for the server's address", e))?;
        let how = How::new(&settings, device);
        let registry = Registry::load(runs, &how)?;
        let models = registry.all().iter().map(|e| format!("{}: {}", e.title(), e.model().takes.name())).collect();
        let (stop, stopping) = watch::channel(false);
        let (is_secure, log) = (tls.is_some(), Log::start()?);
        let app = App::new(registry, how, settings);
        let thread = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || run(&runtime, listener, tls, app, log, stopping))
            .map_err(|e| Error::io("starting the server's thread", e))?;
        Ok(Server { address, is_secure, models, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for a browser.
    pub fn url(&self) -> String {
        format!("http{}://{}/", if self.is_secure { "s" } else { "" }, self.address)
    }

    /// The models, with what each takes.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// Asks it to end, from any thread.
    pub fn stopper(&self) -> impl Fn() + Send + use<> {
        let stop = self.stop.clone();
        move || {
            // Nobody may listen any more.
            let _ = stop.send(true);
        }
    }

    /// Waits until it has been asked to end, and has. Whether all requests were answered
    /// that had begun.
    pub fn wait(mut self) -> bool {
        self.thread.take().is_some_and(|thread| thread.join().unwrap_or(false))
    }

    /// Ends it: no new connections, and requests that have begun are answered. Whether all
    /// were.
    pub fn stop(self) -> bool {
        let _ = self.stop.send(true);
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Fails at settings that leave nothing to serve with.
fn check(s: &Settings) -> Result<()> {
    let counts = [
        ("max-batch", s.max_batch),
        ("queue", s.queue),
        ("connections", s.connections),
        ("max-body", s.max_body),
        ("max-samples", s.max_samples),
        ("max-tokens", s.max_tokens),
    ];
    if let Some((name, _)) = counts.iter().find(|(_, n)| *n == 0) {
        return Err(Error::usage(format!("--{name} 0: expected at least 1")));
    }
    if s.max_body > 1 << 30 {
        return Err(Error::usage(format!("--max-body {}: expected at most 1 GiB", s.max_body)));
    }
    if s.token.as_ref().is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Error::usage("the token: expected printable ASCII characters without blanks, at least one"));
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("serve")
        .enable_io()
        .enable_time()
        .build()
        .map_err(|e| Error::io("starting the server's threads", e))
}

#[cfg(feature = "tls")]
fn tls(s: &Settings) -> Result<Option<listen::Tls>> {
    s.tls.as_ref().map(tls::acceptor).transpose()
}

#[cfg(not(feature = "tls"))]
fn tls(s: &Settings) -> Result<Option<listen::Tls>> {
    match s.tls {
        None => Ok(None),
        Some(_) => Err(Error::usage("--tls-cert: this wgrad was built without the feature \"tls\"")),
    }
}

/// The server's thread. Whether all requests were answered that had begun.
fn run(
    runtime: &Runtime,
    listener: TcpListener,
    tls: Option<listen::Tls>,
    app: App,
    log: Log,
    stopping: watch::Receiver<bool>,
) -> bool {
    let s = &app.settings;
    let limits =
        Limits { connections: s.connections, keep_alive: true, head: s.timeout, write: s.timeout, drain: s.drain };
    let access = s.access_log.then(|| log.clone());
    let answered = runtime.block_on(async {
        let mut ends = stopping.clone();
        let of_end = app.clone();
        tokio::spawn(async move {
            let _ = ends.wait_for(|stop| *stop).await;
            of_end.end();
        });
        tokio::spawn(mend(app.clone(), log.clone()));
        if let Some(every) = app.settings.reload {
            tokio::spawn(renew(app.clone(), every, log.clone()));
        }
        listen::serve(listener, tls, routes::router(app.clone(), access), limits, stopping).await
    });
    log.flush();
    answered
}

/// Opens a device anew that has failed, with the models that are on it. Where that fails, it is tried again, ever
/// more rarely.
async fn mend(app: App, log: Log) {
    let mut pause = PAUSES[0];
    while !app.is_ending() {
        tokio::time::sleep(pause).await;
        if !app.registry.has_failed() {
            pause = PAUSES[0];
            continue;
        }
        pause = (2 * pause).min(PAUSES[1]);
        let (app, log) = (app.clone(), log.clone());
        let mended = tokio::task::spawn_blocking(move || {
            let said = |entry: &Entry, loaded| reloaded(&log, "device", entry, loaded);
            if let Err(e) = app.registry.mend(&app.how, &said) {
                log.say(&json!({ "time": log::now(), "event": "device", "status": "failed", "error": e.to_string() }));
            }
        });
        if mended.await.is_err() {
            return;
        }
    }
}

/// Says what became of a model that was loaded again, and why it was.
fn reloaded(log: &Log, event: &str, entry: &Entry, loaded: Result<()>) {
    let mut line = json!({ "time": log::now(), "event": event, "model": entry.name, "version": entry.version });
    match loaded {
        Ok(()) => line["status"] = "ok".into(),
        Err(e) => (line["status"], line["error"]) = ("failed".into(), e.to_string().into()),
    }
    log.say(&line);
}

/// Takes newer weights of the runs, again and again.
async fn renew(app: App, every: Duration, log: Log) {
    while !app.is_ending() {
        tokio::time::sleep(every).await;
        let (app, log) = (app.clone(), log.clone());
        let looked = tokio::task::spawn_blocking(move || {
            app.registry.renew(&app.how, &|entry, renewed| reloaded(&log, "reload", entry, renewed));
        });
        if looked.await.is_err() {
            return;
        }
    }
}
