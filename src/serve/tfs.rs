//! TensorFlow Serving's addresses: `/v1/models/MODEL[/versions/VERSION]`, `/metadata` and
//! `:predict`.

use super::app::{App, json};
use super::data::{Cell, Elements, Nested, Row, singles};
use super::model::{Answers, Ask, Model, Told};
use super::problem::{Answered, Problem};
use super::registry::Entry;
use super::takes::Takes;
use super::v2::Port;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json as object};
use std::borrow::Cow;
use std::collections::BTreeMap;

const SIGNATURE: &str = "serving_default";

/// `MODEL[/versions/VERSION]REST`.
struct Address<'a> {
    model: &'a str,
    version: Option<&'a str>,
    rest: &'a str,
}

impl Address<'_> {
    fn parse(path: &str) -> Address<'_> {
        let split = |text: &'_ str| text.find(['/', ':']).unwrap_or(text.len());
        let (model, mut rest) = path.split_at(split(path));
        let mut version = None;
        if let Some(after) = rest.strip_prefix("/versions/") {
            let (found, behind) = after.split_at(after.find(['/', ':']).unwrap_or(after.len()));
            (version, rest) = (Some(found), behind);
        }
        // The lifetimes of both parts are the path's.
        Address { model, version, rest }
    }

    fn entry<'b>(&self, app: &'b App) -> Answered<&'b Entry> {
        app.registry.find(self.model, self.version)
    }
}

/// Status, metadata and predictions: one address for all, since what stands behind a model's
/// name is no part of a path to the router.
pub async fn any(
    app: State<App>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answered<Response> {
    let address = Address::parse(&path);
    let is_get = method == Method::GET || method == Method::HEAD;
    let allowed = match address.rest {
        "" | "/metadata" if is_get => return get(&app, &address),
        ":predict" if method == Method::POST => return post(&app, &address, headers, body).await,
        "" | "/metadata" => "GET,HEAD",
        ":predict" => "POST",
        _ => return Err(nothing(&path)),
    };
    let message = format!("/v1/models/{path} is not answered with {method}");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    Ok(response)
}

fn get(app: &App, address: &Address) -> Answered<Response> {
    let entry = address.entry(app)?;
    if address.rest == "/metadata" {
        return Ok(json(metadata(entry)));
    }
    let all = match address.version {
        Some(_) => vec![entry],
        None => app.registry.versions(&entry.name)?,
    };
    let one = |e: &Entry| {
        object!({
            "version": e.version.to_string(),
            "state": "AVAILABLE",
            "status": { "error_code": "OK", "error_message": "" },
        })
    };
    Ok(json(object!({ "model_version_status": all.into_iter().map(one).collect::<Vec<_>>() })))
}

fn nothing(path: &str) -> Problem {
    let shown: String = path.chars().take(128).collect();
    Problem::missing(format!(
        "there is nothing at /v1/models/{shown}; there are GET MODEL[/versions/VERSION], GET .../metadata and POST ...:predict"
    ))
}

fn metadata(entry: &Entry) -> Value {
    let model = entry.model();
    let described = &model.ports;
    let tensors = |all: &[Port]| -> Map<String, Value> {
        let dim = |n: &i64| object!({ "size": n.to_string(), "name": "" });
        let one = |p: &Port| {
            let dims: Vec<Value> = p.shape.iter().map(dim).collect();
            let shape = object!({ "dim": dims, "unknown_rank": false });
            (p.name.clone(), object!({ "dtype": p.of.tensorflow_name(), "tensor_shape": shape, "name": p.name }))
        };
        all.iter().map(one).collect()
    };
    let signature = object!({
        "inputs": tensors(&described.inputs),
        "outputs": tensors(&described.outputs),
        "method_name": "tensorflow/serving/predict",
    });
    object!({
        "model_spec": { "name": entry.name, "signature_name": "", "version": entry.version.to_string() },
        "metadata": { "signature_def": { "signature_def": { SIGNATURE: signature } } },
    })
}

#[derive(Deserialize)]
struct Request<'a> {
    signature_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    instances: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
}

