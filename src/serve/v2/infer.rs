//! `POST /v2/models/MODEL/infer`

use super::describe::{Described, LABEL, PROBABILITIES, Port, VALUES};
use super::tensor::{Type, Values, of_bytes, of_json, text, to_bytes};
use crate::run::answer::Answer;
use crate::serve::app::{App, Named};
use crate::serve::data::{Cell, Nested, singles};
use crate::serve::model::{Answers, Ask, Model, Told};
use crate::serve::problem::{Answered, Problem};
use crate::serve::takes::Takes;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// The header that says how long the JSON in front of binary tensors is.
const HEAD_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// Tensors in a request, and dimensions of one.
const TENSORS: usize = 4096;
const DIMENSIONS: usize = 16;

#[derive(Deserialize)]
struct Request {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    inputs: Vec<Input>,
    outputs: Option<Vec<Output>>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    data: Option<Nested>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    classification: Option<usize>,
    shared_memory_region: Option<Value>,
}

impl Parameters {
    fn check(&self) -> Answered<()> {
        match self.shared_memory_region {
            Some(_) => Err(Problem::bad("shared memory is not supported; send tensors in the request")),
            None => Ok(()),
        }
    }
}

/// A tensor that came.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Values,
}

/// Answers a request.
pub async fn infer(State(app): State<App>, Path(named): Named, headers: HeaderMap, body: Body) -> Answered<Response> {
    let entry = app.entry(&named)?;
    let model = entry.model();
    let (name, version) = (entry.name.clone(), entry.version);
    app.counted(&model, async {
        let whole = app.bodies.read(&headers, body).await?;
        let head = match headers.get(HEAD_LENGTH) {
            None => whole.bytes.len(),
            Some(length) => length.to_str().ok().and_then(|l| l.parse().ok()).filter(|n| *n <= whole.bytes.len()).ok_or_else(|| {
                Problem::bad(format!(
                    "{HEAD_LENGTH} {length:?}: expected the bytes of the JSON in front of the tensors, at most the {} of the body",
                    whole.bytes.len()
                ))
            })?,
        };
        let (json, binary) = whole.bytes.split_at(head);
        let request: Request = serde_json::from_slice(json).map_err(|e| Problem::bad(format!("the request: {e}")))?;
        let described = &model.ports;
        let outputs = wanted(&request, described)?;
        let tensors = tensors(request.inputs, binary)?;
        let told = model.ask(ask(&model, described, tensors)?, &app.how).await?;
        let started = std::time::Instant::now();
        let response = respond(&name, version, request.id, &outputs, &told)?;
        model.stats().output.add(started.elapsed());
        Ok(response)
    })
    .await
}

/// The tensors of a request; binary ones stand behind each other.
fn tensors(inputs: Vec<Input>, mut binary: &[u8]) -> Answered<Vec<Tensor>> {
    if inputs.len() > TENSORS {
        return Err(Problem::bad(format!("{} inputs; expected at most {TENSORS}", inputs.len())));
    }
    let mut all: Vec<Tensor> = vec![];
    for input in inputs {
        let Input { name, shape, datatype, parameters, data } = input;
        let fail = |what: String| Problem::bad(format!("input \"{name}\": {what}"));
        parameters.check()?;
        let of = Type::named(&datatype)?;
        if shape.len() > DIMENSIONS {
            return Err(fail(format!("{} dimensions; expected at most {DIMENSIONS}", shape.len())));
        }
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let count = count.ok_or_else(|| fail(format!("shape {shape:?} is of more elements than there can be")))?;
        let values = match (data, parameters.binary_data_size) {
            (Some(data), None) if data.shape.is_empty() => {
                return Err(fail("expected a list of elements as data".into()));
            }
            (Some(data), None) => of_json(&name, of, data)?,
            (None, Some(size)) => {
                let Some((own, rest)) = binary.split_at_checked(size) else {
                    return Err(fail(format!("binary_data_size {size}, and {} bytes are left", binary.len())));
                };
                binary = rest;
                of_bytes(&name, of, count, own)?
            }
            _ => return Err(fail("expected either \"data\" or the parameter binary_data_size".into())),
        };
        if values.len() != count {
            return Err(fail(format!("{} elements; shape {shape:?} has {count}", values.len())));
        }
        if all.iter().any(|t| t.name == name) {
            return Err(fail("it is there twice".into()));
        }
        all.push(Tensor { name, shape, values });
    }
    if !binary.is_empty() {
        return Err(Problem::bad(format!("{} bytes of the body belong to no input", binary.len())));
    }
    Ok(all)
}

