//! What the ops are written with: values by name, lengths as numbers or as arithmetic on the
//! input's shape, and the nodes that many ops share.

use super::probe::{Length, Probes, begins_with, fixed};
use super::writer::{Writer, int, ints};
use crate::error::{Error, Result};
use crate::graph::{Graph, Home, Node, TensorId};
use crate::onnx::proto::AttributeProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::tensor::{DType, Data, HostTensor};
use std::collections::{HashMap, HashSet};

/// Values that stand for a tensor of the graph.
#[derive(Debug, Clone)]
pub enum Value {
    /// The tensor.
    One(String),
    /// Parts `[1, ..]` that the tensor is one above the other.
    Stacked(Vec<String>),
}

/// What is being written.
pub struct Emitter<'a> {
    /// The graphs of the model.
    pub probes: &'a Probes,
    /// The file's graph.
    pub out: Writer,
    /// The version of the ops.
    pub opset: i64,
    /// The name of the model's input.
    input: String,
    read: HashSet<TensorId>,
    values: HashMap<TensorId, Value>,
    constants: HashMap<Vec<TensorId>, String>,
    made: HashMap<String, String>,
}

impl<'a> Emitter<'a> {
    /// Nothing written yet; the inputs of the graph are values of these names, the model's
    /// first, and `read` are the tensors that somebody reads.
    pub fn new(
        probes: &'a Probes,
        out: Writer,
        opset: i64,
        inputs: &[(TensorId, &str)],
        read: HashSet<TensorId>,
    ) -> Emitter<'a> {
        let values = inputs.iter().map(|(t, name)| (*t, Value::One(name.to_string()))).collect();
        let input = inputs.first().map_or("", |(_, name)| name);
        let (constants, made) = (HashMap::new(), HashMap::new());
        Emitter { probes, out, opset, input: input.into(), read, values, constants, made }
    }

    /// The graph whose nodes are written.
    pub fn graph(&self) -> &'a Graph {
        self.probes.graph()
    }

    /// A node of it.
    pub fn at(&self, node: usize) -> &'a Node {
        &self.probes.graph().nodes()[node]
    }

    /// Whether somebody reads a tensor of the first graph.
    pub fn is_read(&self, t: TensorId) -> bool {
        self.read.contains(&t)
    }

    /// The value that a node reads.
    pub fn input(&mut self, node: usize, slot: usize) -> Result<String> {
        let ids = self.probes.inputs(node, slot);
        self.tensor(&ids)
    }

    /// The value of a tensor, by its number in each graph.
    pub fn tensor(&mut self, ids: &[TensorId]) -> Result<String> {
        match self.values.get(&ids[0]).cloned() {
            Some(Value::One(name)) => Ok(name),
            Some(Value::Stacked(parts)) => {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                let name = self.node("Concat", &parts, vec![int("axis", 0)]);
                self.values.insert(ids[0], Value::One(name.clone()));
                Ok(name)
            }
            None => self.held(ids),
        }
    }

    /// The parts of what a node reads, where it has been written in parts.
    pub fn stacked(&self, node: usize, slot: usize) -> Option<&[String]> {
        match self.values.get(&self.at(node).inputs[slot]) {
            Some(Value::Stacked(parts)) => Some(parts),
            _ => None,
        }
    }

    /// Notes the value that a node has made.
    pub fn set(&mut self, node: usize, slot: usize, value: Value) {
        self.values.insert(self.at(node).outputs[slot], value);
    }

    /// Notes the node's first output.
    pub fn done(&mut self, node: usize, name: String) {
        self.set(node, 0, Value::One(name));
    }

    /// A weight of the model or a constant of its graph.
    fn held(&mut self, ids: &[TensorId]) -> Result<String> {
        if let Some(name) = self.constants.get(ids) {
            return Ok(name.clone());
        }
        let graph = self.probes.graph();
        let info = &graph.tensors()[ids[0].index()];
        if !matches!(info.home, Home::Persistent { .. }) {
            return Err(Error::model(format!("\"{}\" is read before it is computed", info.label)));
        }
        let values = self.probes.value(ids);
        let name = match values.iter().all(|v| *v == values[0]) {
            true => match &values[0].data {
                Data::F32(v) if !info.label.starts_with("const.") => self.out.weight(&info.label, &values[0].shape, v),
                _ => self.constant(&values[0]),
            },
            false => self.growing(&values, ids, &info.label)?,
        };
        self.constants.insert(ids.to_vec(), name.clone());
        Ok(name)
    }

    /// A constant of the graph; whole numbers have 64 bits in a file.
    pub fn constant(&mut self, value: &HostTensor) -> String {
        match &value.data {
            Data::F32(v) => self.out.numbers(&value.shape, v),
            Data::U32(v) => {
                let wide: Vec<i64> = v.iter().map(|&n| i64::from(n)).collect();
                self.out.integers(&value.shape, &wide)
            }
        }
    }

    /// A constant whose size depends on the input's: one number everywhere, or the first rows
    /// of a table.
    fn growing(&mut self, values: &[HostTensor], ids: &[TensorId], label: &str) -> Result<String> {
        let lengths: Vec<Length> = (0..values[0].shape.rank())
            .map(|axis| values.iter().map(|v| v.shape.get(axis).copied().unwrap_or(0)).collect())
            .collect();
        let even = |v: &HostTensor| match &v.data {
            Data::F32(all) => all.iter().all(|x| x.to_bits() == all[0].to_bits()).then(|| all[0]),
            Data::U32(_) => None,
        };
        let first = even(&values[0]);
        if let Some(number) = first.filter(|_| values.iter().all(|v| even(v) == first)) {
            let scalar = self.out.scalar(number);
            let shape = self.shape_of(&lengths).map_err(|e| e.context(format!("\"{label}\"")))?;
            return Ok(self.node("Expand", &[&scalar, &shape], vec![]));
        }
        let whole = self.probes.whole(&values[0]);
        match whole.filter(|w| values.iter().all(|v| begins_with(w, v))) {
            Some(whole) => {
                let table = self.constant(&whole);
                self.first_rows(&table, &lengths[0])
            }
            None => Err(Error::model(format!(
                "the constant \"{label}\" of {} differs with the size of the input; expected the same for all",
                self.probes.graph().spec(ids[0])
            ))),
        }
    }

    /// The first rows of a table, as many as a length says.
    pub fn first_rows(&mut self, table: &str, length: &Length) -> Result<String> {
        let end = self.length(length)?;
        let (start, axis) = (self.out.list(&[0]), self.out.list(&[0]));
        Ok(self.node("Slice", &[table, &start, &end, &axis], vec![]))
    }

    /// A node of the ops of the layer at hand.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.out.node(op, inputs, attributes)
    }

    /// The same node once, however often it is asked for.
    pub fn once(&mut self, key: &str, make: impl FnOnce(&mut Self) -> Result<String>) -> Result<String> {
        if let Some(name) = self.made.get(key) {
            return Ok(name.clone());
        }
        let name = make(self)?;
        self.made.insert(key.into(), name.clone());
        Ok(name)
    }

    /// A length as a list of one whole number: a constant, or worked out of the input's shape.
    ///
    /// Fails where it is neither.
    pub fn length(&mut self, length: &Length) -> Result<String> {
        if let Some(n) = fixed(length) {
            return Ok(self.out.list(&[n as i64]));
        }
        let probes = self.probes;
        let of = |axes: [bool; 2]| -> Option<usize> {
            let unit = |i: usize| {
                let t = probes.sequence.as_ref().map_or(1, |t| t[i]);
                (if axes[0] { probes.batch[i] } else { 1 }) * if axes[1] { t } else { 1 }
            };
            let factor = length[0] / unit(0);
            length.iter().enumerate().all(|(i, n)| factor * unit(i) == *n).then_some(factor)
        };
        let kinds = [[true, false], [false, true], [true, true]];
        let found = kinds.into_iter().find_map(|axes| of(axes).map(|factor| (axes, factor)));
        let Some((axes, factor)) = found else {
            return Err(Error::model(format!(
                "an axis of lengths {length:?} for batches {:?} and positions {:?} follows from neither; expected a \
                 multiple of the batch or of the positions",
                self.probes.batch, self.probes.sequence
            )));
        };
        self.once(&format!("length {axes:?} {factor}"), |cx| {
            let input = cx.input.clone();
            let part = |cx: &mut Self, axis: i64| {
                let bounds = vec![int("start", axis), int("end", axis + 1)];
                cx.once(&format!("axis {axis}"), |cx| Ok(cx.node("Shape", &[&input], bounds)))
            };
            let mut all = vec![];
            for (axis, _) in axes.iter().enumerate().filter(|(_, used)| **used) {
                all.push(part(cx, axis as i64)?);
            }
            if factor != 1 {
                all.push(cx.out.list(&[factor as i64]));
            }
            let mut product = all[0].clone();
            for more in &all[1..] {
                product = cx.node("Mul", &[&product, more], vec![]);
            }
            Ok(product)
        })
    }

    /// Lengths as one list.
    pub fn shape_of(&mut self, lengths: &[Length]) -> Result<String> {
        if let Some(all) = lengths.iter().map(|l| fixed(l).map(|n| n as i64)).collect::<Option<Vec<i64>>>() {
            return Ok(self.out.list(&all));
        }
        let parts = lengths.iter().map(|l| self.length(l)).collect::<Result<Vec<_>>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.once(&format!("shape {parts:?}"), |cx| Ok(cx.node("Concat", &parts, vec![int("axis", 0)])))
    }

    /// `x` under another shape. `from` and `to` are its lengths before and after.
    pub fn reshape(&mut self, x: &str, from: &[Length], to: &[Length]) -> Result<String> {
        if from == to {
            return Ok(x.into());
        }
        let long = |all: &[Length]| -> Vec<Length> { all.iter().filter(|l| fixed(l) != Some(1)).cloned().collect() };
        let ones = |all: &[Length]| -> Vec<i64> {
            all.iter().enumerate().filter(|(_, l)| fixed(l) == Some(1)).map(|(i, _)| i as i64).collect()
        };
        if long(from) == from && long(to) == from {
            let axes = self.out.list(&ones(to));
            return Ok(self.node("Unsqueeze", &[x, &axes], vec![]));
        }
        if long(to) == to && long(from) == to && !to.is_empty() {
            let axes = self.out.list(&ones(from));
            return Ok(self.node("Squeeze", &[x, &axes], vec![]));
        }
        let tail = |all: &[Length]| all[1..].iter().map(fixed).collect::<Option<Vec<usize>>>();
        if to.len() == 2 && from.len() > 2 && from[0] == to[0] && tail(from).is_some() && tail(to).is_some() {
            return Ok(self.node("Flatten", &[x], vec![int("axis", 1)]));
        }
        let copied = |i: usize| from.get(i) == Some(&to[i]);
        // One length at most is left to be worked out by the reader.
        let open: Vec<usize> = (0..to.len()).filter(|&i| fixed(&to[i]).is_none() && !copied(i)).collect();
        let rest = open.last().copied();
        let target = |i: usize| match fixed(&to[i]) {
            Some(n) => n as i64,
            None if copied(i) => 0,
            None => -1,
        };
        let shape = match open.len() {
            0 | 1 => self.out.list(&(0..to.len()).map(target).collect::<Vec<_>>()),
            _ => {
                let mut parts = vec![];
                for (i, length) in to.iter().enumerate() {
                    parts.push(match (Some(i) == rest, open.contains(&i)) {
                        (false, true) => self.length(length)?,
                        _ => self.out.list(&[target(i)]),
                    });
                }
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.node("Concat", &parts, vec![int("axis", 0)])
            }
        };
        Ok(self.node("Reshape", &[x, &shape], vec![]))
    }

    /// `x` with its axes in another order.
    pub fn transpose(&mut self, x: &str, order: &[usize]) -> String {
        match order.iter().enumerate().all(|(i, o)| i == *o) {
            true => x.into(),
            false => self.node("Transpose", &[x], vec![ints("perm", order)]),
        }
    }

    /// `x` with more axes of length 1.
    pub fn unsqueeze(&mut self, x: &str, axes: &[i64]) -> String {
        let axes = self.out.list(axes);
        self.node("Unsqueeze", &[x, &axes], vec![])
    }

    /// `x` without axes of length 1.
    pub fn squeeze(&mut self, x: &str, axes: &[i64]) -> String {
        let axes = self.out.list(axes);
        self.node("Squeeze", &[x, &axes], vec![])
    }

    /// `x` in another type.
    pub fn cast(&mut self, x: &str, kind: DataType) -> String {
        self.node("Cast", &[x], vec![int("to", kind as i64)])
    }

    /// `a (op) number`.
    pub fn with_number(&mut self, op: &str, x: &str, number: f32) -> String {
        let number = self.out.scalar(number);
        self.node(op, &[x, &number], vec![])
    }

    /// The numbers from 0 to below a length, int64 `[T]`.
    pub fn range(&mut self, length: &Length) -> Result<String> {
        if let Some(n) = fixed(length) {
            return Ok(self.out.list(&(0..n as i64).collect::<Vec<_>>()));
        }
        let end = self.length(length)?;
        self.once(&format!("range {end}"), |cx| {
            let (zero, one, first) = (cx.out.integers(&[], &[0]), cx.out.integers(&[], &[1]), cx.out.list(&[0]));
            let end = cx.node("Squeeze", &[&end, &first], vec![]);
            Ok(cx.node("Range", &[&zero, &end, &one], vec![]))
        })
    }

    /// Whether each of the positions of a length is one of a sample: bool `[B, T]` of lengths
    /// int64 `[B]`.
    pub fn valid(&mut self, lengths: &str, positions: &Length) -> Result<String> {
        let lengths = lengths.to_string();
        let positions = positions.clone();
        self.once(&format!("valid {lengths} {positions:?}"), |cx| {
            let all = cx.range(&positions)?;
            let ends = cx.unsqueeze(&lengths, &[1]);
            Ok(cx.node("Less", &[&all, &ends], vec![]))
        })
    }
}

/// The type of a graph's tensor in a file.
pub fn kind_of(dtype: DType) -> DataType {
    match dtype {
        DType::U32 => DataType::Int64,
        DType::F32 | DType::F16 => DataType::Float,
    }
}
