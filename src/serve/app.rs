//! What all addresses share, and where they lead.

use super::body::Bodies;
use super::guard::{Guard, guarded};
use super::log::{Log, logged};
use super::model::{How, Model};
use super::problem::{Answered, Problem};
use super::registry::Registry;
use super::settings::Settings;
use super::stats::Open;
use super::{generate, metrics, openapi, page, predict, tfs, v2};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// What all addresses share.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// The models.
    pub registry: Registry,
    /// How they are asked.
    pub how: How,
    /// Reads bodies.
    pub bodies: Bodies,
    /// The settings of the server.
    pub settings: Settings,
    /// When it began.
    pub began: Instant,
    ending: AtomicBool,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// For some models.
    pub fn new(registry: Registry, how: How, settings: Settings) -> App {
        let bodies = Bodies::new(settings.max_body, settings.timeout);
        let (began, ending) = (Instant::now(), AtomicBool::new(false));
        App(Arc::new(Shared { registry, how, bodies, settings, began, ending }))
    }

    /// Says that the server is about to end.
    pub fn end(&self) {
        self.ending.store(true, Relaxed);
    }

    /// Whether the server is about to end.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Relaxed)
    }

    /// Counts a request of a model while it is answered, and how that went.
    pub async fn counted<T>(&self, model: &Model, answer: impl Future<Output = Answered<T>>) -> Answered<T> {
        let began = Instant::now();
        let _open = Open::new(model.stats());
        let answered = answer.await;
        model.counted(began, answered.is_ok());
        answered
    }

    /// The addresses.
    pub fn router(self, log: Option<Log>) -> Router {
        let guard = Arc::new(Guard::new(&self.settings));
        let mut router = Router::new()
            .route("/", get(page::index))
            .route("/openapi.json", get(openapi::document))
            .route("/metrics", get(metrics::metrics))
            .route("/models", get(page::models))
            .route("/predict", post(predict::predict))
            .route("/generate", post(generate::generate))
            .route("/v1/models/{*rest}", get(tfs::get).post(tfs::post))
            .merge(v2::routes())
            .fallback(nowhere)
            .with_state(self)
            .layer(from_fn_with_state(guard, guarded))
            .layer(from_fn(careful));
        if let Some(log) = log {
            router = router.layer(from_fn_with_state(log, logged));
        }
        router
    }
}

/// An answer of JSON.
pub fn json(value: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn nowhere(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(128).collect();
    Problem::missing(format!("there is nothing at {path}; GET / and GET /openapi.json say what there is"))
}

/// Headers that keep browsers from making more of an answer than it is; and problems that
/// the framework finds are told as ours are.
async fn careful(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().chars().take(128).collect::<String>());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == "application/json");
    if (status.is_client_error() || status.is_server_error()) && !is_json {
        let (head, body) = response.into_parts();
        let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
        let message = match (status, String::from_utf8_lossy(&text)) {
            (StatusCode::METHOD_NOT_ALLOWED, _) => format!("{path} is not answered with {method}"),
            (status, text) if text.is_empty() => status.to_string(),
            (_, text) => text.into_owned(),
        };
        response = Problem::new(status, message).into_response();
        if let Some(allow) = head.headers.get(header::ALLOW) {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