/// Predictions.
async fn post(app: &App, address: &Address<'_>, headers: HeaderMap, body: Body) -> Answered<Response> {
    let model = address.entry(app)?.model();
    app.counted(&model, async {
        let whole = app.bodies.read(&headers, body).await?;
        let fail = |e: serde_json::Error| Problem::bad(format!("the request: {e}"));
        let request: Request = serde_json::from_slice(&whole.bytes).map_err(fail)?;
        if let Some(name) = request.signature_name.filter(|name| !["", SIGNATURE].contains(&&**name)) {
            let shown: String = name.chars().take(64).collect();
            return Err(Problem::bad(format!("signature {shown:?}: expected \"{SIGNATURE}\"")));
        }
        let (ask, key) = match (request.instances, request.inputs) {
            (Some(rows), None) => (of_rows(&model, rows.get())?, "predictions"),
            (None, Some(columns)) => (of_columns(&model, columns.get())?, "outputs"),
            _ => {
                return Err(Problem::bad("expected either \"instances\", row by row, or \"inputs\", column by column"));
            }
        };
        let told = model.ask(ask, &app.how).await?;
        Ok(json(object!({ key: predictions(&told) })))
    })
    .await
}

/// What is asked row by row.
fn of_rows(model: &Model, text: &str) -> Answered<Ask> {
    let fail = |e: serde_json::Error| Problem::bad(format!("\"instances\": {e}"));
    match model.takes {
        Takes::Rows | Takes::Series => {
            let rows: Vec<Row> = serde_json::from_str(text).map_err(fail)?;
            Ok(Ask::Rows(rows.into_iter().map(|row| row.0).collect()))
        }
        _ => {
            let first = text.trim_start().trim_start_matches('[').trim_start();
            let named = first.starts_with('{') && !first[1..].trim_start().starts_with("\"b64\"");
            if !named {
                return nested(model, serde_json::from_str(text).map_err(fail)?, "\"instances\"");
            }
            // Each sample may be called by the name of the input.
            let name = input_name(model);
            let all: Vec<BTreeMap<String, Nested>> = serde_json::from_str(text).map_err(fail)?;
            let mut joined: Option<Nested> = None;
            let n = all.len();
            for (i, mut instance) in all.into_iter().enumerate() {
                let found = instance.remove(name).filter(|_| instance.is_empty());
                let one =
                    found.ok_or_else(|| Problem::bad(format!("instance {}: expected {{\"{name}\": ..}}", i + 1)))?;
                match &mut joined {
                    None => joined = Some(one),
                    Some(all) if all.shape == one.shape => {
                        let joined = all.elements.join(one.elements);
                        joined.map_err(|e| Problem::bad(format!("instance {}: {e}", i + 1)))?;
                    }
                    Some(_) => {
                        return Err(Problem::bad(format!("instance {} has another shape than those before", i + 1)));
                    }
                }
            }
            let mut all = joined.unwrap_or(Nested { shape: vec![], elements: Elements::Numbers(vec![]) });
            all.shape.insert(0, n);
            nested(model, all, "\"instances\"")
        }
    }
}

fn input_name(model: &Model) -> &'static str {
    if model.takes == Takes::Texts { "text" } else { "input" }
}

