//! The ranks that a process is one of, to be handed on.

use super::{Alone, Collective};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The ranks that this process is one of; without more it is alone.
#[derive(Clone)]
pub struct World(Arc<dyn Collective>);

impl World {
    /// By their operations.
    pub fn of(collective: impl Collective + 'static) -> World {
        World(Arc::new(collective))
    }

    /// Whether there are others.
    pub fn has_others(&self) -> bool {
        self.ranks() > 1
    }
}

impl Default for World {
    fn default() -> World {
        World::of(Alone)
    }
}

impl Deref for World {
    type Target = dyn Collective;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.ranks())
    }
}
