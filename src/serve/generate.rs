//! `POST /generate`, and Triton's `generate` and `generate_stream`: a language model goes on
//! with a text. Streams are server-sent events.

use super::app::{App, Named, json};
use super::data::Whole;
use super::model::Model;
use super::problem::{Answered, Problem};
use super::registry::Entry;
use super::stats::Open;
use super::writer::{Piece, Wanted};
use crate::deploy::sample::Sampling;
use crate::train::text::vocabulary_of;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Deserialize;
use serde_json::{Value, json as object};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::mpsc;

/// Tokens that are generated where a request does not say how many.
const TOKENS: usize = 200;
/// Texts that may end the text, and characters of each.
pub const STOPS: usize = 16;
/// See [`STOPS`].
pub const STOP: usize = 64;
/// The highest temperature and the highest `top_k`.
pub const TEMPERATURE: f64 = 100.0;
/// See [`TEMPERATURE`].
pub const TOP_K: usize = 1_000_000;

/// A request of `/generate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    prompt: String,
    max_tokens: Option<Whole>,
    temperature: Option<f64>,
    top_k: Option<Whole>,
    top_p: Option<f64>,
    seed: Option<Whole>,
    stop: Option<Vec<String>>,
    stream: Option<bool>,
}

/// A request of Triton's extension.
#[derive(Deserialize)]
struct TritonRequest {
    text_input: String,
    #[serde(default)]
    parameters: Parameters,
    // Clients write these beside the text, too.
    #[serde(flatten)]
    beside: Parameters,
}

/// How a text is to be drawn. (`Request` has the same fields itself: those of a struct inside it could be misspelt.)
#[derive(Default, Deserialize)]
struct Parameters {
    max_tokens: Option<Whole>,
    temperature: Option<f64>,
    top_k: Option<Whole>,
    top_p: Option<f64>,
    seed: Option<Whole>,
    stop: Option<Vec<String>>,
}

impl Parameters {
    /// What is not said here is as `others` say.
    fn or(self, others: Parameters) -> Parameters {
        Parameters {
            max_tokens: self.max_tokens.or(others.max_tokens),
            temperature: self.temperature.or(others.temperature),
            top_k: self.top_k.or(others.top_k),
            top_p: self.top_p.or(others.top_p),
            seed: self.seed.or(others.seed),
            stop: self.stop.or(others.stop),
        }
    }

    /// The number of tokens, at most so many where nothing is said, how they are drawn, and what ends a text.
    fn settled(self, most: usize) -> (usize, Sampling, Vec<String>) {
        let usual = Sampling::default();
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.map(|k| k.0 as usize),
            top_p: self.top_p.unwrap_or(usual.top_p),
            seed: self.seed.map_or(usual.seed, |seed| seed.0),
        };
        (self.max_tokens.map_or(TOKENS.min(most), |n| n.0 as usize), sampling, self.stop.unwrap_or_default())
    }
}

/// How a text is given.
#[derive(Clone, Copy)]
enum Form {
    /// As `/generate` does.
    Own,
    /// As Triton does.
    Triton,
}

impl Form {
    fn piece(self, title: &(String, u32), text: &str) -> Value {
        match self {
            Form::Own => object!({ "text": text }),
            Form::Triton => {
                object!({ "model_name": title.0, "model_version": title.1.to_string(), "text_output": text })
            }
        }
    }
}

/// What an address may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    model: Option<String>,
    version: Option<String>,
}

