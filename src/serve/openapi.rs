//! `GET /openapi.json`: all addresses, with what each model takes, for programs.
//!
//! Written by hand and not derived from types: what a request must look like depends on the
//! models that are served, on their shapes and the columns of their tables.

use super::app::{App, json};
use super::data::LARGEST;
use super::generate::{STOP, STOPS, TEMPERATURE, TOP_K};
use super::model::Model;
use super::predict::MOST;
use super::registry::Entry;
use super::takes::Takes;
use super::v2::{Described, Port};
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json as object};

/// `GET /openapi.json`
pub async fn document(State(app): State<App>) -> Response {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, operation: Value| {
        paths.entry(path).or_insert(object!({}))[method] = operation;
    };
    let any = || object!({ "type": "object" });
    add("/models", "get", asks("The models", answers(200, &any())));
    add("/metrics", "get", asks("Metrics in Prometheus' format", of_text("text/plain")));
    add("/v2", "get", asks("The server, for clients of the Open Inference Protocol", answers(200, &any())));
    add("/v2/health/live", "get", asks("Whether the server runs", object!({ "200": { "description": "It does" } })));
    let ready = object!({ "200": { "description": "It is" }, "503": problem() });
    add("/v2/health/ready", "get", asks("Whether the server is ready", ready.clone()));
    add("/v2/models/stats", "get", asks("What all models have done", answers(200, &any())));
    let index = object!({ "type": "array", "items": any() });
    add("/v2/repository/index", "post", asks("All versions of all models", answers(200, &index)));
    for entry in app.registry.all() {
        let model = entry.model();
        let described = &model.ports;
        let is_latest = app.registry.find(&entry.name, None).is_ok_and(|e| e.version == entry.version);
        let of_version = format!("/v2/models/{}/versions/{}", entry.name, entry.version);
        let of_latest = format!("/v2/models/{}", entry.name);
        for base in [Some(of_version), is_latest.then_some(of_latest)].into_iter().flatten() {
            let title = entry.title();
            add(&base, "get", asks(&format!("Inputs and outputs of {title}"), answers(200, &any())));
            add(&format!("{base}/ready"), "get", asks(&format!("Whether {title} is ready"), ready.clone()));
            add(&format!("{base}/config"), "get", asks(&format!("How {title} is served"), answers(200, &any())));
            add(&format!("{base}/stats"), "get", asks(&format!("What {title} has done"), answers(200, &any())));
            if model.takes == Takes::Prompt {
                let text = object!({
                    "type": "object", "required": ["text_output"], "properties": { "text_output": { "type": "string" } },
                });
                let body = triton_prompt(app.settings.max_tokens);
                add(&format!("{base}/generate"), "post", posts("Go on with a text", &body, answers(200, &text)));
                let stream = of_text("text/event-stream");
                add(&format!("{base}/generate_stream"), "post", posts("The same, piece by piece", &body, stream));
            } else {
                let infer = posts("Tensors in, tensors out", &inference(&model, described), answers(200, &inferred()));
                add(&format!("{base}/infer"), "post", infer);
            }
        }
        let base = match is_latest {
            true => format!("/v1/models/{}", entry.name),
            false => format!("/v1/models/{}/versions/{}", entry.name, entry.version),
        };
        add(&base, "get", asks("The state of the model, as TensorFlow Serving tells it", answers(200, &any())));
        add(&format!("{base}/metadata"), "get", asks("Its inputs and outputs", answers(200, &any())));
        if model.takes != Takes::Prompt {
            let body = object!({
                "type": "object", "required": ["instances"], "properties": { "instances": instances(&model, described, app.settings.max_samples) },
            });
            let predictions = object!({
                "type": "object", "required": ["predictions"], "properties": { "predictions": { "type": "array" } },
            });
            let predict = posts("Predictions, as TensorFlow Serving gives them", &body, answers(200, &predictions));
            add(&format!("{base}:predict"), "post", predict);
        }
    }
    for (path, of_text) in [("/predict", false), ("/generate", true)] {
        let fit = |e: &&Entry| (e.model().takes == Takes::Prompt) == of_text;
        let found: Vec<&Entry> = app.registry.all().iter().filter(fit).collect();
        let Some(entry) = found.last() else { continue };
        add(path, "post", for_people(&app, entry, app.registry.all().len() > 1));
    }
    let mut all = object!({
        "openapi": "3.1.0",
        "info": {
            "title": "wgrad serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Trained models. Errors are {\"error\": \"..\"}; 503 comes with Retry-After.",
        },
        "paths": paths,
        "components": { "schemas": { "Problem": {
            "type": "object", "required": ["error"], "properties": { "error": { "type": "string" } },
        } } },
    });
    if app.settings.token.is_some() {
        all["components"]["securitySchemes"] = object!({ "token": { "type": "http", "scheme": "bearer" } });
        all["security"] = object!([{ "token": [] }]);
    }
    json(all)
}

