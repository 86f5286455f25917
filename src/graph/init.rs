//! What a persistent tensor holds before the first step. A graph says it without
//! holding it: shapes are judged, and plans made and refused, before any weight is
//! drawn.

use crate::tensor::{Data, HostTensor, Shared, Spec};
use std::fmt;
use std::sync::Arc;

/// What a persistent tensor holds before the first step.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// All zeros.
    Zeros,
    /// These elements. Shared, so that graphs clone cheaply.
    Data(Arc<HostTensor>),
    /// The elements of a data set, which keeps them as well.
    Shared(Shared),
    /// Elements that are worked out when somebody takes them.
    Drawn(Draw),
    /// Parts from an element on, and zeros between them: parameters in their flat
    /// buffer.
    Parts(Arc<[(usize, Init)]>),
}

/// How elements are worked out: the same ones each time.
#[derive(Clone)]
pub struct Draw(Arc<dyn Fn() -> HostTensor + Send + Sync>);

impl Init {
    /// Elements that `draw` works out, the same ones each time.
    pub fn drawn(draw: impl Fn() -> HostTensor + Send + Sync + 'static) -> Init {
        Init::Drawn(Draw(Arc::new(draw)))
    }

    /// Calls `put(first element, elements)` for everything that is not left zero,
    /// drawing one part at a time.
    pub fn each(&self, put: &mut dyn FnMut(usize, &HostTensor)) {
        match self {
            Init::Zeros => {}
            Init::Data(value) => put(0, value),
            Init::Shared(shared) => shared.each(put),
            Init::Drawn(draw) => put(0, &draw.0()),
            Init::Parts(parts) => {
                for (first, part) in parts.iter() {
                    part.each(&mut |at, value| put(first + at, value));
                }
            }
        }
    }

    /// All elements of a tensor that begins like this.
    pub fn value(&self, spec: &Spec) -> Arc<HostTensor> {
        match self {
            Init::Data(value) => return value.clone(),
            Init::Drawn(draw) => return draw.0().into(),
            _ => {}
        }
        let mut all = HostTensor::zeros(spec);
        self.each(&mut |first, value| match (&mut all.data, &value.data) {
            (Data::F32(all), Data::F32(part)) => all[first..first + part.len()].copy_from_slice(part),
            (Data::U32(all), Data::U32(part)) => all[first..first + part.len()].copy_from_slice(part),
            _ => panic!("a tensor of {spec} begins with elements of another type"),
        });
        all.into()
    }
}

impl PartialEq for Draw {
    fn eq(&self, other: &Draw) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}
