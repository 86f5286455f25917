//! NumPy's `.npy` files as tensors and back, and single tensors as ONNX keeps them (`.pb`).

use super::element::Elem;
use super::proto::TensorProto;
use super::tensor::{Data, Tensor, elements};
use crate::error::{Context, Error, Result};
use crate::files::{self, memory};
use half::f16;
use prost::Message;
use std::path::Path;

/// Types of NumPy, by kind and bytes.
const TYPES: &[(&str, Elem)] = &[
    ("f4", Elem::Float),
    ("f8", Elem::Double),
    ("f2", Elem::Float16),
    ("i1", Elem::Int8),
    ("i2", Elem::Int16),
    ("i4", Elem::Int32),
    ("i8", Elem::Int64),
    ("u1", Elem::Uint8),
    ("u2", Elem::Uint16),
    ("u4", Elem::Uint32),
    ("u8", Elem::Uint64),
    ("b1", Elem::Bool),
];

/// Reads a tensor: `.npy`, or a message of ONNX in a `.pb`.
///
/// Fails when the file cannot be read, or is damaged, or holds what no tensor does.
pub fn read(path: &Path) -> Result<Tensor> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?.len();
    memory::judge(path, size.saturating_mul(2))?;
    let missing = || Error::data(format!("{}: there is no such file", path.display()));
    let bytes = files::bytes(path, u64::MAX)?.ok_or_else(missing)?;
    let shown = || path.display().to_string();
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("pb")) {
        let proto = TensorProto::decode(&bytes[..]).map_err(|e| Error::data(format!("it is no tensor: {e}")));
        let mut outside = |_: &[_], _: usize| Err(Error::data("a tensor of its own has its data inside"));
        return proto.and_then(|p| Tensor::of_proto(&p, &mut outside)).context(shown);
    }
    of_npy(&bytes).context(shown)
}

/// Writes a tensor: a message of ONNX where the name ends in `.pb`, else `.npy`, in which
/// floats that NumPy does not know become float32, small integers int8 or uint8.
///
/// Fails for strings in `.npy`, and when the file cannot be written.
pub fn write(path: &Path, tensor: &Tensor) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("pb")) {
        return files::write(path, &tensor.to_proto("").encode_to_vec());
    }
    files::write(path, &to_npy(tensor).context(|| path.display().to_string())?)
}

/// The tensor of a `.npy` file's bytes.
pub fn of_npy(bytes: &[u8]) -> Result<Tensor> {
    let bad = |why: &str| Error::data(format!("it is no NumPy array: {why}"));
    let version = *bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| bad("it starts otherwise"))?.first().unwrap_or(&0);
    let wide = if version == 1 { 2 } else { 4 };
    let length = bytes.get(8..8 + wide).ok_or_else(|| bad("its header is cut off"))?;
    let length = length.iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b));
    let start = 8 + wide + length;
    let header = bytes.get(8 + wide..start).ok_or_else(|| bad("its header is cut off"))?;
    let header = std::str::from_utf8(header).map_err(|_| bad("its header is no text"))?;
    let after = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let kind = after("descr").and_then(|v| v.split('\'').nth(1)).ok_or_else(|| bad("its type is not said"))?;
    let (order, name) = kind.split_at(1.min(kind.len()));
    let elem = TYPES.iter().find(|(n, _)| *n == name).map(|(_, e)| *e);
    let elem = elem.ok_or_else(|| {
        Error::data(format!("it holds elements of type \"{kind}\"; expected floats, integers or booleans"))
    })?;
    let fortran = after("fortran_order").is_some_and(|v| v.starts_with("True"));
    let shape = after("shape").and_then(|v| v.strip_prefix('(')?.split_once(')')).ok_or_else(|| bad("no shape"))?.0;
    let shape = shape.split(',').map(str::trim).filter(|d| !d.is_empty()).map(|d| d.parse::<usize>());
    let shape: Vec<usize> = shape.collect::<Result<_, _>>().map_err(|_| bad("its shape is no list of numbers"))?;
    let width = elem.bits() / 8;
    let n = elements(&shape).and_then(|n| n.checked_mul(width)).ok_or_else(|| bad("its shape is too large"))?;
    let data = &bytes[start..];
    if data.len() != n {
        return Err(Error::data(format!("shape {shape:?} of {elem} needs {n} bytes of data, found {}", data.len())));
    }
    let mut data = data.to_vec();
    if order == ">" {
        data.chunks_mut(width).for_each(<[u8]>::reverse);
    }
    let proto = TensorProto {
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: Some(elem.code()),
        raw_data: Some(data),
        ..TensorProto::default()
    };
    let tensor = Tensor::of_proto(&proto, &mut |_, _| unreachable!("its data is inside"))?;
    Ok(if fortran { from_fortran(&tensor) } else { tensor })
}