/// What a problem looks like.
fn problem() -> Value {
    let schema = object!({ "$ref": "#/components/schemas/Problem" });
    object!({ "description": "What is wrong", "content": { "application/json": { "schema": schema } } })
}

/// Answers of JSON, and problems.
fn answers(status: u16, schema: &Value) -> Value {
    object!({
        status.to_string(): { "description": "OK", "content": { "application/json": { "schema": schema } } },
        "4XX": problem(),
        "5XX": problem(),
    })
}

/// Answers of text.
fn of_text(kind: &str) -> Value {
    // An event of a stream is no string; what it holds is in docs/serving.md.
    let content = if kind == "text/plain" { object!({ "schema": { "type": "string" } }) } else { object!({}) };
    object!({
        "200": { "description": "OK", "content": { kind: content } },
        "4XX": problem(),
        "5XX": problem(),
    })
}

fn asks(summary: &str, responses: Value) -> Value {
    object!({ "summary": summary, "responses": responses })
}

fn posts(summary: &str, body: &Value, responses: Value) -> Value {
    object!({
        "summary": summary,
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses,
    })
}

/// `/predict` or `/generate` for a model.
fn for_people(app: &App, entry: &Entry, are_several: bool) -> Value {
    let model = entry.model();
    let described = &model.ports;
    let mut parameters = vec![];
    if are_several {
        let name = object!({ "const": entry.name });
        parameters.push(object!({ "name": "model", "in": "query", "required": true, "schema": name }));
        let version = object!({ "const": entry.version.to_string() });
        parameters.push(object!({ "name": "version", "in": "query", "schema": version }));
    }
    let top = object!({ "type": "integer", "minimum": 1, "maximum": MOST });
    let mut operation = match model.takes {
        Takes::Prompt => {
            let text = object!({ "type": "object" });
            let mut responses = answers(200, &text);
            responses["200"]["content"]["text/event-stream"] = object!({});
            posts("Go on with a text, piece by piece or as a whole", &own_prompt(app.settings.max_tokens), responses)
        }
        takes => {
            parameters.push(object!({ "name": "top", "in": "query", "schema": top }));
            let (key, list) = match takes {
                Takes::Rows | Takes::Series => ("rows", instances(&model, described, app.settings.max_samples)),
                Takes::Texts => ("texts", instances(&model, described, app.settings.max_samples)),
                _ => ("inputs", instances(&model, described, app.settings.max_samples)),
            };
            let body = object!({
                "type": "object", "required": [key], "additionalProperties": false, "properties": { key: list },
            });
            posts("Answers in words", &body, answers(200, &predicted()))
        }
    };
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

fn predicted() -> Value {
    object!({
        "type": "object",
        "required": ["model", "version", "predictions", "notes"],
        "properties": {
            "model": { "type": "string" },
            "version": { "type": "string" },
            "predictions": { "type": "array", "items": { "type": ["object", "null"] } },
            "notes": { "type": "array", "items": { "type": "string" } },
        },
    })
}

fn inferred() -> Value {
    object!({
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "outputs": { "type": "array", "items": {
                "type": "object",
                "required": ["name", "datatype", "shape", "data"],
                "properties": {
                    "name": { "type": "string" },
                    "datatype": { "type": "string" },
                    "shape": { "type": "array", "items": { "type": "integer" } },
                    "data": { "type": "array" },
                },
            } },
        },
    })
}

/// A number that a model can take.
fn number() -> Value {
    object!({ "type": "number", "minimum": -LARGEST, "maximum": LARGEST })
}

/// A list of so many elements of a kind.
fn list(of: Value, n: usize) -> Value {
    object!({ "type": "array", "items": of, "minItems": n, "maxItems": n })
}

