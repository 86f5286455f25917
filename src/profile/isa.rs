//! The instruction mix of a kernel in AMD's machine code, as RADV prints it: a line per instruction, `BB3:` before
//! each block, branches to blocks. Where RADV has no disassembler for a family it prints the compiler's last form of the
//! program, with registers in front: `v1: %20:v[1] = v_and_b32 7, %896:v[0]`.
//!
//! The share of multiply-adds among the vector instructions of the hottest loop bounds the share of peak f32 that the
//! loop can reach: a multiprocessor begins one vector instruction per cycle, whatever it is.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A loop inside another one counts so many times; the compiler itself estimates with this number (ACO's statistics).
const TURNS: f64 = 8.0;

/// Instructions by kind, each as often as it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Mix {
    /// Multiply-adds in f32, two of them where an instruction does two.
    pub fma: f64,
    /// Floating-point operations in f32; a multiply-add is two.
    pub flops: f64,
    /// All vector instructions, those of a quarter rate as four; multiply-adds among them.
    pub vector: f64,
    /// Reads and writes of workgroup memory.
    pub workgroup: f64,
    /// Reads and writes of memory.
    pub memory: f64,
    /// Scalar instructions.
    pub scalar: f64,
    /// Waits and barriers.
    pub wait: f64,
}

impl Mix {
    /// Multiply-adds of vector instructions.
    pub fn share(&self) -> f64 {
        if self.vector > 0.0 { self.fma / self.vector } else { 0.0 }
    }

    fn add(&mut self, op: &str, times: f64) {
        if let Some(vector) = op.strip_prefix("v_") {
            self.vector += times * if is_slow(vector) { 4.0 } else { 1.0 };
            let fma = multiply_adds(op);
            self.fma += times * fma;
            self.flops += times * (2.0 * fma + others(op));
        } else if op.starts_with("ds_") {
            self.workgroup += times;
        } else if ["buffer_", "global_", "flat_", "scratch_", "s_load_", "s_buffer_"].iter().any(|p| op.starts_with(p))
        {
            self.memory += times;
        } else if op.starts_with("s_wait") || op.starts_with("s_barrier") {
            self.wait += times;
        } else if op.starts_with("s_") && !op.starts_with("s_nop") && !op.starts_with("s_clause") {
            self.scalar += times;
        }
    }
}

/// Multiply-adds in an instruction: `v_fma_f32`, `v_fmac_f32`, `v_pk_fma_f32` and `v_dual_fmac_f32 .. :: v_dual_fmac_f32`.
fn multiply_adds(line: &str) -> f64 {
    count(line, &["fma_", "fmac_", "mac_", "mad_", "fmaak_", "fmamk_", "madak_", "madmk_"])
}

/// Sums, products, extrema and functions in f32 in an instruction.
fn others(line: &str) -> f64 {
    count(line, &["add_", "sub_", "subrev_", "mul_", "max_", "min_", "exp_", "log_", "rcp_", "rsq_", "sqrt_"])
}

/// How often an instruction does in f32 what has one of these names.
fn count(line: &str, names: &[&str]) -> f64 {
    let is = |word: &&str| {
        let rest = word.trim_start_matches("v_").trim_start_matches("pk_").trim_start_matches("dual_");
        rest.contains("f32") && names.iter().any(|p| rest.starts_with(p))
    };
    let packed = if line.starts_with("v_pk_") { 2.0 } else { 1.0 };
    line.split_whitespace().filter(|w| w.starts_with("v_")).filter(is).count() as f64 * packed
}

/// Whether a quarter of the lanes begin at a time: transcendental functions and products of 32-bit integers.
fn is_slow(op: &str) -> bool {
    let op = op.strip_prefix("s_").unwrap_or(op);
    [
        "exp_",
        "log_",
        "rcp_",
        "rsq_",
        "sqrt_",
        "sin_",
        "cos_",
        "mul_lo_u32",
        "mul_hi_u32",
        "mul_hi_i32",
        "mul_lo_i32",
        "mad_u64_u32",
    ]
    .iter()
    .any(|slow| op.starts_with(slow))
}

/// What a kernel's machine code is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Code {
    /// The outermost loop with most arithmetic in f32, loops inside it counted [`TURNS`] times; `None` where no loop has
    /// any.
    pub hot: Option<Mix>,
    /// What stands in no loop.
    pub once: Mix,
    /// Everything, loops counted [`TURNS`] times.
    pub all: Mix,
    /// Floating-point operations that stand in loops, however deep, each once: how dispatches of one op share its work.
    pub looped_flops: f64,
}

/// Reads machine code; `None` for text that is none of AMD's.
pub fn read(assembly: &str) -> Option<Code> {
    let (lines, loops) = lines(assembly);
    if !lines.iter().any(|l| l.starts_with("s_endpgm")) && !assembly.contains("ACO shader stage") {
        return None;
    }
    let depth = |at: usize| loops.iter().filter(|l| l.contains(&at)).count() as i32;
    let (mut code, mut looped) = (Code::default(), Mix::default());
    for (at, op) in lines.iter().enumerate() {
        code.all.add(op, TURNS.powi(depth(at)));
        let mix = if depth(at) == 0 { &mut code.once } else { &mut looped };
        mix.add(op, 1.0);
    }
    code.looped_flops = looped.flops;
    let mix = |l: &std::ops::Range<usize>| {
        let mut mix = Mix::default();
        let own = loops.iter().filter(|o| o.start <= l.start && l.end <= o.end).count() as i32;
        l.clone().for_each(|at| mix.add(lines[at], TURNS.powi(depth(at) - own)));
        mix
    };
    let outermost = loops.iter().filter(|l| !loops.iter().any(|o| o != *l && o.start <= l.start && l.end <= o.end));
    // The first of several with as many.
    for mix in outermost.map(mix).filter(|m| m.flops > 0.0) {
        if code.hot.is_none_or(|hot| mix.flops > hot.flops) {
            code.hot = Some(mix);
        }
    }
    Some(code)
}

