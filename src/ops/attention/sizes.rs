//! The sizes of an attention and where its tensors lie, checked once; and the
//! constants that forward and backward kernels share.

use super::attend::{Attend, LAYERS};
use crate::error::{Error, Result};
use crate::kernel::{Class, Kernel, Shader, groups_1d};
use crate::tensor::random::stream;
use crate::tensor::{DType, Shape, Spec};

/// The widest head.
const WIDEST: usize = 256;

/// Queries and keys of a tile in workgroup memory.
pub(crate) const SIDE: usize = 32;

/// The widest head whose rows fit registers: lavapipe unrolls loops of up to 32
/// turns, and a row is a loop over its vec4.
const WIDEST_ROW: usize = 128;

/// lavapipe ends all loops of an invocation after 65,535 turns, silently.
const TURNS: usize = 60_000;

/// Where the rows of a tensor start: strides of batch, head and row, in
/// elements. A row itself is contiguous.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub base: usize,
    pub batch: usize,
    pub head: usize,
    pub row: usize,
}

impl Place {
    /// `[B, heads, rows, width]`.
    fn apart(heads: usize, rows: usize, width: usize) -> Place {
        Place { base: 0, batch: heads * rows * width, head: rows * width, row: width }
    }

    /// `[B, rows, line]`: the heads from element `base` of a line on.
    fn within(base: usize, rows: usize, line: usize, width: usize) -> Place {
        Place { base, batch: rows * line, head: width, row: line }
    }

    /// The first element of a row.
    pub fn at(self, batch: usize, head: usize, row: usize) -> usize {
        self.base + batch * self.batch + head * self.head + row * self.row
    }
}

/// Every size of an attention, settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub b: usize,
    /// Query heads.
    pub hq: usize,
    /// Key and value heads.
    pub hkv: usize,
    /// Queries and keys.
    pub tq: usize,
    pub tk: usize,
    /// Width of queries and keys, and of values.
    pub d: usize,
    pub dv: usize,
    pub q: Place,
    pub k: Place,
    pub v: Place,
    pub o: Place,
    /// Strides of the additive mask: batch and head.
    pub mask: [usize; 2],
}

impl Sizes {
    /// Checks that all inputs fit together.
    pub fn new(op: &Attend, inputs: &[Spec]) -> Result<Sizes> {
        let mut z = match op.packed {
            Some(heads) => packed(&inputs[0], heads)?,
            None => apart(inputs)?,
        };
        if [z.b, z.hq, z.hkv, z.tq, z.tk, z.d, z.dv].contains(&0) {
            return Err(Error::model(format!("q has shape {}: no axis of q, k or v may be empty", inputs[0].shape)));
        }
        if z.d.max(z.dv) > WIDEST {
            let width = z.d.max(z.dv);
            return Err(Error::model(format!(
                "a head is {width} wide; at most {WIDEST} are supported: use more heads"
            )));
        }
        if z.hq % z.hkv != 0 {
            let (hq, hkv) = (z.hq, z.hkv);
            return Err(Error::model(format!("{hq} query heads do not divide among {hkv} key and value heads")));
        }
        if let Some(i) = op.lengths_at()
            && inputs[i] != Spec::u32([z.b])
        {
            return Err(Error::model(format!("lengths is {}; expected u32[{}]: keys per sample", inputs[i], z.b)));
        }
        if let Some(i) = op.mask_at() {
            z.mask = mask_strides(&z, &inputs[i])?;
        }
        dropout(op, &z, inputs)?;
        Ok(z)
    }

    /// Query heads per key head.
    pub fn group(&self) -> usize {
        self.hq / self.hkv
    }

    /// Query rows of all heads.
    pub fn rows(&self) -> usize {
        self.b * self.hq * self.tq
    }

    /// Quads of keys in a row of probabilities: four share a draw of dropout.
    pub fn quads(&self) -> usize {
        self.tk.div_ceil(4)
    }

    /// The shape of the output.
    pub fn output(&self, is_packed: bool) -> Shape {
        match is_packed {
            true => [self.b, self.tq, self.hq * self.dv].into(),
            false => [self.b, self.hq, self.tq, self.dv].into(),
        }
    }

