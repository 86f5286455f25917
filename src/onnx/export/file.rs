//! The file of a model: one, or two where the weights are too many for the format of the
//! first. And what can be said of a file that has been written.

use crate::error::{Context, Error, Result};
use crate::files;
use crate::onnx::proto::tensor_proto::DataLocation;
use crate::onnx::proto::{ModelProto, StringStringEntryProto};
use prost::Message;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes of weights above which they get a file of their own: a message of protobuf has 2 GiB
/// at most.
pub const LARGE: u64 = 2_000_000_000;
/// Weights below so many bytes stay in the first file.
const SMALL: usize = 256;
/// Where weights begin in a file of their own: readers map it into memory.
const ALIGN: u64 = 4096;

/// Writes a model, its weights beside it if they take more than `large` bytes, and returns the
/// files. Each is whole or is not there.
pub fn write(path: &Path, mut model: ModelProto, large: u64) -> Result<Vec<PathBuf>> {
    let initializers = model.graph.iter().flat_map(|g| &g.initializer);
    let bytes: u64 = initializers.filter_map(|t| t.raw_data.as_ref()).map(|d| d.len() as u64).sum();
    if bytes <= large {
        files::write(path, &model.encode_to_vec())?;
        return Ok(vec![path.to_path_buf()]);
    }
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return Err(Error::usage(format!("{}: expected the name of a file in UTF-8", path.display())));
    };
    let beside = path.with_file_name(format!("{name}.data"));
    let location = format!("{name}.data");
    let mut parts = vec![];
    let mut end = 0u64;
    for tensor in model.graph.iter_mut().flat_map(|g| &mut g.initializer) {
        if tensor.raw_data.as_ref().is_none_or(|d| d.len() < SMALL) {
            continue;
        }
        let data = tensor.raw_data.take().unwrap_or_default();
        let first = end.next_multiple_of(ALIGN);
        end = first + data.len() as u64;
        let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        tensor.external_data = vec![
            entry("location", location.clone()),
            entry("offset", first.to_string()),
            entry("length", data.len().to_string()),
        ];
        tensor.data_location = Some(DataLocation::External as i32);
        parts.push((first, data));
    }
    // The weights first: a model without them would be no model.
    files::write_with(&beside, &mut |file| {
        let mut at = 0u64;
        for (first, data) in &parts {
            file.write_all(&vec![0; (first - at) as usize])?;
            file.write_all(data)?;
            at = first + data.len() as u64;
        }
        Ok(())
    })?;
    files::write(path, &model.encode_to_vec())?;
    Ok(vec![path.to_path_buf(), beside])
}

/// What is in a file that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Nodes of its graph.
    pub nodes: usize,
    /// Initialisers of its graph.
    pub initializers: usize,
    /// The names of the graph's inputs.
    pub inputs: Vec<String>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
}

/// Reads a file back that has just been written, and checks that it is whole: that it decodes,
/// that every value is made before it is read and made once, and that the bytes of weights in
/// a file beside it are there.
///
/// Fails with what is wrong.
pub fn written(path: &Path) -> Result<Written> {
    let wrong = |what: String| Error::data(format!("{}: {what}; export it again", path.display()));
    let bytes = files::bytes(path, u64::MAX - 1)?.ok_or_else(|| wrong("it is not there".into()))?;
    let model = ModelProto::decode(&bytes[..]).map_err(|e| wrong(format!("it does not decode: {e}")))?;
    let graph = model.graph.ok_or_else(|| wrong("it has no graph".into()))?;
    let named = |all: &[crate::onnx::proto::ValueInfoProto]| -> Vec<String> {
        all.iter().filter_map(|v| v.name.clone()).collect()
    };
    let (inputs, outputs) = (named(&graph.input), named(&graph.output));
    let mut known = BTreeSet::new();
    let weights = graph.initializer.iter().filter_map(|t| t.name.clone());
    for name in inputs.iter().cloned().chain(weights).chain(graph.node.iter().flat_map(|n| n.output.clone())) {
        if !name.is_empty() && !known.insert(name.clone()) {
            return Err(wrong(format!("\"{name}\" is made twice")));
        }
    }
    let weights = graph.initializer.iter().filter_map(|t| t.name.as_deref());
    let mut made: BTreeSet<&str> = inputs.iter().map(String::as_str).chain(weights).collect();
    for node in &graph.node {
        if let Some(missing) = node.input.iter().find(|i| !i.is_empty() && !made.contains(i.as_str())) {
            let name = node.name.as_deref().unwrap_or_default();
            return Err(wrong(format!("node \"{name}\" reads \"{missing}\", which nothing has made before it")));
        }
        made.extend(node.output.iter().map(String::as_str));
    }
    if let Some(missing) = outputs.iter().find(|o| !made.contains(o.as_str())) {
        return Err(wrong(format!("nothing makes its output \"{missing}\"")));
    }
    for tensor in graph.initializer.iter().filter(|t| !t.external_data.is_empty()) {
        let of = |key: &str| tensor.external_data.iter().find(|e| e.key.as_deref() == Some(key))?.value.clone();
        let number = |key: &str| of(key).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        let beside = path.with_file_name(of("location").unwrap_or_default());
        let size = std::fs::metadata(&beside).map_err(|e| Error::io(format!("reading {}", beside.display()), e));
        let size = size.context(|| format!("the weights of {}", path.display()))?.len();
        if number("offset") + number("length") > size {
            return Err(wrong(format!(
                "\"{}\" ends beyond the {size} bytes of {}",
                tensor.name.as_deref().unwrap_or_default(),
                beside.display()
            )));
        }
    }
    Ok(Written { nodes: graph.node.len(), initializers: graph.initializer.len(), inputs, outputs })
}
