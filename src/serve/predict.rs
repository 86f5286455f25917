//! `POST /predict`: what people have, as they have it. Rows by the names of their columns,
//! tables as CSV, pictures as files, texts.

use super::app::{App, json};
use super::data::{Nested, Row, from_base64};
use super::model::{Answers, Ask, Model, Told};
use super::problem::{Answered, Problem};
use super::takes::Takes;
use super::tfs::nested;
use crate::run::answer::Answer;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json as object};
use std::borrow::Cow;

/// Classes of an answer that are named.
const TOP: usize = 5;
/// Classes that may be asked for.
pub const MOST: usize = 1_000_000;
/// Parts of a form.
const PARTS: usize = 1024;

/// What an address may say of a question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    model: Option<String>,
    version: Option<String>,
    top: Option<usize>,
}

/// What is asked, and what each of it is called.
struct Question {
    ask: Ask,
    names: Option<Vec<String>>,
}

impl From<Ask> for Question {
    fn from(ask: Ask) -> Question {
        Question { ask, names: None }
    }
}

/// Answers in words.
pub async fn predict(
    State(app): State<App>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answered<Response> {
    let Query(wanted) =
        wanted.map_err(|e| Problem::bad(format!("the address: {}; expected model, version and top", e.body_text())))?;
    let top = match wanted.top {
        Some(n) if !(1..=MOST).contains(&n) => {
            return Err(Problem::bad(format!("top={n}: expected 1 to {MOST}")));
        }
        top => top.unwrap_or(TOP),
    };
    let entry = app.registry.find_or_only(wanted.model.as_deref(), wanted.version.as_deref())?;
    let model = entry.model();
    app.counted(&model, async {
        let whole = app.bodies.read(&headers, body).await?;
        let Question { ask, names } = question(&model, &headers, whole.bytes).await?;
        let told = model.ask(ask, &app.how).await?;
        Ok(json(object!({
            "model": entry.name,
            "version": entry.version.to_string(),
            "predictions": predictions(&told, names.as_deref(), top),
            "notes": told.notes,
        })))
    })
    .await
}

/// What a body asks, by its type.
async fn question(model: &Model, headers: &HeaderMap, body: Vec<u8>) -> Answered<Question> {
    let kind = headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or("?"));
    let (name, _) = kind.split_once(';').unwrap_or((kind, ""));
    match (name.trim().to_ascii_lowercase().as_str(), model.takes) {
        ("application/json", _) => of_json(model, &body),
        ("multipart/form-data", _) => of_form(model, kind, body).await,
        ("text/csv" | "text/tab-separated-values", Takes::Rows | Takes::Series) => Ok(Ask::Table(body).into()),
        ("text/plain", Takes::Texts) => Ok(Ask::Texts(vec![text(body)?]).into()),
        ("text/plain", Takes::Rows | Takes::Series) => Ok(Ask::Table(body).into()),
        (kind, Takes::Arrays { pictures: true })
            if kind.starts_with("image/") || kind == "application/octet-stream" =>
        {
            Ok(Ask::Pictures(vec![("the picture".into(), body)]).into())
        }
        (kind, takes) => {
            let own = match takes {
                Takes::Arrays { pictures: true } => "image/png and other types of pictures",
                Takes::Rows | Takes::Series => "text/csv",
                Takes::Texts => "text/plain",
                Takes::Arrays { pictures: false } | Takes::Prompt => "nothing else",
            };
            let shown: String = kind.chars().take(64).collect();
            Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "Content-Type {shown:?}: the model takes {}; expected application/json, multipart/form-data or {own}",
                    takes.name()
                ),
            ))
        }
    }
}

fn text(bytes: Vec<u8>) -> Answered<String> {
    String::from_utf8(bytes)
        .map_err(|e| Problem::bad(format!("the text is no UTF-8 from byte {} on", e.utf8_error().valid_up_to())))
}

/// A body of JSON: an object that says what it has, or that alone.
fn of_json(model: &Model, body: &[u8]) -> Answered<Question> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named<'a> {
        #[serde(
            borrow,
            alias = "row",
            alias = "text",
            alias = "texts",
            alias = "picture",
            alias = "pictures",
            alias = "inputs"
        )]
        rows: &'a RawValue,
    }
    let fail = |e: serde_json::Error| Problem::bad(format!("the request: {e}; expected {}", example(model)));
    let whole: &RawValue = serde_json::from_slice(body).map_err(fail)?;
    // A row may itself have a column of such a name; then it has others, too.
    let inner = serde_json::from_str::<Named>(whole.get()).map_or(whole.get(), |named| match model.takes {
        Takes::Rows | Takes::Series if !named.rows.get().starts_with(['[', '{']) => whole.get(),
        _ => named.rows.get(),
    });
    let is_list = inner.trim_start().starts_with('[');
    Ok(match model.takes {
        Takes::Rows | Takes::Series => {
            let rows: Vec<Row> = match is_list {
                true => serde_json::from_str(inner).map_err(fail)?,
                false => vec![serde_json::from_str(inner).map_err(fail)?],
            };
            Ask::Rows(rows.into_iter().map(|row| row.0).collect()).into()
        }
        Takes::Texts | Takes::Prompt => match is_list {
            true => Ask::Texts(serde_json::from_str(inner).map_err(fail)?).into(),
            false => Ask::Texts(vec![serde_json::from_str(inner).map_err(fail)?]).into(),
        },
        Takes::Arrays { pictures } => {
            let is_text = |text: &str| text.trim_start().trim_start_matches('[').trim_start().starts_with('"');
            if !(pictures && is_text(inner)) {
                let all: Nested = serde_json::from_str(inner).map_err(fail)?;
                return Ok(nested(model, all, "the request")?.into());
            }
            let files: Vec<Cow<str>> = match is_list {
                true => serde_json::from_str(inner).map_err(fail)?,
                false => vec![serde_json::from_str(inner).map_err(fail)?],
            };
            let decode = |(i, file): (usize, &Cow<str>)| {
                let name = format!("picture {}", i + 1);
                let bytes = from_base64(file).map_err(|e| Problem::bad(format!("{name}: {e}")))?;
                Ok((name, bytes))
            };
            Ask::Pictures(files.iter().enumerate().map(decode).collect::<Answered<_>>()?).into()
        }
    })
}

