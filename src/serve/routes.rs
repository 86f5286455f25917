//! Which address leads where.

use super::app::App;
use super::careful::careful;
use super::guard::{Guard, guarded};
use super::log::{Log, logged};
use super::problem::Problem;
use super::{generate, metrics, openapi, page, predict, tfs, v2};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use std::sync::Arc;

/// The addresses of a server; requests are logged if there is a log.
pub fn router(app: App, log: Option<Log>) -> Router {
    let guard = Arc::new(Guard::new(&app.settings));
    let mut router = Router::new()
        .route("/", get(page::index))
        .route("/pages", get(page::pages))
        .route("/pages/{model}", get(page::of_model))
        .route("/pages/{model}/{version}", get(page::of_model))
        .route("/openapi.json", get(openapi::document))
        .route("/metrics", get(metrics::metrics))
        .route("/models", get(page::models))
        .route("/predict", post(predict::predict))
        .route("/generate", post(generate::generate))
        .route("/v1/models/{*rest}", any(tfs::any))
        .merge(v2::routes());
    for model in v2::MODELS {
        router = router
            .route(&format!("{model}/generate"), post(generate::v2_whole))
            .route(&format!("{model}/generate_stream"), post(generate::v2_stream));
    }
    let mut router =
        router.fallback(nowhere).with_state(app).layer(from_fn_with_state(guard, guarded)).layer(from_fn(careful));
    if let Some(log) = log {
        router = router.layer(from_fn_with_state(log, logged));
    }
    router
}

async fn nowhere(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(128).collect();
    Problem::missing(format!("there is nothing at {path}; GET / and GET /openapi.json say what there is"))
}
