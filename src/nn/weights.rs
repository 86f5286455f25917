//! The values of a model's parameters and state.

use crate::graph::Init;
use crate::tensor::{HostTensor, Shape, Spec};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Values of parameters and state by name: given (from a file), or to be drawn. A
/// model that is built says how, and nothing is drawn before an executor takes it
/// or somebody looks at it.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// Seeds the initialisers.
    pub seed: u32,
    pub(super) values: BTreeMap<String, Value>,
}

/// A weight, drawn at most once for those who look at it.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub shape: Shape,
    pub init: Init,
    seen: OnceLock<Arc<HostTensor>>,
}

impl Value {
    pub fn new(shape: Shape, init: Init) -> Value {
        Value { shape, init, seen: OnceLock::new() }
    }

    fn get(&self) -> &Arc<HostTensor> {
        self.seen.get_or_init(|| self.init.value(&Spec::f32(self.shape.clone())))
    }
}

impl Weights {
    /// Values to be drawn from a seed.
    pub fn new(seed: u32) -> Weights {
        Weights { seed, values: BTreeMap::new() }
    }

    /// Sets a value.
    pub fn set(&mut self, name: impl Into<String>, value: HostTensor) {
        self.values.insert(name.into(), Value::new(value.shape.clone(), Init::Data(Arc::new(value))));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<HostTensor>> {
        self.values.get(name).map(Value::get)
    }

    /// The shape of a name's value, which stays undrawn.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.values.get(name).map(|v| &v.shape)
    }

    /// Drops the values that were given, once a device has them; their names and shapes
    /// stay, and they are zeros to whoever looks.
    pub(crate) fn drop_values(&mut self) {
        for value in self.values.values_mut() {
            if matches!(value.init, Init::Data(_)) {
                value.init = Init::Zeros;
            }
            value.seen = OnceLock::new();
        }
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// All names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<HostTensor>)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.get()))
    }
}