/// Elements whose first axis runs fastest, in the usual order.
fn from_fortran(t: &Tensor) -> Tensor {
    let shape = &t.shape;
    let at: Vec<usize> = (0..t.len())
        .map(|i| {
            let (mut rest, mut at, mut stride) = (i, 0, t.len());
            for &d in shape.iter().rev() {
                stride /= d;
                at += rest % d * stride;
                rest /= d;
            }
            at
        })
        .collect();
    t.pick(shape.clone(), &at)
}

/// A tensor as the bytes of a `.npy` file.
pub fn to_npy(t: &Tensor) -> Result<Vec<u8>> {
    let widened = |elem: Elem| Tensor { elem, ..t.clone() };
    let t = match t.elem {
        Elem::String => return Err(Error::data("strings are not written as .npy; write them as .pb")),
        Elem::Int2 | Elem::Int4 => &widened(Elem::Int8),
        Elem::Uint2 | Elem::Uint4 => &widened(Elem::Uint8),
        Elem::Float16 => t,
        e if e.is_narrow_float() => &widened(Elem::Float),
        _ => t,
    };
    let name = TYPES.iter().find(|(_, e)| *e == t.elem).expect("all others are known").0;
    let order = if t.elem.bits() == 8 { '|' } else { '<' };
    let dims: String = t.shape.iter().map(|d| format!("{d}, ")).collect();
    let dims = if t.shape.len() > 1 { dims.trim_end_matches([',', ' ']) } else { dims.trim_end() };
    let header = format!("{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({dims}), }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((padded as u16).to_le_bytes());
    out.extend(format!("{header:<width$}\n", width = padded - 1).bytes());
    match (&t.data, t.elem) {
        (Data::F32(v), Elem::Float16) => out.extend(v.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes())),
        _ => out.extend(t.bytes()),
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_survive() {
        for t in [
            Tensor::floats([2, 3], vec![0.0, 1.0, -2.0, 3.5, f32::INFINITY, 1e-40]),
            Tensor::ints([], vec![-7]),
            Tensor::new(Elem::Bool, [1], Data::Int(vec![1])),
            Tensor::new(Elem::Float16, [2], Data::F32(vec![1.5, -2.0])),
            Tensor::floats([0, 2], vec![]),
        ] {
            let bytes = to_npy(&t).unwrap();
            assert_eq!(bytes.len() % 64, t.bytes().len() % 64);
            assert_eq!(of_npy(&bytes).unwrap(), t);
        }
    }

    #[test]
    fn columns_first_and_big_endian() {
        let mut bytes = to_npy(&Tensor::new(Elem::Int16, [2, 3], Data::Int(vec![1, 4, 2, 5, 3, 6]))).unwrap();
        let text = String::from_utf8_lossy(&bytes[..64]).replace("'<i2'", "'>i2'").replace("False, ", "True,  ");
        let data = bytes.len() - 12;
        bytes[data..].chunks_mut(2).for_each(<[u8]>::reverse);
        let header: Vec<u8> = bytes[..10].iter().copied().chain(text.chars().skip(10).map(|c| c as u8)).collect();
        bytes.splice(..10 + text.chars().count() - 10, header);
        assert_eq!(of_npy(&bytes).unwrap().data, Data::Int(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = to_npy(&Tensor::floats([3], vec![1.0; 3])).unwrap();
        for cut in 0..bytes.len() {
            assert!(of_npy(&bytes[..cut]).is_err(), "{cut}");
        }
    }
}
