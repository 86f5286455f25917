//! Floats of 8 and 4 bits, encoded and decoded bit by bit.
//! Source: Open Compute Project, "8-bit Floating Point Specification (OFP8)"; Noune et al.,
//! arXiv:2206.02915 (the types without negative zero); OCP "Microscaling Formats".

/// A code of small floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minifloat {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    signed: bool,
    /// Whether the largest exponent is for infinity and NaN, as in IEEE 754.
    ieee: bool,
    /// No negative zero: its code is the only NaN.
    unsigned_zero: bool,
    /// Neither infinity nor NaN.
    finite: bool,
}

impl Minifloat {
    /// 4 bits of exponent, 3 of mantissa, no infinity.
    pub const E4M3FN: Minifloat = Minifloat::new(4, 3, 7, false, false);
    /// The same without negative zero.
    pub const E4M3FNUZ: Minifloat = Minifloat::new(4, 3, 8, false, true);
    /// 5 bits of exponent, 2 of mantissa, as IEEE 754.
    pub const E5M2: Minifloat = Minifloat::new(5, 2, 15, true, false);
    /// The same with neither infinity nor negative zero.
    pub const E5M2FNUZ: Minifloat = Minifloat::new(5, 2, 16, false, true);
    /// 2 bits of exponent, 1 of mantissa, all finite.
    pub const E2M1: Minifloat = Minifloat { finite: true, ..Minifloat::new(2, 1, 1, false, false) };
    /// Powers of two, 8 bits of exponent.
    pub const E8M0: Minifloat = Minifloat { signed: false, ..Minifloat::new(8, 0, 127, false, false) };

    const fn new(exponent: u32, mantissa: u32, bias: i32, ieee: bool, unsigned_zero: bool) -> Minifloat {
        Minifloat { exponent, mantissa, bias, signed: true, ieee, unsigned_zero, finite: false }
    }

    fn sign_bit(self) -> u32 {
        if self.signed { 1 << (self.exponent + self.mantissa) } else { 0 }
    }

    fn is_power(self) -> bool {
        self.mantissa == 0
    }

    fn nan(self) -> u32 {
        match () {
            () if self.unsigned_zero => self.sign_bit(),
            () if self.ieee => ((1 << self.exponent) - 1) << self.mantissa | 1 << (self.mantissa - 1),
            () => (1 << (self.exponent + self.mantissa)) - 1,
        }
    }

    /// The code of the largest finite number.
    fn largest(self) -> u32 {
        match () {
            () if self.finite || self.unsigned_zero => (1 << (self.exponent + self.mantissa)) - 1,
            () if self.ieee => (((1 << self.exponent) - 1) << self.mantissa) - 1,
            () => (1 << (self.exponent + self.mantissa)) - 2,
        }
    }

    /// The number of a code.
    pub fn decode(self, bits: u8) -> f32 {
        let bits = u32::from(bits);
        let negative = bits & self.sign_bit() != 0;
        let magnitude = bits & ((1 << (self.exponent + self.mantissa)) - 1);
        if !self.finite {
            let is_nan = match () {
                () if self.unsigned_zero => bits == self.nan(),
                () if self.ieee => magnitude > self.largest() + 1,
                () => magnitude == self.nan(),
            };
            if is_nan {
                return f32::NAN;
            }
            if self.ieee && magnitude == self.largest() + 1 {
                return if negative { f32::NEG_INFINITY } else { f32::INFINITY };
            }
        }
        let (e, m) = ((magnitude >> self.mantissa) as i32, magnitude & ((1 << self.mantissa) - 1));
        let whole = f64::from(m) / f64::from(1u32 << self.mantissa);
        let value = match e {
            0 if !self.is_power() => whole * 2f64.powi(1 - self.bias),
            _ => (1.0 + whole) * 2f64.powi(e - self.bias),
        };
        (if negative { -value } else { value }) as f32
    }

    /// The code of the nearest number, ties to the even code. What is too large becomes
    /// infinity or NaN, or the largest number if `saturate`.
    pub fn encode(self, v: f32, saturate: bool) -> u8 {
        if v.is_nan() {
            // A type without NaN gives its negative zero.
            return if self.finite { self.sign_bit() as u8 } else { self.nan() as u8 };
        }
        let sign = if v.is_sign_negative() { self.sign_bit() } else { 0 };
        if self.is_power() {
            return self.encode_power(v, saturate);
        }
        let size = f64::from(v.abs());
        let largest = self.largest();
        // In steps of the number's exponent; below the smallest normal number all are alike.
        let e = if size > 0.0 { (f64_exponent(size)).max(1 - self.bias) } else { 1 - self.bias };
        let step = 2f64.powi(e - self.mantissa as i32);
        let code = if size.is_finite() {
            // The codes of neighbouring exponents join without a gap.
            let steps = (size / step).round_ties_even();
            let base = i64::from(e + self.bias - 1) << self.mantissa;
            base + steps as i64
        } else {
            i64::MAX
        };
        if code > i64::from(largest) {
            return match () {
                () if saturate || self.finite => (sign | largest) as u8,
                () if self.ieee => (sign | (largest + 1)) as u8,
                () if self.unsigned_zero => self.nan() as u8,
                () => (sign | self.nan()) as u8,
            };
        }
        let code = code as u32;
        if code == 0 && self.unsigned_zero { 0 } else { (sign | code) as u8 }
    }

    /// Powers of two: the next one up, as ONNX casts where nothing else is said.
    fn encode_power(self, v: f32, saturate: bool) -> u8 {
        if !v.is_finite() || v < 0.0 {
            return if v == f32::INFINITY && saturate { 254 } else { 255 };
        }
        let bits = v.to_bits();
        let (e, m) = (bits >> 23, bits & 0x7f_ffff);
        // 2^-127 is subnormal in f32: half of the mantissa's range.
        let up = if e == 0 { m > 0x40_0000 } else { m > 0 };
        (e + u32::from(up)).min(254) as u8
    }
}

/// The exponent of a positive finite number: `2^e <= v < 2^(e + 1)`.
fn f64_exponent(v: f64) -> i32 {
    ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own_nearest() {
        use Minifloat as M;
        for code in [M::E4M3FN, M::E4M3FNUZ, M::E5M2, M::E5M2FNUZ, M::E8M0] {
            for bits in 0..=255u8 {
                let v = code.decode(bits);
                if v.is_finite() {
                    assert_eq!(code.encode(v, false), bits, "{code:?} {v}");
                } else {
                    let again = code.decode(code.encode(v, false));
                    assert!(again == v || again.is_nan() && v.is_nan(), "{code:?} {bits}");
                }
            }
        }
        for bits in 0..16 {
            assert_eq!(M::E2M1.encode(M::E2M1.decode(bits), false), bits);
        }
    }

    #[test]
    fn known_numbers() {
        use Minifloat as M;
        let largest = [M::E4M3FN, M::E4M3FNUZ, M::E5M2, M::E5M2FNUZ, M::E2M1].map(|m| m.decode(m.largest() as u8));
        assert_eq!(largest, [448.0, 240.0, 57344.0, 57344.0, 6.0]);
        assert_eq!(M::E4M3FN.decode(1), 2f32.powi(-9));
        assert_eq!(M::E5M2.decode(0x7c), f32::INFINITY);
        assert_eq!(M::E4M3FN.encode(1e6, true), 0x7e);
        assert_eq!(M::E4M3FN.encode(1e6, false), 0x7f);
        assert_eq!(M::E5M2.encode(1e6, false), 0x7c);
        assert_eq!(M::E2M1.encode(2.5, false), M::E2M1.encode(2.0, false), "ties to even");
    }
}
