//! Tensors as the protocol has them: a type by name, a shape, and elements as JSON or as
//! bytes.

use crate::serve::data::{Cell, Elements, Nested};
use crate::serve::problem::{Answered, Problem};
use half::{bf16, f16};

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false, a byte each.
    Bool,
    /// A whole number of so many bytes, with or without a sign.
    Int(usize, bool),
    /// Half precision.
    Fp16,
    /// The upper half of single precision.
    Bf16,
    /// Single precision.
    Fp32,
    /// Double precision.
    Fp64,
    /// Any number of bytes.
    Bytes,
}

/// All types, by the protocol's names, Triton's and TensorFlow's.
const TYPES: &[(Type, &str, &str, &str)] = &[
    (Type::Bool, "BOOL", "TYPE_BOOL", "DT_BOOL"),
    (Type::Int(1, false), "UINT8", "TYPE_UINT8", "DT_UINT8"),
    (Type::Int(2, false), "UINT16", "TYPE_UINT16", "DT_UINT16"),
    (Type::Int(4, false), "UINT32", "TYPE_UINT32", "DT_UINT32"),
    (Type::Int(8, false), "UINT64", "TYPE_UINT64", "DT_UINT64"),
    (Type::Int(1, true), "INT8", "TYPE_INT8", "DT_INT8"),
    (Type::Int(2, true), "INT16", "TYPE_INT16", "DT_INT16"),
    (Type::Int(4, true), "INT32", "TYPE_INT32", "DT_INT32"),
    (Type::Int(8, true), "INT64", "TYPE_INT64", "DT_INT64"),
    (Type::Fp16, "FP16", "TYPE_FP16", "DT_HALF"),
    (Type::Bf16, "BF16", "TYPE_BF16", "DT_BFLOAT16"),
    (Type::Fp32, "FP32", "TYPE_FP32", "DT_FLOAT"),
    (Type::Fp64, "FP64", "TYPE_FP64", "DT_DOUBLE"),
    (Type::Bytes, "BYTES", "TYPE_STRING", "DT_STRING"),
];

impl Type {
    /// A type by the protocol's name.
    pub fn named(name: &str) -> Answered<Type> {
        TYPES.iter().find(|t| t.1 == name).map(|t| t.0).ok_or_else(|| {
            let all: Vec<&str> = TYPES.iter().map(|t| t.1).collect();
            let shown: String = name.chars().take(32).collect();
            Problem::bad(format!("datatype {shown:?}: expected one of {}", all.join(", ")))
        })
    }

    fn row(self) -> &'static (Type, &'static str, &'static str, &'static str) {
        TYPES.iter().find(|t| t.0 == self).expect("the table has all types")
    }

    /// The protocol's name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Triton's name in a model's configuration.
    pub fn triton_name(self) -> &'static str {
        self.row().2
    }

    /// TensorFlow's name.
    pub fn tensorflow_name(self) -> &'static str {
        self.row().3
    }

    /// Bytes of an element; `None` of any number.
    fn size(self) -> Option<usize> {
        match self {
            Type::Bool => Some(1),
            Type::Int(size, _) => Some(size),
            Type::Fp16 | Type::Bf16 => Some(2),
            Type::Fp32 => Some(4),
            Type::Fp64 => Some(8),
            Type::Bytes => None,
        }
    }
}

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Single precision.
    Floats(Vec<f32>),
    /// Bytes without a sign.
    Pixels(Vec<u8>),
    /// Other numbers.
    Numbers(Vec<f64>),
    /// Texts or files.
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Floats(v) => v.len(),
            Values::Pixels(v) => v.len(),
            Values::Numbers(v) => v.len(),
            Values::Bytes(v) => v.len(),
        }
    }

    /// Cells of a table.
    ///
    /// Fails at what is no UTF-8.
    pub fn cells(self, name: &str) -> Answered<Vec<Cell>> {
        Ok(match self {
            // As short as it is exact in single precision.
            Values::Floats(v) => {
                v.into_iter().map(|x| Cell::number(x.to_string().parse::<f64>().unwrap_or(f64::NAN))).collect()
            }
            Values::Pixels(v) => v.into_iter().map(Cell::number).collect(),
            Values::Numbers(v) => v.into_iter().map(Cell::number).collect(),
            Values::Bytes(v) => return v.into_iter().map(|bytes| text(bytes, name).map(Cell::of)).collect(),
        })
    }
}