/// What a cell of a column may be.
fn cell(port: &Port) -> Value {
    match port.of.name() {
        "BYTES" => object!({ "type": ["string", "null", "boolean", "number"] }),
        _ => object!({ "type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST }),
    }
}

/// Samples, one after the other.
fn instances(model: &Model, described: &Described, most: usize) -> Value {
    let many = |of: Value, least: usize| object!({ "type": "array", "items": of, "minItems": least, "maxItems": most });
    match model.takes {
        Takes::Rows | Takes::Series => {
            let columns: Map<String, Value> = described.inputs.iter().map(|p| (p.name.clone(), cell(p))).collect();
            let names: Vec<&str> = described.inputs.iter().map(|p| p.name.as_str()).collect();
            let row = object!({
                "type": "object",
                "required": names,
                "properties": columns,
                "additionalProperties": { "type": ["string", "null", "boolean", "number"] },
            });
            let least = model.interface().series().map_or(1, |fitted| fitted.window);
            many(row, least)
        }
        Takes::Texts | Takes::Prompt => many(object!({ "type": "string" }), 1),
        Takes::Arrays { .. } => {
            let shape = model.inputs.shape();
            let each = shape.iter().rev().fold(pixel_or_number(described), |of, &n| list(of, n));
            many(each, 1)
        }
    }
}

fn pixel_or_number(described: &Described) -> Value {
    match described.inputs[0].of.name() {
        "UINT8" => object!({ "type": "integer", "minimum": 0, "maximum": 255 }),
        _ => number(),
    }
}

/// A request of the Open Inference Protocol for one sample.
fn inference(model: &Model, described: &Described) -> Value {
    let one = |port: &Port| {
        let (shape, data): (Vec<usize>, Value) = match model.takes {
            Takes::Arrays { .. } => {
                let shape = [&[1], model.inputs.shape()].concat();
                let n = shape.iter().product();
                (shape, list(pixel_or_number(described), n))
            }
            Takes::Series => {
                let window = model.interface().series().map_or(1, |fitted| fitted.window);
                (vec![window, 1], list(filled(port), window))
            }
            _ => (vec![1, 1], list(filled(port), 1)),
        };
        object!({
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": { "const": port.name },
                "shape": { "const": shape },
                "datatype": { "const": port.of.name() },
                "data": data,
            },
        })
    };
    let inputs: Vec<Value> = described.inputs.iter().map(one).collect();
    let n = inputs.len();
    object!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": { "type": ["string", "null"] },
            "inputs": { "type": "array", "prefixItems": inputs, "items": false, "minItems": n, "maxItems": n },
        },
    })
}

/// What an element of a column may be: JSON of the protocol has no missing ones.
fn filled(port: &Port) -> Value {
    match port.of.name() {
        "BYTES" => object!({ "type": "string" }),
        _ => number(),
    }
}

fn sampling(most: usize) -> Map<String, Value> {
    let stop = object!({ "type": "string", "minLength": 1, "maxLength": STOP });
    let all = object!({
        "max_tokens": { "type": ["integer", "null"], "minimum": 1, "maximum": most },
        "temperature": { "type": ["number", "null"], "minimum": 0, "maximum": TEMPERATURE },
        "top_k": { "type": ["integer", "null"], "minimum": 1, "maximum": TOP_K },
        "top_p": { "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1 },
        "seed": { "type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX },
        "stop": { "type": ["array", "null"], "maxItems": STOPS, "items": stop },
    });
    all.as_object().cloned().unwrap_or_default()
}

/// The beginning of a text. A vocabulary of characters takes those that it has.
fn prompt(most: usize) -> Value {
    object!({ "type": "string", "maxLength": most, "description": "of characters that the model's vocabulary has" })
}

fn own_prompt(most: usize) -> Value {
    let mut properties = sampling(most);
    properties.insert("prompt".into(), prompt(most));
    properties.insert("stream".into(), object!({ "type": ["boolean", "null"] }));
    object!({
        "type": "object", "required": ["prompt"], "additionalProperties": false, "properties": properties,
    })
}

fn triton_prompt(most: usize) -> Value {
    let parameters = object!({ "type": "object", "properties": sampling(most) });
    object!({
        "type": "object",
        "required": ["text_input"],
        "properties": { "text_input": prompt(most), "parameters": parameters },
    })
}
