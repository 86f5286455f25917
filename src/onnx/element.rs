//! The element types of ONNX, and what each can hold.

use super::minifloat::Minifloat;
use crate::error::{Error, Result};
use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements, as ONNX names them.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Elem {
    Float,
    Double,
    Float16,
    BFloat16,
    Float8E4M3FN,
    Float8E4M3FNUZ,
    Float8E5M2,
    Float8E5M2FNUZ,
    Float8E8M0,
    Float4E2M1,
    Int2,
    Int4,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint2,
    Uint4,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

use Elem::*;

/// Number in the format, and name.
const TYPES: &[(i32, Elem, &str)] = &[
    (1, Float, "float"),
    (2, Uint8, "uint8"),
    (3, Int8, "int8"),
    (4, Uint16, "uint16"),
    (5, Int16, "int16"),
    (6, Int32, "int32"),
    (7, Int64, "int64"),
    (8, String, "string"),
    (9, Bool, "bool"),
    (10, Float16, "float16"),
    (11, Double, "double"),
    (12, Uint32, "uint32"),
    (13, Uint64, "uint64"),
    (16, BFloat16, "bfloat16"),
    (17, Float8E4M3FN, "float8e4m3fn"),
    (18, Float8E4M3FNUZ, "float8e4m3fnuz"),
    (19, Float8E5M2, "float8e5m2"),
    (20, Float8E5M2FNUZ, "float8e5m2fnuz"),
    (21, Uint4, "uint4"),
    (22, Int4, "int4"),
    (23, Float4E2M1, "float4e2m1"),
    (24, Float8E8M0, "float8e8m0"),
    (25, Uint2, "uint2"),
    (26, Int2, "int2"),
];

impl Elem {
    /// The type of a number in the format.
    ///
    /// Fails for complex numbers and for numbers that no type has.
    pub fn of_code(code: i32) -> Result<Elem> {
        let found = TYPES.iter().find(|(c, ..)| *c == code).map(|(_, e, _)| *e);
        found.ok_or_else(|| match code {
            14 | 15 => Error::model("complex numbers are not supported"),
            _ => Error::model(format!("element type {code} is none that ONNX 1.23 defines")),
        })
    }

    /// Its number in the format.
    pub fn code(self) -> i32 {
        TYPES.iter().find(|(_, e, _)| *e == self).expect("every type is listed").0
    }

    /// Whether its values are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Float | Double) || self.is_narrow_float()
    }

    /// Whether it is a float of fewer than 32 bits: computed in f32, rounded where it is cast
    /// and at the model's outputs.
    pub fn is_narrow_float(self) -> bool {
        matches!(self, Float16 | BFloat16) || self.minifloat().is_some()
    }

    /// Whether its values are integers. Booleans are not.
    pub fn is_int(self) -> bool {
        self.range().is_some()
    }

    /// Bits per element, as files hold them; 0 for strings.
    pub fn bits(self) -> usize {
        match self {
            Int2 | Uint2 => 2,
            Int4 | Uint4 | Float4E2M1 => 4,
            Int8 | Uint8 | Bool => 8,
            Float8E4M3FN | Float8E4M3FNUZ | Float8E5M2 | Float8E5M2FNUZ | Float8E8M0 => 8,
            Int16 | Uint16 | Float16 | BFloat16 => 16,
            Int32 | Uint32 | Float => 32,
            Int64 | Uint64 | Double => 64,
            String => 0,
        }
    }

    /// The smallest and largest integer that it holds.
    pub fn range(self) -> Option<(i128, i128)> {
        let bits = self.bits() as u32;
        match self {
            Int2 | Int4 | Int8 | Int16 | Int32 | Int64 => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Uint2 | Uint4 | Uint8 | Uint16 | Uint32 | Uint64 => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }

    /// An integer as the type holds it: modulo its size, as C and NumPy compute. A uint64
    /// is kept by its bits.
    pub fn wrap(self, v: i64) -> i64 {
        match self {
            Int2 => v << 62 >> 62,
            Uint2 => v & 3,
            Int4 => v << 60 >> 60,
            Uint4 => v & 15,
            Int8 => i64::from(v as i8),
            Uint8 => i64::from(v as u8),
            Int16 => i64::from(v as i16),
            Uint16 => i64::from(v as u16),
            Int32 => i64::from(v as i32),
            Uint32 => i64::from(v as u32),
            Bool => i64::from(v != 0),
            _ => v,
        }
    }

    /// The code of small floats, if it is one.
    pub fn minifloat(self) -> Option<Minifloat> {
        Some(match self {
            Float8E4M3FN => Minifloat::E4M3FN,
            Float8E4M3FNUZ => Minifloat::E4M3FNUZ,
            Float8E5M2 => Minifloat::E5M2,
            Float8E5M2FNUZ => Minifloat::E5M2FNUZ,
            Float8E8M0 => Minifloat::E8M0,
            Float4E2M1 => Minifloat::E2M1,
            _ => return None,
        })
    }

    /// The nearest number that a float type holds; what is too large becomes infinite, or in
    /// types without infinity NaN, or the largest where `saturate` is set.
    pub fn round(self, v: f64, saturate: bool) -> f64 {
        match self {
            Float => f64::from(v as f32),
            Float16 => f16::from_f64(v).to_f64(),
            BFloat16 => bf16::from_f64(v).to_f64(),
            _ => match self.minifloat() {
                Some(code) => f64::from(code.decode(code.encode(v as f32, saturate))),
                None => v,
            },
        }
    }
}

impl fmt::Display for Elem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TYPES.iter().find(|(_, e, _)| e == self).expect("every type is listed").2)
    }
}
