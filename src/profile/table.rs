//! A profile as text.

use super::{DispatchTime, OpTime, Profile, Stat};
use crate::eval::plot::{number, percent};
use crate::terminal;
use std::fmt::Write;

/// What the ops of a table are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The slowest first.
    Time,
    /// The order of the plan.
    Plan,
    /// By name.
    Name,
    /// What could be gained most first: the time above what the ceilings allow.
    Gain,
    /// The most floating-point operations first.
    Flops,
    /// The most bytes first.
    Bytes,
}

impl Profile {
    /// The ops in an order.
    pub fn sorted(&self, by: Sort) -> Vec<&OpTime> {
        let mut ops: Vec<&OpTime> = self.kernels.iter().collect();
        let falling = |ops: &mut Vec<&OpTime>, of: &dyn Fn(&OpTime) -> f64| {
            ops.sort_by(|a, b| of(b).total_cmp(&of(a)));
        };
        match by {
            Sort::Plan => {}
            Sort::Name => ops.sort_by(|a, b| a.name.cmp(&b.name)),
            Sort::Time => falling(&mut ops, &|o| o.ms.median),
            Sort::Gain => falling(&mut ops, &|o| o.ms.median * (1.0 - o.of_ceiling)),
            Sort::Flops => falling(&mut ops, &|o| o.flops as f64),
            Sort::Bytes => falling(&mut ops, &|o| o.bytes as f64),
        }
        ops
    }
}

/// The heads of the columns.
const HEADS: [&str; 9] =
    ["kernel @ layer", "share", "ms", "±", "GFLOP/s", "GB/s", "of ceiling", "bound by", "workgroups"];

/// The profile as a table with at most `most` ops, and what is said about it.
pub fn table(p: &Profile, by: Sort, most: usize) -> String {
    let mut rows: Vec<Vec<String>> = vec![HEADS.map(String::from).to_vec()];
    let ops = p.sorted(by);
    for op in ops.iter().take(most) {
        rows.push(op_row(op));
        if let [_, _, ..] = op.dispatches[..] {
            rows.extend(op.dispatches.iter().map(dispatch_row));
        }
    }
    let mut out = String::new();
    if rows.len() > 1 {
        out += &aligned(&rows);
    }
    let rest = ops.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let share = rest.iter().map(|o| o.share).sum();
        let _ = writeln!(out, "and {} more: {}", rest.len(), percent(share));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out += &aligned(&part_rows(p));
    out.push('\n');
    out + &remarks(p).join("\n")
}

/// An op's figures, in the order of [`HEADS`].
pub(super) fn op_row(op: &OpTime) -> Vec<String> {
    let per_second = |n: u64| match n {
        0 => String::new(),
        n => number(round(n as f64 / op.ms.median.max(1e-9) / 1e6)),
    };
    let ceiling = if op.bound.is_empty() { String::new() } else { percent(op.of_ceiling) };
    let facts = match &op.dispatches[..] {
        [] => String::new(),
        [one] => facts(one),
        many => format!("{} dispatches", many.iter().map(|d| d.count).sum::<usize>()),
    };
    let times = times(&op.ms);
    let [time, spread] = times;
    let (flops, bytes) = (per_second(op.flops), per_second(op.bytes));
    vec![op.name.clone(), percent(op.share), time, spread, flops, bytes, ceiling, op.bound.clone(), facts]
}

fn dispatch_row(d: &DispatchTime) -> Vec<String> {
    let count = if d.count > 1 { format!(" (x{})", d.count) } else { String::new() };
    let name = d.name.split(" @ ").next().unwrap_or_default();
    let [time, spread] = times(&d.ms);
    let mut row = vec![format!("  {name}{count}"), String::new(), time, spread];
    row.resize(HEADS.len() - 1, String::new());
    row.push(facts(d));
    row
}

fn facts(d: &DispatchTime) -> String {
    let [x, y, z] = d.groups;
    let grid = match (y, z) {
        (1, 1) => x.to_string(),
        (_, 1) => format!("{x}x{y}"),
        _ => format!("{x}x{y}x{z}"),
    };
    let memory = if d.workgroup_bytes > 0 { format!(", {} B", d.workgroup_bytes) } else { String::new() };
    format!("{grid} of {}{memory}", d.workgroup)
}

fn times(ms: &Stat) -> [String; 2] {
    [milliseconds(ms.median), milliseconds(ms.sigma)]
}

