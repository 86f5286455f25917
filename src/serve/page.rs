//! What a browser sees: the page at `/`, and the list of models.

use super::app::{App, json};
use super::registry::Entry;
use super::v2::ports;
use crate::data::html::escape;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json as object};
use std::fmt::Write;

const PAGE: &str = include_str!("../../assets/serve/index.html");
/// A page may run and load nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `GET /`
pub async fn index(State(app): State<App>) -> Response {
    let mut rows = String::new();
    for e in app.registry.all() {
        let model = e.model();
        let address = format!("/v2/models/{}/versions/{}", e.name, e.version);
        // Names of models need no escaping; that of a description is a user's.
        let _ = writeln!(
            rows,
            "<tr><td><a href=\"{address}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            e.name,
            e.version,
            escape(&model.description),
            model.takes.name()
        );
    }
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE.replace("<!-- models -->", &rows)).into_response()
}

/// `GET /models`
pub async fn models(State(app): State<App>) -> Response {
    let one = |e: &Entry| -> Value {
        let model = e.model();
        let described = ports(&model);
        let inputs: Vec<&str> = described.inputs.iter().map(|p| p.name.as_str()).collect();
        object!({
            "name": e.name,
            "version": e.version.to_string(),
            "model": model.description,
            "takes": model.takes.name(),
            "inputs": inputs,
            "outputs": described.outputs.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
            "classes": described.classes,
        })
    };
    json(object!({ "models": app.registry.all().iter().map(one).collect::<Vec<_>>() }))
}