/// Goes on with a text: as a stream, unless `"stream": false`.
pub async fn generate(
    State(app): State<App>,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answered<Response> {
    let Query(which) =
        which.map_err(|e| Problem::bad(format!("the address: {}; expected model and version", e.body_text())))?;
    let entry = app.registry.find_or_only(which.model.as_deref(), which.version.as_deref())?;
    let whole = app.bodies.read(&headers, body).await?;
    let r: Request = parse(&whole.bytes, "{\"prompt\": \"..\", \"max_tokens\": 200}")?;
    let is_stream = r.stream.unwrap_or(true);
    let Request { prompt, max_tokens, temperature, top_k, top_p, seed, stop, .. } = r;
    let asked = Parameters { max_tokens, temperature, top_k, top_p, seed, stop }.settled(app.settings.max_tokens);
    answer(&app, entry, &prompt, asked, Form::Own, is_stream).await
}

/// Triton's `generate`.
pub async fn v2_whole(app: State<App>, named: Named, headers: HeaderMap, body: Body) -> Answered<Response> {
    triton(app, named, headers, body, false).await
}

/// Triton's `generate_stream`.
pub async fn v2_stream(app: State<App>, named: Named, headers: HeaderMap, body: Body) -> Answered<Response> {
    triton(app, named, headers, body, true).await
}

async fn triton(
    State(app): State<App>,
    Path(named): Named,
    headers: HeaderMap,
    body: Body,
    is_stream: bool,
) -> Answered<Response> {
    let entry = app.entry(&named)?;
    let whole = app.bodies.read(&headers, body).await?;
    let r: TritonRequest = parse(&whole.bytes, "{\"text_input\": \"..\", \"parameters\": {\"max_tokens\": 200}}")?;
    let asked = r.parameters.or(r.beside).settled(app.settings.max_tokens);
    answer(&app, entry, &r.text_input, asked, Form::Triton, is_stream).await
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Answered<T> {
    serde_json::from_slice(body).map_err(|e| Problem::bad(format!("the request: {e}; expected {example}")))
}

async fn answer(
    app: &App,
    entry: &Entry,
    prompt: &str,
    (length, sampling, stop): (usize, Sampling, Vec<String>),
    form: Form,
    is_stream: bool,
) -> Answered<Response> {
    let model = entry.model();
    let begun = Instant::now();
    let open = Open::new(model.stats());
    let begin = || {
        let writer = model.writer()?;
        if !(1..=app.settings.max_tokens).contains(&length) {
            return Err(Problem::bad(format!(
                "max_tokens {length}: expected 1 to {} (--max-tokens)",
                app.settings.max_tokens
            )));
        }
        if stop.len() > STOPS || stop.iter().any(|s| s.is_empty() || s.chars().count() > STOP) {
            return Err(Problem::bad(format!("stop: expected at most {STOPS} texts of 1 to {STOP} characters")));
        }
        if sampling.temperature > TEMPERATURE || sampling.top_k.is_some_and(|k| k > TOP_K) {
            return Err(Problem::bad(format!(
                "expected a temperature of at most {TEMPERATURE} and top_k up to {TOP_K}"
            )));
        }
        crate::deploy::sample::Sampler::new(sampling)?;
        let prompt = tokens(&model, prompt, app.settings.max_tokens)?;
        writer.write(Wanted { prompt, length, sampling, stop })
    };
    let pieces = begin().inspect_err(|_| model.counted(begun, false))?;
    let title = (entry.name.clone(), entry.version);
    if is_stream {
        let events = Events { pieces, form, title, model: Some(model), begun, _open: open };
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        return Ok((headers, Body::from_stream(events)).into_response());
    }
    let found = whole(pieces).await;
    model.counted(begun, found.is_ok());
    let (text, tokens, finish) = found?;
    let mut all = form.piece(&title, &text);
    if let Form::Own = form {
        (all["tokens"], all["finish"]) = (tokens.into(), finish.into());
    }
    Ok(json(all))
}

/// The whole text, its tokens, and why it ended.
async fn whole(mut pieces: mpsc::Receiver<Piece>) -> Answered<(String, usize, &'static str)> {
    let mut text = String::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Text(more) => text += &more,
            Piece::End { tokens, finish } => return Ok((text, tokens, finish)),
            Piece::Failed(problem) => return Err(problem),
        }
    }
    Err(Problem::internal("the model's thread has ended"))
}

/// The tokens of a prompt.
fn tokens(model: &Model, prompt: &str, most: usize) -> Answered<Vec<u32>> {
    let vocabulary = vocabulary_of(model.interface())?;
    let n = prompt.chars().count();
    if n > most {
        return Err(Problem::bad(format!("a prompt of {n} characters; expected at most {most} (--max-tokens)")));
    }
    let start = match prompt {
        "" => {
            vocabulary.beginning().ok_or_else(|| Problem::bad("the prompt is empty; expected a text to go on with"))?
        }
        text => text.to_string(),
    };
    let tokens = vocabulary.encode(&start)?;
    match tokens.is_empty() {
        true => Err(Problem::bad("the prompt has no token of the model's vocabulary; expected a text to go on with")),
        false => Ok(tokens),
    }
}

/// The pieces of a text as server-sent events.
struct Events {
    pieces: mpsc::Receiver<Piece>,
    form: Form,
    title: (String, u32),
    /// Until it has been counted.
    model: Option<Arc<Model>>,
    begun: Instant,
    _open: Open,
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<Option<Self::Item>> {
        let Poll::Ready(piece) = self.pieces.poll_recv(cx) else { return Poll::Pending };
        let Some(piece) = piece else { return Poll::Ready(None) };
        let event = match (piece, self.form) {
            (Piece::Text(text), form) => form.piece(&self.title, &text),
            (Piece::End { tokens, finish }, form) => {
                let model = self.model.take();
                model.inspect(|model| model.counted(self.begun, true));
                match form {
                    Form::Own => object!({ "done": true, "tokens": tokens, "finish": finish }),
                    // Its streams just end.
                    Form::Triton => return Poll::Ready(None),
                }
            }
            (Piece::Failed(problem), _) => object!({ "error": problem.message }),
        };
        Poll::Ready(Some(Ok(Bytes::from(format!("data: {event}\n\n")))))
    }
}

impl Drop for Events {
    /// A text that nobody read to its end.
    fn drop(&mut self) {
        if let Some(model) = self.model.take() {
            model.counted(self.begun, false);
        }
    }
}