/// Bytes as text.
pub fn text(bytes: Vec<u8>, name: &str) -> Answered<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Problem::bad(format!("input \"{name}\": a text is no UTF-8 from byte {at} on"))
    })
}

/// Elements of JSON as a type has them.
///
/// Fails where one is none of that type.
pub fn of_json(name: &str, of: Type, nested: Nested) -> Answered<Values> {
    let fail = |what: String| Err(Problem::bad(format!("input \"{name}\" of {}: {what}", of.name())));
    match (of, nested.elements) {
        (_, Elements::Numbers(v)) if v.is_empty() && of == Type::Bytes => Ok(Values::Bytes(vec![])),
        (Type::Bytes, Elements::Texts(v)) => Ok(Values::Bytes(v.into_iter().map(String::into_bytes).collect())),
        (Type::Bytes, Elements::Files(v)) => Ok(Values::Bytes(v)),
        (Type::Bytes, Elements::Numbers(_) | Elements::Truths(_)) => fail("numbers or truths; expected texts".into()),
        (Type::Bool, Elements::Truths(v)) => {
            Ok(Values::Numbers(v.into_iter().map(|t| f64::from(u8::from(t))).collect()))
        }
        (_, Elements::Truths(_)) => fail("true and false; expected numbers".into()),
        (_, Elements::Texts(_) | Elements::Files(_)) => fail("texts; expected numbers".into()),
        (Type::Fp32, Elements::Numbers(v)) => match v.iter().find(|x| !(**x as f32).is_finite()) {
            Some(x) => fail(format!("{x:e} is beyond single precision")),
            None => Ok(Values::Floats(v.into_iter().map(|x| x as f32).collect())),
        },
        (Type::Fp16 | Type::Bf16, _) => fail("expected binary data: JSON has no such type".into()),
        (Type::Fp64, Elements::Numbers(v)) => Ok(Values::Numbers(v)),
        (Type::Bool, Elements::Numbers(v)) => match v.iter().find(|x| **x != 0.0 && **x != 1.0) {
            Some(x) => fail(format!("{x}; expected true or false")),
            None => Ok(Values::Numbers(v)),
        },
        (Type::Int(size, signed), Elements::Numbers(v)) => {
            let bits = 8 * size as i32 - i32::from(signed);
            let (low, high) = (if signed { -2f64.powi(bits) } else { 0.0 }, 2f64.powi(bits));
            match v.iter().find(|x| x.fract() != 0.0 || **x < low || **x >= high) {
                Some(x) => fail(format!("{x} is no such number")),
                None if of == Type::Int(1, false) => Ok(Values::Pixels(v.into_iter().map(|x| x as u8).collect())),
                None => Ok(Values::Numbers(v)),
            }
        }
    }
}