/// Milliseconds to a tenth of a microsecond.
fn milliseconds(ms: f64) -> String {
    if ms >= 100.0 { format!("{ms:.1}") } else { format!("{ms:.3}") }
}

/// Three digits are all that a measurement has.
fn round(v: f64) -> f64 {
    if v <= 0.0 || !v.is_finite() {
        return v;
    }
    let scale = 10f64.powi(2 - v.log10().floor() as i32);
    (v * scale).round() / scale
}

/// The parts of a step.
pub(super) fn part_rows(p: &Profile) -> Vec<Vec<String>> {
    let t = &p.parts;
    let all = [
        ("kernels", &t.kernels),
        ("gaps between kernels", &t.gaps),
        ("host: encode", &t.encode),
        ("host: submit", &t.submit),
        ("before the first kernel", &t.before_first),
        ("after the last kernel", &t.after_last),
    ];
    let seen = |name: &str| match p.clock.as_str() {
        "host" => !name.starts_with("host:"),
        "runs" => name.starts_with("host:"),
        _ => true,
    };
    let row = |name: &str, s: &Stat| {
        let [time, spread] = times(s);
        vec![name.to_string(), percent(if p.wall.median > 0.0 { s.median / p.wall.median } else { 0.0 }), time, spread]
    };
    let mut rows = vec![["a step", "share", "ms", "±"].map(String::from).to_vec()];
    rows.extend(all.iter().filter(|(name, _)| seen(name)).map(|(name, s)| row(name, s)));
    if p.clock == "runs" {
        rows.push(row("host: wait", &t.before_first));
    }
    rows.push(row("all", &p.wall));
    rows
}

/// What is to be known about the figures.
pub(super) fn remarks(p: &Profile) -> Vec<String> {
    let s = &p.subject;
    let mut out = vec![format!(
        "{}, batch {}, on {}: {} ms a step, median of {} ({} to {})",
        s.model,
        s.batch_size,
        s.device.name,
        milliseconds(p.wall.median),
        p.steps,
        milliseconds(p.wall.low),
        milliseconds(p.wall.high)
    )];
    if p.clock == "runs" {
        out.push(
            "this device has no timestamps: its kernels and the gaps between them cannot be seen, only whole steps"
                .into(),
        );
    } else {
        let what = if p.clock == "host" { "kernels and gaps" } else { "kernels, gaps and the host" };
        let latency = match p.clock.as_str() {
            "host" => "",
            _ => "; the rest is how long it takes the device to begin and the host to notice the end",
        };
        out.push(format!("accounted for: {} of a step, by {what}{latency}", percent(p.accounted)));
    }
    if p.plain.median > 0.0 && p.clock != "runs" {
        let more = p.wall.median / p.plain.median - 1.0;
        let by =
            if more.abs() < 0.005 { "as long".into() } else { format!("{} {}", percent(more.abs()), longer(more)) };
        out.push(format!("without timers a step takes {} ms: measured, it took {by}", milliseconds(p.plain.median)));
    }
    if let Some(host) = &p.host {
        let [encode, submit] = [host.encode.median, host.submit.median].map(|us| number(round(us)));
        out.push(format!(
            "the host takes {encode} us a dispatch to encode and {submit} us to submit, {} dispatches a step",
            host.dispatches
        ));
    }
    out.push(format!(
        "ceilings of this device, measured: {} GFLOP/s, {} GB/s; ± is a robust standard deviation",
        number(round(p.ceilings.gflops)),
        number(round(p.ceilings.gbs))
    ));
    out.extend(p.notes.iter().cloned());
    out
}

fn longer(more: f64) -> &'static str {
    if more > 0.0 { "longer" } else { "less" }
}

/// Rows in columns: the first to the left, numbers to the right, words to the
/// left.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, c: usize| row.get(c).map_or("", String::as_str).to_string();
    let width = |c: usize| rows.iter().map(|r| terminal::width(&cell(r, c))).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let number = |c: usize| {
        let mut filled = rows.iter().skip(1).map(|r| cell(r, c)).filter(|t| !t.is_empty()).peekable();
        filled.peek().is_some() && filled.all(|t| t.trim_end_matches(" %").replace(',', "").parse::<f64>().is_ok())
    };
    let right: Vec<bool> = (0..columns).map(number).collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<String> = (0..columns)
            .map(|c| {
                let (text, width) = (cell(row, c), widths[c]);
                if right[c] {
                    terminal::right(&text, width).into_owned()
                } else {
                    terminal::left(&text, width).into_owned()
                }
            })
            .collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
    out
}
