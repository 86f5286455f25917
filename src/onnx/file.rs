//! ONNX files: read with their external data, whatever they claim.

use super::hollow::is_hollow;
use super::proto::{ModelProto, StringStringEntryProto, TensorProto};
use super::tensor::Tensor;
use crate::error::{Context, Error, Result};
use crate::files::{self, memory};
use prost::Message;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Bytes of memory that a byte of a file may take while it is read: a node without content
/// is two bytes there.
const UNFOLDED: u64 = 8;

/// Messages within messages that prost reads.
const DEEPEST: usize = 100;

/// The messages of a file, and where its external data lies.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// What the file says.
    pub proto: ModelProto,
    folder: PathBuf,
}

impl ModelFile {
    /// Reads a file.
    ///
    /// Fails when it is none, is no ONNX model, or takes more memory than the budget.
    pub fn read(path: &Path) -> Result<ModelFile> {
        let size = std::fs::metadata(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?.len();
        memory::judge(path, size.saturating_mul(UNFOLDED).max(size))?;
        let bytes = files::bytes(path, u64::MAX)?;
        let bytes = bytes.ok_or_else(|| Error::data(format!("{}: there is no such file", path.display())))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let shown = || format!("{}", path.display());
        let messages = count_messages(&bytes, 0).ok_or_else(|| not_a_model("its fields do not fit its length"));
        memory::judge(path, messages.context(shown)?.saturating_mul(256))?;
        let proto = ModelProto::decode(&bytes[..]).map_err(|e| not_a_model(&e.to_string())).context(shown)?;
        if proto.graph.is_none() {
            return Err(not_a_model("it has no graph")).context(shown);
        }
        Ok(ModelFile { proto, folder })
    }

    /// A model from memory, without external data.
    pub fn of_bytes(bytes: &[u8]) -> Result<ModelFile> {
        let proto = ModelProto::decode(bytes).map_err(|e| not_a_model(&e.to_string()))?;
        if proto.graph.is_none() {
            return Err(not_a_model("it has no graph"));
        }
        Ok(ModelFile { proto, folder: PathBuf::new() })
    }

    /// Reads a tensor of the model, its data wherever it lies.
    ///
    /// Fails with the tensor's name.
    pub fn tensor(&self, proto: &TensorProto) -> Result<Tensor> {
        if is_hollow(proto) {
            // A checkpoint has its values; here it has a type and a shape.
            let zeros = &mut |_: &[_], bytes: usize| {
                memory::judge_named(&"a weight", bytes as u64, memory::budget()).map(|()| vec![0; bytes])
            };
            return Tensor::of_proto(proto, zeros).context(|| format!("tensor \"{}\"", proto.name()));
        }
        let mut outside = |entries: &[StringStringEntryProto], bytes: usize| self.external(entries, bytes);
        Tensor::of_proto(proto, &mut outside).context(|| format!("tensor \"{}\"", proto.name()))
    }

    /// The bytes that the entries of external data name.
    fn external(&self, entries: &[StringStringEntryProto], expected: usize) -> Result<Vec<u8>> {
        let entry = |key: &str| entries.iter().find(|e| e.key() == key).map(|e| e.value());
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(v) => v
                .parse::<u64>()
                .map(Some)
                .map_err(|_| Error::model(format!("external data has {key} \"{v}\"; expected a number of bytes"))),
        };
        let location = entry("location").ok_or_else(|| Error::model("external data without a location"))?;
        let inside = Path::new(location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if self.folder.as_os_str().is_empty() || !inside || location.is_empty() {
            return Err(Error::model(format!(
                "external data lies at \"{location}\"; expected a path below the folder of the model"
            )));
        }
        let path = self.folder.join(location);
        let fail = |e| Error::io(format!("reading external data {}", path.display()), e);
        // A link may lead out of the folder.
        let real = path.canonicalize().map_err(fail)?;
        if !real.starts_with(self.folder.canonicalize().map_err(fail)?) {
            return Err(Error::model(format!("external data \"{location}\" is a link out of the folder of the model")));
        }
        let mut file: File = files::open(&real).map_err(fail)?;
        let held = file.metadata().map_err(fail)?.len();
        let start = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(held.saturating_sub(start));
        if start.checked_add(length).is_none_or(|end| end > held) || length != expected as u64 {
            return Err(Error::model(format!(
                "external data is {length} bytes from {start} of \"{location}\", which holds {held}; the shape needs \
                 {expected}"
            )));
        }
        memory::judge(&path, length)?;
        file.seek(SeekFrom::Start(start)).map_err(fail)?;
        let mut bytes = vec![0; expected];
        file.read_exact(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

fn not_a_model(why: &str) -> Error {
    Error::data(format!("it is no ONNX model: {why}"))
}

/// How many fields a message and what is in it have at most: each may be a message of its
/// own. `None` where a field is longer than what holds it.
fn count_messages(bytes: &[u8], depth: usize) -> Option<u64> {
    let mut count = 0;
    let mut at = 0;
    let varint = |at: &mut usize| {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *bytes.get(*at)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    };
    while at < bytes.len() {
        let key = varint(&mut at)?;
        match key & 7 {
            0 => drop(varint(&mut at)?),
            1 => at = at.checked_add(8)?,
            5 => at = at.checked_add(4)?,
            2 => {
                let length = usize::try_from(varint(&mut at)?).ok()?;
                let inner = bytes.get(at..at.checked_add(length)?)?;
                count += 1;
                // What is a message, and what a text, the description says and this does not
                // know: short fields are taken for a message each.
                if length > 64 && depth < DEEPEST {
                    count += count_messages(inner, depth + 1).unwrap_or(0);
                }
                at += length;
            }
            _ => return None,
        }
    }
    (at == bytes.len()).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_model() {
        let fails = |bytes: &[u8]| ModelFile::of_bytes(bytes).unwrap_err().to_string();
        assert!(fails(b"").contains("no graph"));
        assert!(fails(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]).contains("no ONNX model"));
        assert!(fails(b"PK\x03\x04 a zip").contains("no ONNX model"));
        // Graphs in attributes in graphs: deeper than any model.
        let mut nested = vec![];
        for _ in 0..200 {
            let mut outer = vec![0x32, 0, 0, 0, 0, 0];
            outer.splice(1..6, [(nested.len() as u8 & 0x7f) | 0x80, (nested.len() >> 7) as u8]);
            outer.extend(&nested);
            nested = outer;
        }
        assert!(ModelFile::of_bytes(&nested).is_err());
    }

    #[test]
    fn empty_nodes_are_counted() {
        let nodes = [0x0a, 0].repeat(100);
        assert_eq!(count_messages(&nodes, 0), Some(100));
        let mut graph = vec![0x3a, 200, 1];
        graph.extend(&nodes);
        assert_eq!(count_messages(&graph, 0), Some(101));
        assert_eq!(count_messages(&[0x0a, 5, 1], 0), None);
    }
}
