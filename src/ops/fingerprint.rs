//! A fingerprint of numbers: sums of integers that are mixed from the bits of each element and its
//! place, so that equal bits have equal sums on every device and in every order of adding.
//!
//! For part `p` of `parts` u32 `[P, 3]`, a row `start, length, first`:
//! `sums[p, h] = sum over k < length of mix_h(bits(x[start + k]), first + k)`, modulo 2^32, with
//! `mix_0(b, i) = scramble(b ^ scramble(i))` and `mix_1(b, i) = scramble(b + i 0x9e3779b9 + 0x85ebca6b)`.
//! One element that differs always shows in `sums[p, 0]`: for a place, the mix is one to one.
//!
//! Shapes: `x f32 [n]`, `sums u32 [P, 2]`; a length is at most [`PART`]. No gradient.
//!
//! Source: `scramble` is Wellons' lowbias32 ("Prospecting for Hash Functions", 2018).

use super::state;
use crate::error::{Error, Result};
use crate::graph::{Backward, Case, Cost, Fill, Graph, Infer, Io, Lower, Op, Reference, TensorId};
use crate::kernel::{Kernel, Lowered, Shader};
use crate::shader;
use crate::tensor::{DType, HostTensor, Real, Spec, parallel};

static SHADER: Shader = shader!("fingerprint");

/// The most elements of a part: one invocation walks them.
pub const PART: usize = 1024;

/// Invocations per workgroup.
const WG: usize = 64;

/// Sums up the bits of parts of a tensor.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint;

impl Graph {
    /// Writes the fingerprints of `parts` of `x` to `sums`; see [`parts_of`].
    pub fn fingerprint(&mut self, x: TensorId, parts: TensorId, sums: TensorId) -> Result<()> {
        self.push_with(Fingerprint, &[x, parts], &[sums]).map(drop)
    }
}

/// The parts of tensors that begin at such offsets in a flat one, with so many elements; and how
/// many parts each has.
pub fn parts_of(tensors: &[(usize, usize)]) -> (HostTensor, Vec<usize>) {
    let mut rows = vec![];
    let mut counts = vec![];
    for &(offset, elements) in tensors {
        let firsts = (0..elements).step_by(PART);
        counts.push(firsts.len());
        rows.extend(firsts.flat_map(|first| [offset + first, (elements - first).min(PART), first].map(|n| n as u32)));
    }
    (HostTensor::u32([rows.len() / 3, 3], rows), counts)
}

fn scramble(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

fn mixed(bits: u32, place: u32) -> [u32; 2] {
    let other = bits.wrapping_add(place.wrapping_mul(0x9e37_79b9)).wrapping_add(0x85eb_ca6b);
    [scramble(bits ^ scramble(place)), scramble(other)]
}

impl Op for Fingerprint {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    fn infer(&self, cx: &Infer) -> Result<Vec<Spec>> {
        state::expect_list("x", &cx.inputs[0], DType::F32)?;
        let parts = match cx.shape(1)[..] {
            [parts, 3] if parts > 0 && cx.inputs[1].dtype == DType::U32 => parts,
            _ => return Err(Error::model(format!("parts is {}; expected u32[P, 3]", cx.inputs[1]))),
        };
        state::expect("sums", &cx.updates[0], &Spec::u32([parts, 2]))?;
        Ok(vec![])
    }

    fn gradient(&self, _g: &mut Graph, _at: &Backward) -> Result<Vec<Option<TensorId>>> {
        state::no_gradient(self.name())
    }

    fn lower(&self, cx: &Lower) -> Result<Lowered> {
        let parts = cx.inputs[1].shape[0];
        let kernel =
            Kernel::new(&SHADER, "sum").set("PARTS", parts).set("LEN", cx.inputs[0].elements()).set("PART", PART);
        Ok(Lowered::one(kernel.dispatch_1d(parts, WG).input("x", 0).input("parts", 1).update("sums", 0)))
    }

    fn cost(&self, cx: &Lower) -> Cost {
        Cost { flops: 0, bytes: cx.bytes_once() }
    }
}

impl Reference for Fingerprint {
    fn reference<T: Real>(&self, io: &mut Io<T>) {
        let (x, parts) = (io.x(0), io.x_u32(1));
        let sums = parallel::map(parts.len() / 3, x.len(), |part| {
            let [start, length, first] = [0, 1, 2].map(|i| parts[3 * part + i] as usize);
            let taken = x.iter().skip(start).take(length.min(PART));
            taken.zip(first..).fold([0u32; 2], |sums, (v, place)| {
                let mixed = mixed((v.f64() as f32).to_bits(), place as u32);
                [0, 1].map(|h| sums[h].wrapping_add(mixed[h]))
            })
        });
        io.updates[0].index.copy_from_slice(&sums.concat());
    }
}

/// One part and several, of one element and of the most, zeros of both signs, what is no number,
/// and more parts than a row of workgroups.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, fill: Fill, tensors: &[(usize, usize)]| {
        let (parts, _) = parts_of(tensors);
        let shape = parts.shape.clone();
        let inputs = vec![
            (Spec::f32([n]), fill),
            (Spec::u32(shape.clone()), Fill::Indices(parts.as_u32().to_vec())),
            (Spec::u32([shape[0], 2]), Fill::Below(u32::MAX)),
        ];
        Case::new(format!("fingerprint/{name}"), inputs, |g, x| {
            g.fingerprint(x[0], x[1], x[2])?;
            Ok(vec![x[2]])
        })
        .no_gradient()
    };
    let edges = vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 1.0, -1.0];
    vec![
        case("one", 1, Fill::Normal(1.0), &[(0, 1)]),
        case("edges", 8, Fill::Values(edges), &[(0, 8)]),
        case("several", 4 * 64 + 3000, Fill::Normal(1.0), &[(0, 7), (64, 1), (128, 64), (256, 3000)]),
        case("a_whole_part", 2 * PART, Fill::Uniform(-1.0, 1.0), &[(0, PART), (PART, PART)]),
        case("many", 300 * 64, Fill::Normal(1.0), &(0..300).map(|i| (64 * i, 1 + i % 64)).collect::<Vec<_>>()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_each_tensor_once() {
        let (parts, counts) = parts_of(&[(0, 3), (64, 2500)]);
        assert_eq!(counts, [1, 3]);
        assert_eq!(parts.as_u32(), [0, 3, 0, 64, 1024, 0, 1088, 1024, 1024, 2112, 452, 2048]);
    }

    #[test]
    fn every_bit_and_every_place_counts() {
        let all: Vec<[u32; 2]> = (0..32).map(|b| mixed(1 << b, 5)).chain((0..32).map(|i| mixed(1, i + 6))).collect();
        let mut firsts: Vec<u32> = all.iter().map(|m| m[0]).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), all.len());
        assert_eq!((scramble(0), scramble(1)), (0, 0x6889_90c0));
    }
}