/// What the tensors ask.
fn ask(model: &Model, described: &Described, tensors: Vec<Tensor>) -> Answered<Ask> {
    let known = |t: &&Tensor| described.inputs.iter().all(|p| p.name != t.name);
    if let Some(unknown) = tensors.iter().find(known) {
        let names: Vec<&str> = described.inputs.iter().map(|p| p.name.as_str()).collect();
        return Err(Problem::bad(format!(
            "unknown input \"{}\"; the model takes {}",
            unknown.name.chars().take(64).collect::<String>(),
            names.join(", ")
        )));
    }
    match model.takes {
        Takes::Arrays { pictures } => array(model, pictures, one(tensors, &described.inputs[0])?),
        Takes::Rows | Takes::Series => Ok(Ask::Rows(rows(tensors)?)),
        Takes::Texts | Takes::Prompt => {
            let Tensor { name, shape, values } = one(tensors, &described.inputs[0])?;
            let Values::Bytes(texts) = values else {
                return Err(Problem::bad(format!("input \"{name}\" has numbers; expected texts, of datatype BYTES")));
            };
            column_of(&name, &shape)?;
            Ok(Ask::Texts(texts.into_iter().map(|t| text(t, &name)).collect::<Answered<_>>()?))
        }
    }
}

fn one(mut tensors: Vec<Tensor>, port: &Port) -> Answered<Tensor> {
    tensors.pop().ok_or_else(|| Problem::bad(format!("there is no input; expected \"{}\"", port.name)))
}

/// Samples of the model's shape, or pictures as files.
fn array(model: &Model, pictures: bool, tensor: Tensor) -> Answered<Ask> {
    let Tensor { name, shape, values } = tensor;
    let own = model.inputs.shape();
    if let Values::Bytes(files) = values {
        if !pictures {
            return Err(Problem::bad(format!("input \"{name}\" has texts; the model takes numbers of shape {own:?}")));
        }
        column_of(&name, &shape)?;
        let named = |(i, bytes)| (format!("picture {}", i + 1), bytes);
        return Ok(Ask::Pictures(files.into_iter().enumerate().map(named).collect()));
    }
    // The same without dimensions of length 1: a plane is a picture in grey.
    let long = |shape: &[usize]| shape.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    if shape.is_empty() || long(&shape[1..]) != long(own) {
        let wanted: Vec<String> = own.iter().map(usize::to_string).collect();
        return Err(Problem::bad(format!(
            "input \"{name}\" of shape {shape:?}; the model takes [-1, {}]",
            wanted.join(", ")
        )));
    }
    Ok(match values {
        Values::Pixels(pixels) => Ask::Pixels(pixels),
        Values::Floats(numbers) => Ask::Numbers(numbers),
        Values::Numbers(numbers) => {
            Ask::Numbers(singles(numbers).map_err(|e| Problem::bad(format!("input \"{name}\": {e}")))?)
        }
        Values::Bytes(_) => unreachable!("these are pictures"),
    })
}

/// The rows of a tensor of shape `[n]` or `[n, 1]`.
fn column_of(name: &str, shape: &[usize]) -> Answered<usize> {
    match *shape {
        [n] | [n, 1] => Ok(n),
        _ => Err(Problem::bad(format!("input \"{name}\" of shape {shape:?}; expected [n] or [n, 1]"))),
    }
}

/// Rows of columns.
fn rows(tensors: Vec<Tensor>) -> Answered<Vec<Vec<(String, Cell)>>> {
    let mut rows: Vec<Vec<(String, Cell)>> = vec![];
    for (i, tensor) in tensors.into_iter().enumerate() {
        let n = column_of(&tensor.name, &tensor.shape)?;
        if i == 0 {
            rows.resize(n, vec![]);
        }
        if rows.len() != n {
            return Err(Problem::bad(format!(
                "input \"{}\" has {n} rows, and the one before it {}; expected as many of each",
                tensor.name,
                rows.len()
            )));
        }
        for (row, cell) in rows.iter_mut().zip(tensor.values.cells(&tensor.name)?) {
            row.push((tensor.name.clone(), cell));
        }
    }
    Ok(rows)
}

/// An output that is to be given.
struct Wanted {
    name: &'static str,
    of: Type,
    columns: Option<usize>,
    is_binary: bool,
    /// Instead of numbers the highest, with their classes.
    classification: Option<usize>,
}