/// What JSON a model takes.
fn example(model: &Model) -> &'static str {
    match model.takes {
        Takes::Rows => "{\"rows\": [{\"COLUMN\": CELL, ..}, ..]}",
        Takes::Series => "{\"rows\": [{\"COLUMN\": CELL, ..}, ..]}, in the order of time",
        Takes::Texts => "{\"texts\": [\"..\", ..]}",
        Takes::Prompt => "nothing: POST /generate",
        Takes::Arrays { pictures: true } => "{\"pictures\": [\"BASE64\", ..]}, or {\"inputs\": [[..], ..]} with pixels",
        Takes::Arrays { pictures: false } => "{\"inputs\": [[..], ..]}, a list per sample",
    }
}

/// The files and fields of a form.
async fn of_form(model: &Model, kind: &str, body: Vec<u8>) -> Answered<Question> {
    let fail = |e: multer::Error| Problem::bad(format!("the form: {e}"));
    let boundary = multer::parse_boundary(kind).map_err(fail)?;
    let mut form = multer::Multipart::new(Body::from(body).into_data_stream(), boundary);
    let mut parts: Vec<(String, Vec<u8>)> = vec![];
    while let Some(field) = form.next_field().await.map_err(fail)? {
        if parts.len() >= PARTS {
            return Err(Problem::bad(format!("the form has more than {PARTS} parts; send it in several")));
        }
        let name = field.file_name().or(field.name()).unwrap_or_default().chars().take(256).collect();
        parts.push((name, field.bytes().await.map_err(fail)?.to_vec()));
    }
    if parts.is_empty() {
        return Err(Problem::bad("the form has no part; expected a file"));
    }
    let names = parts.iter().map(|(name, _)| name.clone()).collect();
    match model.takes {
        Takes::Arrays { pictures: true } => Ok(Question { ask: Ask::Pictures(parts), names: Some(names) }),
        Takes::Texts => {
            let texts = parts.into_iter().map(|(_, bytes)| text(bytes)).collect::<Answered<_>>()?;
            Ok(Question { ask: Ask::Texts(texts), names: Some(names) })
        }
        Takes::Rows | Takes::Series => match <[_; 1]>::try_from(parts) {
            Ok([(_, table)]) => Ok(Ask::Table(table).into()),
            Err(parts) => Err(Problem::bad(format!("the form has {} parts; expected one, a table", parts.len()))),
        },
        takes => Err(Problem::bad(format!("the model takes {}, not forms; expected {}", takes.name(), example(model)))),
    }
}

/// The answers in words; `null` where the model could not use what was asked.
fn predictions(told: &Told, names: Option<&[String]>, top: usize) -> Vec<Value> {
    let mut all: Vec<Value> = match &told.answers {
        Answers::Each(all) => all.iter().map(|a| a.as_ref().map_or(Value::Null, |a| words(a, top))).collect(),
        Answers::Ahead(all) => all
            .iter()
            .map(|f| {
                let mut one = words(&f.answer, top);
                one["row"] = f.row.into();
                if let Some(date) = &f.date {
                    one["date"] = date.as_str().into();
                }
                if !f.group.is_empty() {
                    one["group"] = f.group.join(", ").into();
                }
                one
            })
            .collect(),
    };
    for (one, name) in all.iter_mut().zip(names.unwrap_or_default()) {
        if one.is_object() {
            one["file"] = name.as_str().into();
        }
    }
    all
}

fn words(answer: &Answer, top: usize) -> Value {
    if !answer.is_class() {
        return object!({ "values": answer.json().collect::<Map<_, _>>() });
    }
    let one = |(class, p)| object!({ "class": class, "probability": p });
    let found = answer.top(top);
    let best = found.first().copied();
    object!({
        "class": best.map(|(class, _)| class),
        "probability": best.map(|(_, p)| p),
        "top": found.into_iter().map(one).collect::<Vec<_>>(),
    })
}
