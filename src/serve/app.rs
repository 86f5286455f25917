//! What all addresses share.

use super::body::Bodies;
use super::model::{How, Model};
use super::problem::Answered;
use super::registry::{Entry, Registry};
use super::settings::Settings;
use super::stats::Open;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// The model and, if it is there, the version in an address.
pub type Named = Path<Vec<String>>;

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

    /// The entry that an address below `/v2/models` names.
    pub fn entry(&self, named: &[String]) -> Answered<&Entry> {
        self.registry.find(&named[0], named.get(1).map(String::as_str))
    }
}

/// An answer of JSON.
pub fn json(value: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