/// What is asked column by column.
fn of_columns(model: &Model, text: &str) -> Answered<Ask> {
    let fail = |e: serde_json::Error| Problem::bad(format!("\"inputs\": {e}"));
    let is_named = text.trim_start().starts_with('{');
    match model.takes {
        Takes::Rows | Takes::Series => {
            let columns: BTreeMap<String, Nested> = serde_json::from_str(text).map_err(fail)?;
            let mut rows: Option<Vec<Vec<(String, Cell)>>> = None;
            for (name, column) in columns {
                let cells: Vec<Cell> = match column.elements {
                    Elements::Numbers(v) => v.into_iter().map(Cell::number).collect(),
                    Elements::Texts(v) => v.into_iter().map(Cell::of).collect(),
                    Elements::Truths(v) => v.into_iter().map(|truth| Cell::of(truth.to_string())).collect(),
                    Elements::Files(_) => {
                        return Err(Problem::bad(format!("column \"{name}\" has files; expected cells")));
                    }
                };
                let rows = rows.get_or_insert_with(|| vec![vec![]; cells.len()]);
                if rows.len() != cells.len() {
                    return Err(Problem::bad(format!(
                        "column \"{name}\" has {} cells, and those before {}; expected as many in each",
                        cells.len(),
                        rows.len()
                    )));
                }
                rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push((name.clone(), cell)));
            }
            Ok(Ask::Rows(rows.unwrap_or_default()))
        }
        _ if is_named => {
            let name = input_name(model);
            let mut columns: BTreeMap<String, Nested> = serde_json::from_str(text).map_err(fail)?;
            let found = columns.remove(name).filter(|_| columns.is_empty());
            nested(model, found.ok_or_else(|| Problem::bad(format!("\"inputs\": expected {{\"{name}\": ..}}")))?, name)
        }
        _ => nested(model, serde_json::from_str(text).map_err(fail)?, "\"inputs\""),
    }
}

/// Samples, pictures or texts from lists in lists.
pub fn nested(model: &Model, all: Nested, what: &str) -> Answered<Ask> {
    let n = all.shape.first().copied();
    let n = n.ok_or_else(|| Problem::bad(format!("{what}: expected a list of samples")))?;
    match (model.takes, all.elements) {
        (Takes::Texts | Takes::Prompt, Elements::Texts(texts)) if texts.len() == n => Ok(Ask::Texts(texts)),
        (Takes::Arrays { pictures: true }, Elements::Files(files)) if files.len() == n => {
            let named = |(i, bytes)| (format!("picture {}", i + 1), bytes);
            Ok(Ask::Pictures(files.into_iter().enumerate().map(named).collect()))
        }
        (Takes::Arrays { .. }, Elements::Numbers(numbers)) => {
            let own = model.inputs.shape();
            let long = |shape: &[usize]| shape.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
            if n > 0 && long(&all.shape[1..]) != long(own) {
                return Err(Problem::bad(format!(
                    "{what}: {n} samples of shape {:?}; the model takes {own:?}",
                    &all.shape[1..]
                )));
            }
            Ok(Ask::Numbers(singles(numbers).map_err(|e| Problem::bad(format!("{what}: {e}")))?))
        }
        (takes, _) => Err(Problem::bad(format!("{what}: the model takes {}", takes.name()))),
    }
}

/// The numbers of each answer: `null` where the model could not use what was asked.
fn predictions(told: &Told) -> Value {
    match &told.answers {
        Answers::Each(all) => {
            all.iter().map(|a| a.as_ref().map_or(Value::Null, |a| a.json().map(|(_, n)| n).collect())).collect()
        }
        Answers::Ahead(all) => all.iter().map(|f| f.answer.json().map(|(_, n)| n).collect::<Value>()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let of = |path: &str| {
            let a = Address::parse(path);
            (a.model.to_string(), a.version.map(String::from), a.rest.to_string())
        };
        assert_eq!(of("m"), ("m".into(), None, "".into()));
        assert_eq!(of("m:predict"), ("m".into(), None, ":predict".into()));
        assert_eq!(of("m/versions/3:predict"), ("m".into(), Some("3".into()), ":predict".into()));
        assert_eq!(of("m/versions/3/metadata"), ("m".into(), Some("3".into()), "/metadata".into()));
        assert_eq!(of("m/metadata"), ("m".into(), None, "/metadata".into()));
        assert_eq!(of("../x"), ("..".into(), None, "/x".into()));
    }
}