    /// Pairs of query and key that a kernel must look at.
    pub fn pairs(&self, causal: bool) -> usize {
        let (tq, tk) = (self.tq, self.tk);
        let head = match causal {
            // Row i sees i + 1 keys until there are no more.
            true => tq.min(tk) * (tq.min(tk) + 1) / 2 + tq.saturating_sub(tk) * tk,
            false => tq * tk,
        };
        self.b * self.hq * head
    }

    /// Whether rows in registers suit the device: always on software adapters,
    /// on GPUs for short sequences, which do not fill tiles.
    pub fn in_registers(&self, class: Class) -> bool {
        let width = self.d.max(self.dv);
        match class {
            Class::Cpu => width <= WIDEST_ROW,
            _ => self.tq.max(self.tk) <= SIDE && width <= 64,
        }
    }

    /// Refuses what a software adapter would silently cut short.
    pub fn check_turns(&self, class: Class, lanes: usize) -> Result<()> {
        let longest = self.tk.max(self.group() * self.tq);
        let turns = match self.in_registers(class) {
            true => longest.div_ceil(lanes),
            // Staging and product of each part of each of the four operands.
            false => longest.div_ceil(SIDE) * (self.d + self.dv).div_ceil(SIDE) * 160,
        };
        if class == Class::Cpu && turns > TURNS {
            return Err(Error::model(format!(
                "{} queries and {} keys of width {} are more than a software adapter can walk; use --device cpu",
                self.tq, self.tk, self.d
            )));
        }
        Ok(())
    }

    /// A kernel with all constants that the library fragment declares.
    pub fn kernel(&self, op: &Attend, shader: &'static Shader, entry: &'static str) -> Kernel {
        let k = Kernel::new(shader, entry).set("B", self.b).set("HQ", self.hq).set("HKV", self.hkv);
        let k = k.set("TQ", self.tq).set("TK", self.tk).set("D", self.d).set("DV", self.dv);
        let k = k.set("Q_BATCH", self.q.batch).set("Q_HEAD", self.q.head).set("Q_ROW", self.q.row);
        let k = k.set("K_BASE", self.k.base).set("K_BATCH", self.k.batch).set("K_HEAD", self.k.head);
        let k = k.set("K_ROW", self.k.row).set("V_BASE", self.v.base).set("V_BATCH", self.v.batch);
        let k = k.set("V_HEAD", self.v.head).set("V_ROW", self.v.row);
        let k = k.set("O_BATCH", self.o.batch).set("O_HEAD", self.o.head).set("O_ROW", self.o.row);
        let k = k.set("MASK_BATCH", self.mask[0]).set("MASK_HEAD", self.mask[1]);
        let k = k.flag("CAUSAL", op.options.causal).flag("LENGTHS", op.lengths).flag("MASK", op.mask);
        let k = k.flag("DROPOUT", op.drops()).real("P", op.options.dropout.into()).real("KEEP", op.keep_scale());
        k.set("STREAM", (stream::DROPOUT + op.options.layer) as usize).real("SCALE", op.scale(self.d))
    }

    /// The constants of rows in registers: `rows` per invocation, and the vec4
    /// of a row.
    pub fn row_constants(&self, k: Kernel, rows: usize, lanes: usize) -> Kernel {
        k.constant("ROWS", rows).constant("D4", self.d.div_ceil(4)).constant("DV4", self.dv.div_ceil(4)).lanes(lanes)
    }

    /// Workgroups, one per `block` rows of one head.
    pub fn groups(&self, heads: usize, rows: usize, block: usize) -> [u32; 3] {
        groups_1d(self.b * heads * rows.div_ceil(block), 1)
    }
}

fn float4(name: &str, spec: &Spec) -> Result<[usize; 4]> {
    let shape: Option<[usize; 4]> = spec.shape.to_vec().try_into().ok();
    match shape {
        Some(shape) if spec.dtype != DType::U32 => Ok(shape),
        _ => Err(Error::model(format!("{name} is {spec}; expected f32[batch, heads, time, width]"))),
    }
}

