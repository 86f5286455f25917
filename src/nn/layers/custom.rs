//! Layers of other crates, known by name to TOML and to checkpoints.

use super::{Keys, LAYERS, Layer, Reader};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

static CUSTOM: RwLock<BTreeMap<&'static str, Reader>> = RwLock::new(BTreeMap::new());

/// Makes a layer known by its [`Layer::kind`], so that descriptions in TOML and saved
/// models can name it: `read` makes one of its keys, those that [`Layer::to_table`] gives.
/// To be called before such a model is read. A layer that is registered twice in the same
/// way is registered once.
///
/// Fails when another layer has that name.
pub fn register(kind: &'static str, read: fn(&mut Keys) -> Result<Arc<dyn Layer>>) -> Result<()> {
    let taken = |by: &str| Err(Error::model(format!("a layer type \"{kind}\" is {by}; expected another name")));
    if LAYERS.iter().any(|(name, _)| *name == kind) {
        return taken("built in");
    }
    let mut known = CUSTOM.write().unwrap_or_else(PoisonError::into_inner);
    match known.get(kind) {
        Some(earlier) if !std::ptr::fn_addr_eq(*earlier, read) => taken("registered already"),
        _ => {
            known.insert(kind, read);
            Ok(())
        }
    }
}

/// What reads a registered layer.
pub(super) fn reader(kind: &str) -> Option<Reader> {
    CUSTOM.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
}

/// The names of the registered layers.
pub(super) fn kinds() -> Vec<&'static str> {
    CUSTOM.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
}
