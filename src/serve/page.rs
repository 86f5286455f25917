//! What a browser sees: a page for each model, and the list of models.

use super::app::{App, Named, json};
use super::problem::{Answered, Problem};
use super::registry::Entry;
use super::v2::ports;
use crate::data::html::escape;
use crate::deploy::web;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json as object};
use std::fmt::Write;

const PAGE: &str = include_str!("../../assets/serve/index.html");
/// A page may run and load nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `GET /`: the page of the only model, or the list of all.
pub async fn index(State(app): State<App>) -> Response {
    match app.registry.all() {
        [only] => page(&app, only).unwrap_or_else(|_| list(&app)),
        _ => list(&app),
    }
}

/// `GET /pages`
pub async fn pages(State(app): State<App>) -> Response {
    list(&app)
}

/// `GET /pages/NAME` and `/pages/NAME/VERSION`
pub async fn of_model(State(app): State<App>, Path(named): Named) -> Answered<Response> {
    page(&app, app.entry(&named)?)
}

/// The page on which people ask a model.
///
/// Fails where a page has no way to ask for what it takes.
fn page(app: &App, entry: &Entry) -> Answered<Response> {
    let about = entry.model().about.clone().map_err(Problem::missing)?;
    let served = object!({
        "about": about,
        "name": entry.name,
        "version": entry.version.to_string(),
        "device": app.how.device.info().name,
        "several": app.registry.all().len() > 1,
    });
    Ok(html(web::served_page(&entry.name, &served)))
}

fn list(app: &App) -> Response {
    let mut rows = String::new();
    for e in app.registry.all() {
        let model = e.model();
        // Names of models need no escaping; that of a description is a user's.
        let name = match &model.about {
            Ok(_) => format!("<a href=\"/pages/{0}/{1}\">{0}</a>", e.name, e.version),
            Err(why) => format!("{}<br><small>no page: {}</small>", e.name, escape(why)),
        };
        let _ = writeln!(
            rows,
            "<tr><td>{name}</td><td><a href=\"/v2/models/{0}/versions/{1}\" title=\"inputs and \
             outputs\">{1}</a></td><td>{2}</td><td>{3}</td></tr>",
            e.name,
            e.version,
            escape(&model.description),
            model.takes.name()
        );
    }
    html(PAGE.replace("<!-- models -->", &rows))
}

fn html(text: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, text).into_response()
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