fn wanted(request: &Request, described: &Described) -> Answered<Vec<Wanted>> {
    request.parameters.check()?;
    let binary = request.parameters.binary_data_output.unwrap_or(false);
    let of = |port: &Port, p: &Parameters| -> Answered<Wanted> {
        p.check()?;
        let name = [PROBABILITIES, LABEL, VALUES].into_iter().find(|n| *n == port.name);
        let name = name.ok_or_else(|| Problem::bad("a language model goes on with a text: POST /generate"))?;
        let classification = p.classification.filter(|n| *n > 0);
        if classification.is_some() && name == LABEL {
            return Err(Problem::bad(format!(
                "output \"{LABEL}\" is a text; classification is of \"{PROBABILITIES}\""
            )));
        }
        let columns = port.shape.get(1).map(|n| *n as usize);
        Ok(Wanted { name, of: port.of, columns, is_binary: p.binary_data.unwrap_or(binary), classification })
    };
    match &request.outputs {
        Some(outputs) if !outputs.is_empty() => outputs
            .iter()
            .map(|output| {
                let port = described.outputs.iter().find(|p| p.name == output.name).ok_or_else(|| {
                    let names: Vec<&str> = described.outputs.iter().map(|p| p.name.as_str()).collect();
                    let shown: String = output.name.chars().take(64).collect();
                    Problem::bad(format!("unknown output \"{shown}\"; the model gives {}", names.join(", ")))
                })?;
                of(port, &output.parameters)
            })
            .take(TENSORS)
            .collect(),
        _ => described.outputs.iter().map(|port| of(port, &Parameters::default())).collect(),
    }
}

/// Something for each answer, with `none` so often where the model could not use what was
/// asked.
fn collected<T: Clone>(told: &Told, columns: usize, none: T, of: impl Fn(&Answer) -> Vec<T>) -> Vec<T> {
    match &told.answers {
        Answers::Each(all) => {
            all.iter().flat_map(|a| a.as_ref().map_or_else(|| vec![none.clone(); columns], &of)).collect()
        }
        Answers::Ahead(all) => all.iter().flat_map(|f| of(&f.answer)).collect(),
    }
}

/// The highest of each row, as `VALUE:INDEX:NAME`.
fn classified(told: &Told, most: usize) -> (usize, Vec<String>) {
    let Answers::Each(all) = &told.answers else { return (0, vec![]) };
    let n = all.iter().flatten().next().map_or(0, |a| a.names().len()).min(most);
    let of = |answer: &Option<Answer>| match answer {
        None => vec![String::new(); n],
        Some(answer) => answer
            .top(n)
            .into_iter()
            .map(|(class, p)| {
                let index = answer.names().iter().position(|c| c == class).unwrap_or(0);
                format!("{p}:{index}:{class}")
            })
            .collect(),
    };
    (n, all.iter().flat_map(of).collect())
}

/// The answer: JSON, and binary tensors behind it.
fn respond(name: &str, version: u32, id: Option<String>, outputs: &[Wanted], told: &Told) -> Answered<Response> {
    let (mut described, mut binary) = (vec![], vec![]);
    for output in outputs {
        let texts = match (output.name, output.classification, &told.answers) {
            (LABEL, _, Answers::Each(all)) => {
                let label = |a: &Option<Answer>| a.as_ref().and_then(Answer::class).unwrap_or_default().to_string();
                Some((vec![all.len()], all.iter().map(label).collect::<Vec<_>>()))
            }
            (_, Some(most), Answers::Each(all)) => {
                let (n, texts) = classified(told, most);
                Some((vec![all.len(), n], texts))
            }
            _ => None,
        };
        let (of, shape, data, bytes) = match texts {
            Some((shape, texts)) if output.is_binary => (Type::Bytes, shape, Value::Null, to_bytes(&texts)),
            Some((shape, texts)) => (Type::Bytes, shape, json!(texts), vec![]),
            None => {
                let columns = output.columns.unwrap_or(1);
                let shape = vec![told.answers.len(), columns];
                let (data, bytes) = match output.of {
                    Type::Fp32 => {
                        let all = collected(told, columns, f32::NAN, |a| a.numbers().to_vec());
                        match output.is_binary {
                            true => (Value::Null, all.iter().flat_map(|x| x.to_le_bytes()).collect()),
                            false => (json!(all), vec![]),
                        }
                    }
                    _ => {
                        let all = collected(told, columns, f64::NAN, Answer::values);
                        match output.is_binary {
                            true => (Value::Null, all.iter().flat_map(|x| x.to_le_bytes()).collect()),
                            false => (json!(all), vec![]),
                        }
                    }
                };
                (output.of, shape, data, bytes)
            }
        };
        let mut one = json!({ "name": output.name, "datatype": of.name(), "shape": shape });
        match output.is_binary {
            true => one["parameters"] = json!({ "binary_data_size": bytes.len() }),
            false => one["data"] = data,
        }
        described.push(one);
        binary.push(bytes);
    }
    let mut all = json!({ "model_name": name, "model_version": version.to_string(), "outputs": described });
    if let Some(id) = id {
        all["id"] = id.into();
    }
    if !told.notes.is_empty() {
        all["parameters"] = json!({ "notes": told.notes.join("; ") });
    }
    let mut body = all.to_string().into_bytes();
    if outputs.iter().all(|o| !o.is_binary) {
        return Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response());
    }
    let head = HeaderValue::from(body.len());
    binary.into_iter().for_each(|bytes| body.extend(bytes));
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind), (HEAD_LENGTH, head)], body).into_response())
}
