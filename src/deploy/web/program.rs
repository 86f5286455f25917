//! Plans as data: buffers, modules, pipelines and dispatches by number.

use crate::error::{Error, Result};
use crate::graph::{Init, TensorId};
use crate::kernel::{Kernel, assemble};
use crate::plan::{Plan, packed};
use crate::tensor::{DType, Spec};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// The buffer of the parameters, which are kept in halves where that is asked for.
const PARAMS: &str = "params";

/// What the programs of a package share.
#[derive(Default)]
pub struct Shared {
    /// The texts of shaders, each once.
    pub modules: Vec<String>,
    /// What buffers hold in the beginning, each once: where it lies in `blob`.
    pub contents: Vec<Value>,
    /// The bytes of all contents.
    pub blob: Vec<u8>,
    /// Whether parameters are kept in halves.
    half: bool,
    module_numbers: HashMap<String, usize>,
    content_numbers: HashMap<u64, Vec<usize>>,
}

impl Shared {
    /// Nothing yet.
    pub fn new(half: bool) -> Shared {
        Shared { half, ..Shared::default() }
    }

    fn module(&mut self, kernel: &Kernel) -> Result<usize> {
        let text = assemble(kernel)?;
        let next = self.modules.len();
        let number = *self.module_numbers.entry(text.clone()).or_insert(next);
        if number == next {
            self.modules.push(text);
        }
        Ok(number)
    }

    /// The number of what a buffer holds in the beginning; `None` for zeros.
    fn content(&mut self, name: &str, spec: &Spec, init: &Init) -> Result<Option<usize>> {
        if *init == Init::Zeros {
            return Ok(None);
        }
        let value = init.value(spec);
        let is_half = self.half && name == PARAMS && spec.dtype == DType::F32;
        let stored = if is_half { DType::F16 } else { spec.dtype };
        if is_half && value.as_f32().iter().any(|&x| x.is_finite() && !half::f16::from_f32(x).is_finite()) {
            return Err(Error::usage(
                "--precision f16: a weight is larger than 65504, the largest number of 16 bits; take f32",
            ));
        }
        let bytes = packed(stored, &value).into_owned();
        if bytes.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let mut hasher = DefaultHasher::new();
        (type_name(stored), &bytes).hash(&mut hasher);
        let same = self.content_numbers.entry(hasher.finish()).or_default();
        let is_same = |&i: &usize| {
            let at = self.contents[i]["offset"].as_u64().unwrap_or_default() as usize;
            self.contents[i]["stored"] == type_name(stored) && self.blob.get(at..at + bytes.len()) == Some(&bytes[..])
        };
        if let Some(&number) = same.iter().find(|i| is_same(i)) {
            return Ok(Some(number));
        }
        same.push(self.contents.len());
        self.blob.resize(self.blob.len().next_multiple_of(16), 0);
        self.contents.push(json!({
            "offset": self.blob.len(),
            "elements": spec.elements(),
            "type": type_name(spec.dtype),
            "stored": type_name(stored),
        }));
        self.blob.extend(bytes);
        Ok(Some(self.contents.len() - 1))
    }
}

fn type_name(dtype: DType) -> String {
    dtype.to_string()
}

/// A plan as data; `output` is what is read after a run.
///
/// Fails when a shader's constant is not finite, which JSON cannot say.
pub fn program(plan: &Plan, output: TensorId, shared: &mut Shared) -> Result<Value> {
    let mut buffers = vec![];
    for b in &plan.buffers {
        let spec = Spec { shape: [b.elements].into(), dtype: b.dtype };
        let content = match &b.name {
            Some(name) => shared.content(name, &spec, &b.init)?,
            None => None,
        };
        buffers.push(json!({
            "name": b.name,
            "type": type_name(b.dtype),
            "elements": b.elements,
            "bytes": b.held_bytes(),
            "content": content,
        }));
    }
    let (mut pipelines, mut numbers, mut dispatches) = (vec![], HashMap::new(), vec![]);
    for launch in plan.steps.iter().flat_map(|s| &s.launches) {
        let kernel = &launch.kernel;
        let mut constants = Map::new();
        for &(name, value) in &kernel.overrides {
            if !value.is_finite() {
                return Err(Error::model(format!(
                    "{}: constant {name} is {value}; expected a finite number",
                    launch.label
                )));
            }
            constants.insert(name.into(), json!(value));
        }
        let pipeline = json!({ "module": shared.module(kernel)?, "entry": kernel.entry, "constants": constants });
        let next = pipelines.len();
        let number = *numbers.entry(pipeline.to_string()).or_insert(next);
        if number == next {
            pipelines.push(pipeline);
        }
        let bindings = launch.bound.iter().map(|b| {
            let [offset, bytes] = b.place.span();
            json!([b.number, b.place.buffer, offset, bytes])
        });
        dispatches.push(json!({
            "pipeline": number,
            "groups": launch.groups,
            "bindings": bindings.collect::<Vec<_>>(),
            "label": launch.label,
        }));
    }
    let place = plan.places.get(output.index()).cloned().flatten();
    let place = place.ok_or_else(|| Error::model("the plan does not compute what is to be read of it"))?;
    let [offset, bytes] = place.span();
    Ok(json!({
        "buffers": buffers,
        "pipelines": pipelines,
        "dispatches": dispatches,
        "output": { "buffer": place.buffer, "offset": offset, "bytes": bytes, "elements": place.spec.elements() },
    }))
}
