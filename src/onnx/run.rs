//! Running a model on given inputs.

use super::element::Elem;
use super::model::{Axis, Model, Port, graphs};
use super::proto::{GraphProto, attribute_proto::AttributeType};
use super::tensor::Tensor;
use super::trace::{Engine, Trace};
use super::translate::{Interpreter, tensor};
use super::value::Value;
use crate::device::Device;
use crate::error::{Context, Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Attributes that name a type of elements.
const TYPES: &[&str] = &["to", "dtype", "output_datatype", "output_dtype"];

/// What an output is.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A tensor.
    Tensor(Arc<Tensor>),
    /// A sequence.
    List(Vec<Output>),
    /// An optional value that is absent.
    Nothing,
}

/// What a run gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The outputs, by name, in the model's order.
    pub outputs: Vec<(String, Output)>,
    /// Steps of plans that the device has computed. None where all of the model is integers,
    /// shapes and moved elements, which the host computes.
    pub steps: usize,
    /// Whether floats were computed in f64, on the CPU, because the model has doubles.
    pub doubles: bool,
    /// Nanoseconds of each step by what it computes, of a run that was timed.
    pub times: Vec<(String, f64)>,
}

impl Model {
    /// Whether any of it is computed in doubles.
    pub fn has_doubles(&self) -> bool {
        fn casts(graph: &GraphProto) -> bool {
            of_nodes(&graph.node) || graph.initializer.iter().any(|t| t.data_type() == Elem::Double.code())
        }
        fn of_nodes(nodes: &[super::proto::NodeProto]) -> bool {
            nodes.iter().any(|node| {
                let to = |a: &super::proto::AttributeProto| {
                    TYPES.contains(&a.name()) && a.i() == i64::from(Elem::Double.code())
                };
                let holds = |a: &super::proto::AttributeProto| {
                    a.r#type() == AttributeType::Tensor
                        && a.t.as_ref().is_some_and(|t| t.data_type() == Elem::Double.code())
                };
                node.attribute.iter().any(|a| to(a) || holds(a) || graphs(a).any(casts))
            })
        }
        let functions = self.file.proto.functions.iter().any(|f| of_nodes(&f.node));
        functions || casts(self.graph()) || self.inputs().iter().any(|i| i.elem == Some(Elem::Double))
    }

    /// Runs the model. Floats are computed in f32 on the device, half floats too, rounded where
    /// they leave it; a model with doubles in f64 on the CPU; integers exactly, on the host.
    ///
    /// Fails for an input that is missing, unknown or other than the model declares, and where
    /// a node cannot be computed, by name.
    pub fn run(&self, device: &Device, inputs: Vec<(String, Value)>) -> Result<Ran> {
        self.run_with(device, inputs, false)
    }

    /// [`Model::run`]; `timed`: each step of the device's work is timed as well.
    pub fn run_with(&self, device: &Device, inputs: Vec<(String, Value)>, timed: bool) -> Result<Ran> {
        let given = self.checked(inputs)?;
        let doubles = self.has_doubles();
        let engine = if doubles { Engine::Double } else { Engine::Single(device.clone()) };
        let mut walk = Interpreter::new(self, Trace::timed_run(engine, timed));
        let mut values = walk.main(given)?;
        walk.flush(&mut values).context(|| "computing the outputs")?;
        let names = self.outputs().into_iter().map(|o| o.name);
        let outputs = names.zip(&values).map(|(n, v)| Ok((n, output(v)?))).collect::<Result<_>>()?;
        let work = walk.trace.work();
        Ok(Ran { outputs, steps: work.steps, doubles, times: work.times })
    }

    /// Inputs by name, as the model declares them.
    fn checked(&self, inputs: Vec<(String, Value)>) -> Result<HashMap<String, Value>> {
        let ports = self.inputs();
        let mut lengths: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        let mut given = HashMap::new();
        for (name, value) in inputs {
            let all = self.graph().input.iter().map(|i| i.name().to_string()).collect::<Vec<_>>();
            if !all.contains(&name) {
                return Err(crate::error::unknown("input", &name, all.iter().map(String::as_str)));
            }
            if given.insert(name.clone(), value).is_some() {
                return Err(Error::usage(format!("input \"{name}\" is given twice")));
            }
        }
        for port in &ports {
            let Some(value) = given.get(&port.name) else {
                let optional = self.graph().input.iter().find(|i| i.name() == port.name);
                let optional = optional.and_then(|i| i.r#type.as_ref()).and_then(|t| t.value.as_ref());
                if matches!(optional, Some(super::proto::type_proto::Value::OptionalType(_))) {
                    given.insert(port.name.clone(), Value::Nothing);
                    continue;
                }
                let names: Vec<String> = ports.iter().map(describe).collect();
                return Err(Error::usage(format!(
                    "input \"{}\" is missing; the model takes {}",
                    port.name,
                    names.join(", ")
                )));
            };
            let Value::Host(t) = value else { continue };
            check_port(port, t, &mut lengths)?;
        }
        Ok(given)
    }
}

/// Whether a tensor is what an input is declared as; axes of the same name are equally long.
fn check_port<'p>(port: &'p Port, t: &Tensor, lengths: &mut BTreeMap<&'p str, (usize, &'p str)>) -> Result<()> {
    let wrong = |what: String| Err(Error::usage(format!("input \"{}\" {what}", port.name)));
    if let Some(elem) = port.elem.filter(|&e| e != t.elem) {
        return wrong(format!("holds {}; the model takes {elem}", t.elem));
    }
    let Some(shape) = &port.shape else { return Ok(()) };
    let fixed = |(axis, &n): (&Axis, &usize)| !matches!(axis, Axis::Fixed(m) if *m != n);
    if shape.len() != t.shape.len() || !shape.iter().zip(&t.shape).all(fixed) {
        return wrong(format!("has shape {:?}; the model takes {}", t.shape, describe(port)));
    }
    for (axis, &n) in shape.iter().zip(&t.shape) {
        let Axis::Named(name) = axis else { continue };
        let &mut (before, by) = lengths.entry(name).or_insert((n, &port.name));
        if before != n {
            return wrong(format!("has {n} elements along the axis \"{name}\", and input \"{by}\" has {before}"));
        }
    }
    Ok(())
}

/// An input or output for people: `x float [batch, 3, 224, 224]`.
pub fn describe(port: &Port) -> String {
    let axis = |a: &Axis| match a {
        Axis::Fixed(n) => n.to_string(),
        Axis::Named(name) => name.clone(),
        Axis::Free => "?".into(),
    };
    let elem = port.elem.map_or("of any type".to_string(), |e| e.to_string());
    let shape = port
        .shape
        .as_ref()
        .map_or(String::new(), |s| format!(" [{}]", s.iter().map(axis).collect::<Vec<_>>().join(", ")));
    format!("{} {elem}{shape}", port.name)
}

fn output(value: &Value) -> Result<Output> {
    Ok(match value {
        Value::List(all) => Output::List(all.iter().map(output).collect::<Result<_>>()?),
        Value::Nothing => Output::Nothing,
        other => Output::Tensor(tensor(other)?),
    })
}
