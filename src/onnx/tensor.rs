//! Tensors of any element type in host memory, from and to ONNX's messages.

use super::element::Elem;
use super::proto::{StringStringEntryProto, TensorProto, tensor_proto::DataLocation};
use crate::error::{Error, Result};
use half::{bf16, f16};

/// The elements of a tensor, in the narrowest of a few types that holds all of theirs.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Floats of up to 32 bits.
    F32(Vec<f32>),
    /// Doubles.
    F64(Vec<f64>),
    /// Integers and booleans; a uint64 by its bits.
    Int(Vec<i64>),
    /// Texts.
    Text(Vec<String>),
}

/// A tensor in host memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The type that the model sees.
    pub elem: Elem,
    /// Axis lengths; may hold 0.
    pub shape: Vec<usize>,
    /// As many elements as the shape says.
    pub data: Data,
}

/// Gives the bytes of data outside a file: from its entries, as many as a shape needs.
pub type External<'a> = dyn FnMut(&[StringStringEntryProto], usize) -> Result<Vec<u8>> + 'a;

/// The number of elements of a shape, if it can be counted.
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

impl Tensor {
    /// Floats.
    pub fn floats(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Tensor {
        Tensor::new(Elem::Float, shape, Data::F32(data))
    }

    /// Signed integers of 64 bits.
    pub fn ints(shape: impl Into<Vec<usize>>, data: Vec<i64>) -> Tensor {
        Tensor::new(Elem::Int64, shape, Data::Int(data))
    }

    /// A list of integers: one axis.
    pub fn list(data: Vec<i64>) -> Tensor {
        Tensor::ints([data.len()], data)
    }

    /// A tensor. Panics when the count is not the shape's, or the data of another type.
    pub fn new(elem: Elem, shape: impl Into<Vec<usize>>, data: Data) -> Tensor {
        let shape = shape.into();
        let fits = match &data {
            Data::F32(_) => elem.is_float() && elem != Elem::Double,
            Data::F64(_) => elem == Elem::Double,
            Data::Int(_) => elem.is_int() || elem == Elem::Bool,
            Data::Text(_) => elem == Elem::String,
        };
        assert!(fits, "data of {elem}");
        let tensor = Tensor { elem, shape, data };
        assert_eq!(elements(&tensor.shape), Some(tensor.len()), "element count of shape {:?}", tensor.shape);
        tensor
    }

    /// Doubles as elements of a type: rounded for floats. Whole numbers within range for
    /// integers.
    ///
    /// Fails where an integer would lose its value.
    pub fn of_f64(elem: Elem, shape: impl Into<Vec<usize>>, values: Vec<f64>) -> Result<Tensor> {
        let data = match elem {
            Elem::Double => Data::F64(values),
            Elem::Float => Data::F32(values.into_iter().map(|v| v as f32).collect()),
            _ if elem.is_float() => Data::F32(values.into_iter().map(|v| elem.round(v, false) as f32).collect()),
            Elem::Bool => Data::Int(values.into_iter().map(|v| i64::from(v != 0.0)).collect()),
            Elem::String => return Err(Error::model("numbers are no strings")),
            _ => Data::Int(values.into_iter().map(|v| whole(elem, v)).collect::<Result<_>>()?),
        };
        Ok(Tensor::new(elem, shape, data))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len(),
            Data::F64(v) => v.len(),
            Data::Int(v) => v.len(),
            Data::Text(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements as doubles; exact but for integers beyond 2^53, which are an error.
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        match &self.data {
            Data::F32(v) => Ok(v.iter().map(|&v| f64::from(v)).collect()),
            Data::F64(v) => Ok(v.clone()),
            Data::Int(v) => v
                .iter()
                .map(|&i| match i.unsigned_abs() < 1 << 53 && (self.elem != Elem::Uint64 || i >= 0) {
                    true => Ok(i as f64),
                    false => Err(Error::model(format!(
                        "{} is too large to be computed with exactly: integers are computed up to 2^53 here",
                        self.int_text(i)
                    ))),
                })
                .collect(),
            Data::Text(_) => Err(Error::model("strings are no numbers")),
        }
    }

    fn int_text(&self, i: i64) -> String {
        if self.elem == Elem::Uint64 { (i as u64).to_string() } else { i.to_string() }
    }

    /// All elements as integers; whole floats count.
    pub fn to_ints(&self) -> Result<Vec<i64>> {
        match &self.data {
            Data::Int(v) => Ok(v.clone()),
            Data::F64(v) => v.iter().map(|&v| whole(Elem::Int64, v)).collect(),
            Data::F32(v) => v.iter().map(|&v| whole(Elem::Int64, f64::from(v))).collect(),
            Data::Text(_) => Err(Error::model("strings are no numbers")),
        }
    }

    /// The tensor of the elements at these flat positions.
    pub fn pick(&self, shape: impl Into<Vec<usize>>, at: &[usize]) -> Tensor {
        fn of<T: Clone>(v: &[T], at: &[usize]) -> Vec<T> {
            at.iter().map(|&i| v[i].clone()).collect()
        }
        let data = match &self.data {
            Data::F32(v) => Data::F32(of(v, at)),
            Data::F64(v) => Data::F64(of(v, at)),
            Data::Int(v) => Data::Int(of(v, at)),
            Data::Text(v) => Data::Text(of(v, at)),
        };
        Tensor::new(self.elem, shape, data)
    }

    /// The same elements under another shape of as many.
    pub fn reshaped(&self, shape: impl Into<Vec<usize>>) -> Tensor {
        Tensor::new(self.elem, shape, self.data.clone())
    }

    /// The elements of several tensors of a type, one after the other, as a flat tensor.
    pub fn joined(parts: &[&Tensor]) -> Result<Tensor> {
        let first = parts.first().ok_or_else(|| Error::model("nothing to join"))?;
        let mut data = first.data.clone();
        for part in &parts[1..] {
            match (&mut data, &part.data) {
                (Data::F32(a), Data::F32(b)) => a.extend(b),
                (Data::F64(a), Data::F64(b)) => a.extend(b),
                (Data::Int(a), Data::Int(b)) => a.extend(b),
                (Data::Text(a), Data::Text(b)) => a.extend(b.iter().cloned()),
                _ => return Err(Error::model(format!("tensors of {} and {} are joined", first.elem, part.elem))),
            }
        }
        let n = parts.iter().map(|p| p.len()).sum::<usize>();
        Ok(Tensor::new(first.elem, [n], data))
    }

    /// Reads a message. `external` gives the bytes of data outside the file, from its
    /// entries.
    ///
    /// Fails for a shape that is negative or has another number of elements than there is
    /// data, and for types that are not supported.
    pub fn of_proto(proto: &TensorProto, external: &mut External) -> Result<Tensor> {
        let elem = Elem::of_code(proto.data_type.unwrap_or(0))?;
        let shape = proto.dims.iter().map(|&d| {
            usize::try_from(d).map_err(|_| Error::model(format!("an axis of {d} elements; expected 0 or more")))
        });
        let shape: Vec<usize> = shape.collect::<Result<_>>()?;
        let n = elements(&shape).filter(|n| n.checked_mul(64).is_some());
        let n = n.ok_or_else(|| Error::model(format!("shape {shape:?} has more elements than can be counted")))?;
        if proto.segment.is_some() {
            return Err(Error::model("tensors in segments are not supported"));
        }
        let outside = proto.data_location.unwrap_or(0) == DataLocation::External as i32;
        let data = match (&proto.raw_data, outside) {
            (_, true) => of_bytes(elem, n, &external(&proto.external_data, (n * elem.bits()).div_ceil(8))?)?,
            (Some(raw), _) => of_bytes(elem, n, raw)?,
            (None, _) => of_fields(elem, n, proto)?,
        };
        Ok(Tensor::new(elem, shape, data))
    }

    /// As a message, with its data inside.
    pub fn to_proto(&self, name: &str) -> TensorProto {
        let mut proto = TensorProto {
            name: Some(name.into()),
            dims: self.shape.iter().map(|&d| d as i64).collect(),
            data_type: Some(self.elem.code()),
            ..TensorProto::default()
        };
        match &self.data {
            Data::Text(v) => proto.string_data = v.iter().map(|s| s.clone().into_bytes()).collect(),
            _ => proto.raw_data = Some(self.bytes()),
        }
        proto
    }

    /// The elements as files hold them, little-endian, packed. Nothing for strings.
    pub fn bytes(&self) -> Vec<u8> {
        let codes: Vec<u64> = match &self.data {
            Data::F32(v) => match self.elem {
                Elem::Float => return v.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Elem::Float16 => v.iter().map(|&v| u64::from(f16::from_f32(v).to_bits())).collect(),
                Elem::BFloat16 => v.iter().map(|&v| u64::from(bf16::from_f32(v).to_bits())).collect(),
                _ => {
                    let code = self.elem.minifloat().expect("a small float");
                    v.iter().map(|&v| u64::from(code.encode(v, false))).collect()
                }
            },
            Data::F64(v) => return v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Data::Int(v) => v.iter().map(|&v| v as u64).collect(),
            Data::Text(_) => return vec![],
        };
        let bits = self.elem.bits();
        if bits >= 8 {
            return codes.iter().flat_map(|c| c.to_le_bytes()[..bits / 8].to_vec()).collect();
        }
        let mask = (1 << bits) - 1;
        let each = 8 / bits;
        let byte = |part: &[u64]| part.iter().enumerate().fold(0, |b, (i, c)| b | ((c & mask) as u8) << (i * bits));
        codes.chunks(each).map(byte).collect()
    }
}

/// A double as an integer of a type.
fn whole(elem: Elem, v: f64) -> Result<i64> {
    let (least, most) = elem.range().unwrap_or((i128::from(i64::MIN), i128::from(i64::MAX)));
    let fits = v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0 && (least..=most).contains(&(v as i128));
    if fits { Ok(v as i64) } else { Err(Error::model(format!("{v} is no {elem} that is known exactly"))) }
}

fn short(found: usize, expected: usize, what: &str) -> Error {
    Error::model(format!("{found} {what} of data; its shape needs {expected}"))
}

/// The elements that packed little-endian bytes hold.
fn of_bytes(elem: Elem, n: usize, raw: &[u8]) -> Result<Data> {
    let bits = elem.bits();
    if elem == Elem::String {
        return Err(Error::model("strings as raw data; expected string_data"));
    }
    let expected = (n * bits).div_ceil(8);
    if raw.len() != expected {
        return Err(short(raw.len(), expected, "bytes"));
    }
    let code = |i: usize| -> u64 {
        if bits < 8 {
            let each = 8 / bits;
            return u64::from(raw[i / each] >> (i % each * bits)) & ((1 << bits) - 1);
        }
        let mut le = [0; 8];
        le[..bits / 8].copy_from_slice(&raw[i * bits / 8..][..bits / 8]);
        u64::from_le_bytes(le)
    };
    Ok(of_codes(elem, n, &code))
}

/// Elements from their bits.
fn of_codes(elem: Elem, n: usize, code: &dyn Fn(usize) -> u64) -> Data {
    match elem {
        Elem::Float => Data::F32((0..n).map(|i| f32::from_bits(code(i) as u32)).collect()),
        Elem::Double => Data::F64((0..n).map(|i| f64::from_bits(code(i))).collect()),
        Elem::Float16 => Data::F32((0..n).map(|i| f16::from_bits(code(i) as u16).to_f32()).collect()),
        Elem::BFloat16 => Data::F32((0..n).map(|i| bf16::from_bits(code(i) as u16).to_f32()).collect()),
        _ => match elem.minifloat() {
            Some(small) => Data::F32((0..n).map(|i| small.decode(code(i) as u8)).collect()),
            None => Data::Int((0..n).map(|i| elem.wrap(code(i) as i64)).collect()),
        },
    }
}

/// The elements that the message's typed fields hold.
fn of_fields(elem: Elem, n: usize, proto: &TensorProto) -> Result<Data> {
    let counted = |found: usize| if found == n { Ok(()) } else { Err(short(found, n, "elements")) };
    Ok(match elem {
        Elem::Float => {
            counted(proto.float_data.len())?;
            Data::F32(proto.float_data.clone())
        }
        Elem::Double => {
            counted(proto.double_data.len())?;
            Data::F64(proto.double_data.clone())
        }
        Elem::Int64 => {
            counted(proto.int64_data.len())?;
            Data::Int(proto.int64_data.clone())
        }
        Elem::Uint32 | Elem::Uint64 => {
            counted(proto.uint64_data.len())?;
            Data::Int(proto.uint64_data.iter().map(|&v| elem.wrap(v as i64)).collect())
        }
        Elem::String => {
            counted(proto.string_data.len())?;
            let text = |s: &Vec<u8>| String::from_utf8(s.clone());
            let texts = proto.string_data.iter().map(text).collect::<Result<_, _>>();
            Data::Text(texts.map_err(|_| Error::model("a string that is not UTF-8"))?)
        }
        _ if elem.bits() < 8 => {
            let bytes: Vec<u8> = proto.int32_data.iter().map(|&v| v as u8).collect();
            of_bytes(elem, n, &bytes)?
        }
        _ => {
            counted(proto.int32_data.len())?;
            of_codes(elem, n, &|i| proto.int32_data[i] as u32 as u64)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(t: &Tensor) {
        let proto = t.to_proto("t");
        assert_eq!(&Tensor::of_proto(&proto, &mut |_, _| unreachable!()).unwrap(), t);
    }

    #[test]
    fn tensors_survive_their_messages() {
        round_trip(&Tensor::floats([2, 2], vec![1.0, -2.5, 0.0, 1e-30]));
        round_trip(&Tensor::ints([3], vec![-1, i64::MAX, i64::MIN]));
        for elem in [Elem::Int2, Elem::Int4, Elem::Uint4, Elem::Int8, Elem::Uint16, Elem::Int32] {
            let (least, most) = elem.range().unwrap();
            round_trip(&Tensor::new(elem, [3], Data::Int(vec![least as i64, most as i64, 1])));
        }
        round_trip(&Tensor::new(Elem::Uint64, [1], Data::Int(vec![-1])));
        round_trip(&Tensor::new(Elem::BFloat16, [2], Data::F32(vec![1.5, -3.0])));
        round_trip(&Tensor::new(Elem::Float4E2M1, [3], Data::F32(vec![0.5, -6.0, 1.0])));
        round_trip(&Tensor::new(Elem::String, [2], Data::Text(vec!["a".into(), "ß".into()])));
        round_trip(&Tensor::floats([0, 4], vec![]));
    }

    #[test]
    fn what_does_not_fit_its_shape_is_refused() {
        let mut proto = Tensor::floats([2], vec![1.0, 2.0]).to_proto("t");
        let read = |p: &TensorProto| Tensor::of_proto(p, &mut |_, _| unreachable!()).map_err(|e| e.to_string());
        proto.dims = vec![3];
        assert_eq!(read(&proto).unwrap_err(), "8 bytes of data; its shape needs 12");
        proto.dims = vec![-1];
        assert!(read(&proto).unwrap_err().contains("an axis of -1"));
        proto.dims = vec![1 << 40, 1 << 40];
        assert!(read(&proto).unwrap_err().contains("than can be counted"));
        proto.data_type = Some(14);
        assert!(read(&proto).unwrap_err().contains("complex"));
    }
}
