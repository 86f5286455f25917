//! `GET /metrics`: Prometheus' text format, with Triton's names.

use super::app::App;
use super::registry::Entry;
use super::stats::Stats;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// A metric of a version: its name, its type, what it says, and its value.
type Metric = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const METRICS: &[Metric] = &[
    ("nv_inference_request_success", "counter", "Requests that were answered", |s| s.success.count()),
    ("nv_inference_request_failure", "counter", "Requests that were not answered", |s| s.failure.count()),
    ("nv_inference_count", "counter", "Samples that went through the model", |s| s.inferences.load(Relaxed)),
    ("nv_inference_exec_count", "counter", "Runs of the model, for a batch each", |s| s.executions.load(Relaxed)),
    ("nv_inference_request_duration_us", "counter", "Microseconds of requests from end to end", |s| {
        s.success.ns() / 1000
    }),
    ("nv_inference_queue_duration_us", "counter", "Microseconds that requests waited for the device", |s| {
        s.queue.ns() / 1000
    }),
    ("nv_inference_compute_input_duration_us", "counter", "Microseconds of making samples", |s| s.input.ns() / 1000),
    ("nv_inference_compute_infer_duration_us", "counter", "Microseconds of requests on the device", |s| {
        s.infer.ns() / 1000
    }),
    ("nv_inference_compute_output_duration_us", "counter", "Microseconds of making answers", |s| s.output.ns() / 1000),
    ("nv_inference_pending_request_count", "gauge", "Requests that are being answered", |s| {
        s.open.load(Relaxed) as u64
    }),
    ("wgrad_rejected_requests", "counter", "Requests turned away because the queue was full", |s| {
        s.rejected.load(Relaxed)
    }),
    ("wgrad_reloads", "counter", "Newer weights that were taken", |s| s.reloads.load(Relaxed)),
    ("wgrad_failed_reloads", "counter", "Newer weights that could not be taken", |s| s.failed_reloads.load(Relaxed)),
];

/// Answers with all metrics.
pub async fn metrics(State(app): State<App>) -> Response {
    let mut text = written(app.registry.all());
    let up = app.began.elapsed().as_secs_f64();
    let _ =
        writeln!(text, "# HELP wgrad_uptime_seconds Seconds since the server began\n# TYPE wgrad_uptime_seconds gauge");
    let _ = writeln!(text, "wgrad_uptime_seconds {up:.3}");
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The metrics of all versions. Names of models need no escaping: [`super::Served::parse`]
/// lets none through that would.
fn written(entries: &[Entry]) -> String {
    let mut text = String::new();
    for (name, kind, help, of) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for e in entries {
            let _ = writeln!(text, "{name}{{model=\"{}\",version=\"{}\"}} {}", e.name, e.version, of(&e.stats));
        }
    }
    text
}
