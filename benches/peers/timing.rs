//! Rates, measured alike in `benches/step.rs`, in the peers in Rust and, as
//! `timing.py`, in Python: five windows of about a second (or `BENCH_SECONDS`), each
//! of a number of repetitions that is found out before.

use std::time::Instant;

const WINDOWS: usize = 5;

/// Rates of the windows in repetitions per second, ascending. `repeat(n)` does
/// the work `n` times and waits until it is done.
pub fn rates<E>(mut repeat: impl FnMut(usize) -> Result<(), E>) -> Result<Vec<f64>, E> {
    let window = std::env::var("BENCH_SECONDS").map_or(1.0, |s| s.parse::<f64>().expect("BENCH_SECONDS is a number"));
    let mut seconds = |n: usize| -> Result<f64, E> {
        let begun = Instant::now();
        repeat(n)?;
        Ok(begun.elapsed().as_secs_f64())
    };
    // The first does what is done only once.
    seconds(1)?;
    seconds(1)?;
    let mut n = 1;
    let mut taken = seconds(n)?;
    while taken < window / 4.0 && n < 1 << 20 {
        n *= 2;
        taken = seconds(n)?;
    }
    let n = ((n as f64 * window / taken).round() as usize).max(1);
    let mut rates = vec![];
    for _ in 0..WINDOWS {
        rates.push(n as f64 / seconds(n)?);
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates)
}

/// What was measured, where and by whom.
pub struct What<'a> {
    pub workload: &'a str,
    pub peer: &'a str,
    pub version: &'a str,
    pub device: &'a str,
    pub batch: usize,
}

impl What<'_> {
    /// A line about rates, for people or as JSON. `matmul-N` is told in
    /// GFLOP/s, everything else in steps per second.
    pub fn line(&self, rates: &[f64], json: bool) -> String {
        let side = self.workload.strip_prefix("matmul-").and_then(|n| n.parse::<f64>().ok());
        let (unit, scale) = side.map_or(("steps/s", 1.0), |n| ("GFLOP/s", 2e-9 * n.powi(3)));
        let [median, low, high] = [rates[rates.len() / 2], rates[0], rates[rates.len() - 1]].map(|r| scale * r);
        let What { workload, peer, version, device, batch } = self;
        if !json {
            let n = rates.len();
            return format!(
                "{workload} batch {batch}, {peer} {version} on {device}: \
                 {median:.1} {unit} (median of {n}; {low:.1} to {high:.1})"
            );
        }
        serde_json::json!({
            "workload": workload, "peer": peer, "version": version, "device": device, "batch": batch,
            "unit": unit, "median": median, "low": low, "high": high,
        })
        .to_string()
    }
}
