//! The Open Inference Protocol, version 2, as KServe and Triton define it, with the
//! extension for binary tensors.

pub mod describe;
mod infer;
mod tensor;

pub use describe::{Described, Port};

use super::app::{App, Named, json};
use super::problem::{Answered, Problem};
use super::registry::Entry;
use super::stats::{Stats, Timer};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json as object};
use std::sync::atomic::Ordering::Relaxed;

/// What the server says that it can do.
const EXTENSIONS: &[&str] =
    &["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics", "generate"];

/// Where a model is: its latest version, or one of them.
pub const MODELS: [&str; 2] = ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"];

/// The addresses below `/v2`.
pub fn routes() -> Router<App> {
    let mut routes = Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/stats", get(all_stats))
        .route("/v2/repository/index", post(index))
        .route("/v2/repository/models/{model}/load", post(fixed))
        .route("/v2/repository/models/{model}/unload", post(fixed));
    for model in MODELS {
        routes = routes
            .route(model, get(metadata))
            .route(&format!("{model}/ready"), get(model_ready))
            .route(&format!("{model}/config"), get(config))
            .route(&format!("{model}/stats"), get(stats))
            .route(&format!("{model}/infer"), post(infer::infer));
    }
    routes
}

async fn server() -> Response {
    json(object!({ "name": "wgrad", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
}

async fn live() -> StatusCode {
    StatusCode::OK
}

/// Not while the server ends, nor while a device that has failed is opened anew: balancers are to look elsewhere.
async fn ready(State(app): State<App>) -> Answered<Response> {
    if app.is_ending() {
        return Err(Problem::busy("the server ends"));
    }
    app.registry.all().iter().try_for_each(|entry| entry.model().alive.check())?;
    Ok(StatusCode::OK.into_response())
}

async fn model_ready(state: State<App>, Path(named): Named) -> Answered<Response> {
    state.entry(&named)?.model().alive.check()?;
    ready(state).await
}

async fn metadata(State(app): State<App>, Path(named): Named) -> Answered<Response> {
    let entry = app.entry(&named)?;
    let versions: Vec<String> = app.registry.versions(&entry.name)?.iter().map(|e| e.version.to_string()).collect();
    Ok(json(entry.model().ports.metadata(&entry.name, &versions)))
}

async fn config(State(app): State<App>, Path(named): Named) -> Answered<Response> {
    let entry = app.entry(&named)?;
    Ok(json(entry.model().ports.config(&entry.name, &app.how.batching)))
}

async fn index(State(app): State<App>) -> Response {
    let one = |e: &Entry| object!({ "name": e.name, "version": e.version.to_string(), "state": "READY", "reason": "" });
    json(app.registry.all().iter().map(one).collect())
}

/// Runs are named when the server is started.
async fn fixed(State(app): State<App>, Path(named): Named) -> Answered<Response> {
    app.entry(&named[..1])?;
    Err(Problem::bad(
        "models are given when the server is started, and newer weights of their runs are taken by themselves; none can \
         be loaded or unloaded",
    ))
}

async fn stats(State(app): State<App>, Path(named): Named) -> Answered<Response> {
    let entry = app.entry(&named)?;
    let of_version = |e: &&Entry| named.len() == 1 || e.version == entry.version;
    let found: Vec<Value> =
        app.registry.versions(&entry.name)?.into_iter().filter(of_version).map(model_stats).collect();
    Ok(json(object!({ "model_stats": found })))
}

async fn all_stats(State(app): State<App>) -> Response {
    let found: Vec<Value> = app.registry.all().iter().map(model_stats).collect();
    json(object!({ "model_stats": found }))
}

/// What a version has done, as Triton's statistics extension has it.
fn model_stats(entry: &Entry) -> Value {
    let s: &Stats = &entry.stats;
    let of = |t: &Timer| object!({ "count": t.count(), "ns": t.ns() });
    let batches = s
        .batches()
        .into_iter()
        .map(|(size, b)| object!({ "batch_size": size, "compute_infer": { "count": b.count, "ns": b.ns } }));
    object!({
        "name": entry.name,
        "version": entry.version.to_string(),
        "last_inference": s.last.load(Relaxed),
        "inference_count": s.inferences.load(Relaxed),
        "execution_count": s.executions.load(Relaxed),
        "inference_stats": {
            "success": of(&s.success),
            "fail": of(&s.failure),
            "queue": of(&s.queue),
            "compute_input": of(&s.input),
            "compute_infer": of(&s.infer),
            "compute_output": of(&s.output),
        },
        "batch_stats": batches.collect::<Vec<_>>(),
    })
}