/// Elements of little-endian bytes.
///
/// Fails where they do not make `count` elements.
pub fn of_bytes(name: &str, of: Type, count: usize, bytes: &[u8]) -> Answered<Values> {
    let fail = |what: String| Err(Problem::bad(format!("input \"{name}\" of {}: {what}", of.name())));
    let Some(size) = of.size() else {
        let mut rest = bytes;
        let mut all = vec![];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            let Some((one, after)) = after.split_at_checked(length) else {
                return fail(format!(
                    "element {} says that it has {length} bytes, and {} follow",
                    all.len(),
                    after.len()
                ));
            };
            all.push(one.to_vec());
            rest = after;
        }
        return match (all.len() == count, rest.len()) {
            (true, 0) => Ok(Values::Bytes(all)),
            (_, 0) => fail(format!("{} elements; the shape says {count}", all.len())),
            (_, n) => fail(format!("{n} bytes are left behind element {}", all.len())),
        };
    };
    if count.checked_mul(size) != Some(bytes.len()) {
        return fail(format!("{} bytes for {count} elements of {size}", bytes.len()));
    }
    let each = bytes.chunks_exact(size);
    Ok(match of {
        Type::Int(1, false) => Values::Pixels(bytes.to_vec()),
        Type::Fp32 => Values::Floats(each.map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()),
        Type::Fp16 => Values::Floats(each.map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        Type::Bf16 => Values::Floats(each.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        Type::Fp64 => Values::Numbers(each.map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()),
        Type::Bool => match bytes.iter().find(|b| **b > 1) {
            Some(b) => return fail(format!("byte {b}; expected 0 or 1")),
            None => Values::Numbers(bytes.iter().map(|b| f64::from(*b)).collect()),
        },
        Type::Int(size, signed) => {
            let mut all = Vec::with_capacity(count);
            for chunk in each {
                let fill = if signed && chunk[size - 1] >= 0x80 { 0xff } else { 0 };
                let mut wide = [fill; 16];
                wide[..size].copy_from_slice(chunk);
                let exact = i128::from_le_bytes(wide);
                if exact as f64 as i128 != exact {
                    return fail(format!("{exact} is beyond 2^53, where floats are not exact"));
                }
                all.push(exact as f64);
            }
            Values::Numbers(all)
        }
        Type::Bytes => unreachable!("it has no size"),
    })
}

/// Texts as the protocol's bytes: each behind its length.
pub fn to_bytes<T: AsRef<[u8]>>(texts: &[T]) -> Vec<u8> {
    let one = |t: &T| [&(t.as_ref().len() as u32).to_le_bytes()[..], t.as_ref()].concat();
    texts.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_elements() {
        let of = |name: &str, count, bytes: &[u8]| {
            of_bytes("x", Type::named(name).unwrap(), count, bytes).map_err(|p| p.message)
        };
        assert_eq!(of("FP32", 1, &1.5f32.to_le_bytes()), Ok(Values::Floats(vec![1.5])));
        assert_eq!(of("FP16", 1, &f16::from_f32(1.5).to_le_bytes()), Ok(Values::Floats(vec![1.5])));
        assert_eq!(of("BF16", 1, &bf16::from_f32(1.5).to_le_bytes()), Ok(Values::Floats(vec![1.5])));
        assert_eq!(of("INT16", 2, &[0xfe, 0xff, 1, 0]), Ok(Values::Numbers(vec![-2.0, 1.0])));
        assert_eq!(of("UINT16", 1, &[0xfe, 0xff]), Ok(Values::Numbers(vec![65534.0])));
        assert_eq!(of("UINT8", 2, &[3, 255]), Ok(Values::Pixels(vec![3, 255])));
        assert_eq!(of("BYTES", 2, &to_bytes(&["ab", ""])), Ok(Values::Bytes(vec![b"ab".to_vec(), vec![]])));
        for (name, count, bytes) in [
            ("FP32", 2, &[0; 4][..]),
            ("FP32", usize::MAX, &[0; 4]),
            ("INT64", 1, &i64::MAX.to_le_bytes()),
            ("BOOL", 1, &[2]),
            ("BYTES", 1, &[255, 255, 255, 255, 1]),
            ("BYTES", 2, &to_bytes(&["ab"])),
            ("BYTES", 1, &[1, 0, 0]),
        ] {
            assert!(of(name, count, bytes).is_err(), "{name} {count} {bytes:?}");
        }
    }

    #[test]
    fn json_is_checked_against_its_type() {
        let of = |name: &str, text: &str| {
            of_json("x", Type::named(name).unwrap(), serde_json::from_str(text).unwrap()).map_err(|p| p.message)
        };
        assert_eq!(of("UINT8", "[0,255]"), Ok(Values::Pixels(vec![0, 255])));
        assert_eq!(of("INT8", "[-128,127]"), Ok(Values::Numbers(vec![-128.0, 127.0])));
        assert_eq!(of("BYTES", "[\"a\"]"), Ok(Values::Bytes(vec![b"a".to_vec()])));
        for (name, text) in [
            ("UINT8", "[256]"),
            ("UINT8", "[1.5]"),
            ("UINT8", "[-1]"),
            ("INT8", "[128]"),
            ("FP32", "[1e39]"),
            ("FP32", "[\"a\"]"),
            ("BYTES", "[1]"),
            ("BOOL", "[2]"),
            ("FP16", "[1]"),
        ] {
            assert!(of(name, text).is_err(), "{name} {text}");
        }
        assert!(Type::named("FP8").is_err());
    }
}
