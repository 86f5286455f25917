//! Graphs without their weights, which live by name in checkpoints instead.

use super::proto::tensor_proto::DataLocation;
use super::proto::{StringStringEntryProto, TensorProto};

/// Where the data of a weight is said to lie that a checkpoint holds.
const IN_CHECKPOINT: &str = "#checkpoint";

/// Takes the data out of a tensor; its type and shape stay.
pub fn empty(t: &mut TensorProto) {
    let entry = StringStringEntryProto { key: Some("location".into()), value: Some(IN_CHECKPOINT.into()) };
    *t = TensorProto {
        name: t.name.take(),
        dims: std::mem::take(&mut t.dims),
        data_type: t.data_type,
        data_location: Some(DataLocation::External as i32),
        external_data: vec![entry],
        ..TensorProto::default()
    };
}

/// Whether the data of a tensor has been taken out.
pub fn is_hollow(t: &TensorProto) -> bool {
    t.external_data.iter().any(|e| e.key() == "location" && e.value() == IN_CHECKPOINT)
}