fn apart(inputs: &[Spec]) -> Result<Sizes> {
    let [b, hq, tq, d] = float4("q", &inputs[0])?;
    let [bk, hkv, tk, dk] = float4("k", &inputs[1])?;
    let [bv, hv, tv, dv] = float4("v", &inputs[2])?;
    let (q, k, v) = (&inputs[0].shape, &inputs[1].shape, &inputs[2].shape);
    if bk != b || dk != d {
        return Err(Error::model(format!("q has shape {q} and k {k}; batch and width must be equal")));
    }
    if [bv, hv, tv] != [b, hkv, tk] {
        return Err(Error::model(format!("k has shape {k} and v {v}; batch, heads and time must be equal")));
    }
    let (q, k) = (Place::apart(hq, tq, d), Place::apart(hkv, tk, d));
    let (v, o) = (Place::apart(hkv, tk, dv), Place::apart(hq, tq, dv));
    Ok(Sizes { b, hq, hkv, tq, tk, d, dv, q, k, v, o, mask: [0; 2] })
}

fn packed(qkv: &Spec, [hq, hkv]: [usize; 2]) -> Result<Sizes> {
    let shape: Option<[usize; 3]> = qkv.shape.to_vec().try_into().ok();
    let heads = hq + 2 * hkv;
    let [b, t, line] = match shape {
        Some(shape) if qkv.dtype != DType::U32 && hq > 0 && hkv > 0 && shape[2] % heads == 0 => shape,
        _ => {
            return Err(Error::model(format!(
                "qkv is {qkv}; expected f32[batch, time, (heads of q + k + v) * width], with {hq} + {hkv} + {hkv} heads"
            )));
        }
    };
    let d = line / heads;
    let within = |heads: usize| Place::within(heads * d, t, line, d);
    let (q, k, v) = (within(0), within(hq), within(hq + hkv));
    let o = Place::within(0, t, hq * d, d);
    Ok(Sizes { b, hq, hkv, tq: t, tk: t, d, dv: d, q, k, v, o, mask: [0; 2] })
}

fn mask_strides(z: &Sizes, mask: &Spec) -> Result<[usize; 2]> {
    let plane = z.tq * z.tk;
    match (mask.dtype, &mask.shape[..]) {
        (DType::F32 | DType::F16, [i, j]) if [*i, *j] == [z.tq, z.tk] => Ok([0, 0]),
        (DType::F32 | DType::F16, [b, 1, i, j]) if [*b, *i, *j] == [z.b, z.tq, z.tk] => Ok([plane, 0]),
        (DType::F32 | DType::F16, [b, h, i, j]) if [*b, *h, *i, *j] == [z.b, z.hq, z.tq, z.tk] => {
            Ok([z.hq * plane, plane])
        }
        _ => {
            let (b, h, i, j) = (z.b, z.hq, z.tq, z.tk);
            Err(Error::model(format!(
                "the mask is {mask}; expected f32[{i}, {j}], f32[{b}, 1, {i}, {j}] or f32[{b}, {h}, {i}, {j}]"
            )))
        }
    }
}

fn dropout(op: &Attend, z: &Sizes, inputs: &[Spec]) -> Result<()> {
    let p = op.options.dropout;
    if !(0.0..1.0).contains(&p) {
        return Err(Error::model(format!("dropout is {p}; expected a probability of at least 0 and below 1")));
    }
    let Some(i) = op.clock_at() else { return Ok(()) };
    if op.options.layer >= LAYERS {
        return Err(Error::model(format!("layer is {}; expected less than {LAYERS}", op.options.layer)));
    }
    if inputs.get(i) != Some(&Spec::u32([4])) {
        let found = inputs.get(i).map_or("missing".into(), Spec::to_string);
        return Err(Error::model(format!("the clock is {found}; dropout needs u32[4]: step, batch, epoch, seed")));
    }
    let draws = z.rows() as u64 * z.quads() as u64;
    if draws > 1 << 32 {
        let (b, h, i, j) = (z.b, z.hq, z.tq, z.tk);
        return Err(Error::model(format!(
            "dropout on probabilities [{b}, {h}, {i}, {j}] needs {draws} draws; the counter has room for 2^32: \
             use a smaller batch or no dropout"
        )));
    }
    Ok(())
}