/// The instructions, and the loops as ranges of them: from a block to the last branch back to it.
fn lines(assembly: &str) -> (Vec<&str>, Vec<std::ops::Range<usize>>) {
    let (mut lines, mut blocks) = (vec![], HashMap::new());
    for line in assembly.lines().map(|l| l.split(';').next().unwrap_or_default().trim()) {
        let block = line.strip_prefix("BB").map(|l| l.trim_end_matches(':'));
        match block.filter(|l| l.bytes().all(|b| b.is_ascii_digit())) {
            Some(number) => drop(blocks.insert(number, lines.len())),
            None => lines.extend(instruction(line)),
        }
    }
    let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, op) in lines.iter().enumerate().filter(|(_, op)| op.starts_with("s_branch") || op.starts_with("s_cbranch"))
    {
        let target = op.split_whitespace().nth(1).and_then(|t| t.trim_start_matches("block:").strip_prefix("BB"));
        if let Some(&begin) = target.and_then(|t| blocks.get(t))
            && begin <= at
        {
            ends.insert(begin, at + 1);
        }
    }
    (lines, ends.into_iter().map(|(begin, end)| begin..end).collect())
}

/// The instruction of a line, without the registers in front of it.
fn instruction(line: &str) -> Option<&str> {
    let op = line.rsplit(" = ").next().unwrap_or_default().trim();
    let families = ["v_", "s_", "ds_", "buffer_", "global_", "flat_", "scratch_"];
    families.iter().any(|f| op.starts_with(f)).then_some(op)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "
BB0:
    s_mov_b32 s0, 0 ; be800380
    v_mul_lo_u32 v1, v0, 3
BB1:
    ds_read_b128 v[0:3], v4
    s_waitcnt lgkmcnt(0)
    v_add_u32_e32 v5, 1, v5
BB2:
    v_fmac_f32_e32 v6, v0, v1
    v_dual_fmac_f32 v1, v2, v3 :: v_dual_mul_f32 v4, v5, v6
    v_exp_f32_e32 v7, v7
    s_cbranch_scc1 BB2
    s_cbranch_scc1 BB1
BB3:
    buffer_store_dword v6, v5, s[0:3], 0
    s_endpgm
";

    #[test]
    fn loops_count_as_often_as_they_turn() {
        let code = read(CODE).unwrap();
        let hot = code.hot.unwrap();
        assert_eq!((hot.fma, hot.vector, hot.workgroup, hot.wait), (16.0, 1.0 + 8.0 * 6.0, 1.0, 1.0));
        assert_eq!((code.once.vector, code.once.memory, code.once.scalar), (4.0, 1.0, 2.0));
        assert_eq!((code.all.fma, hot.flops, code.looped_flops), (128.0, 8.0 * (2.0 + 2.0 + 1.0 + 1.0), 6.0));
        assert!((hot.share() - 16.0 / 49.0).abs() < 1e-9);
    }

    #[test]
    fn the_compilers_own_form_is_read_too() {
        let code = "ACO shader stage: SW (CS), HW (COMPUTE_SHADER)
BB0
\t s1: %5:s[3] = s_mul_i32 %898:s[115], %892:s[3]
BB1
/* logical preds: BB0, BB1, / linear preds: BB0, BB1, / kind: loop-header, */
\t v4: %139:v[32-35] = ds_read_b128 %138:v[76] offset0:1024 storage:shared
\t v1: %0:v[3] = v_fmac_f32 %0:v[4], %0:v[5], %0:v[3]
\t v1: %0:v[3],  s2: %9:vcc = v_add_co_u32 %0:v[4], %0:v[5]
\ts_cbranch_scc1 block:BB1
BB2
\t buffer_store_dword %0:v[1], %0:v[2], 0, %0:v[3] storage:buffer
";
        let hot = read(code).unwrap().hot.unwrap();
        assert_eq!((hot.fma, hot.vector, hot.workgroup), (1.0, 2.0, 1.0));
        assert_eq!(read(code).unwrap().once.memory, 1.0);
    }

    #[test]
    fn what_is_not_amds_is_not_read() {
        assert_eq!(read("define void @main() { ret void }"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("s_endpgm").unwrap().hot, None);
    }

    #[test]
    fn multiply_adds_are_counted_in_every_form() {
        for (line, n) in [
            ("v_fma_f32 v0, v1, v2, v3", 1.0),
            ("v_pk_fma_f32 v[0:1], v[2:3], v[4:5], v[6:7]", 2.0),
            ("v_dual_fmac_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5", 2.0),
            ("v_fmamk_f32 v0, v1, 0x3f, v2", 1.0),
            ("v_mad_u32_u24 v0, v1, v2, v3", 0.0),
            ("v_add_f32_e32 v0, v1, v2", 0.0),
        ] {
            assert_eq!(multiply_adds(line), n, "{line}");
        }
    }
}
