//! Round numbers for axes, and numbers as people read them.

/// Round numbers that cover `low..=high`, about `most` of them.
pub(super) fn linear(low: f64, high: f64, most: usize, whole: bool) -> Vec<f64> {
    let rough = (high - low) / most.max(1) as f64;
    let base = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * base).find(|s| *s >= rough).unwrap_or(10.0 * base);
    let step = if whole { step.ceil().max(1.0) } else { step };
    if !(step.is_finite() && step > 0.0) {
        return vec![low];
    }
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    // Numbers so close that their steps vanish beside them give no ticks.
    let count = (last - first + 1.0).clamp(0.0, 4.0 * most as f64) as usize;
    // Zero added to zero is zero, also to the negative one.
    (0..count).map(|i| (first + i as f64) * step + 0.0).collect()
}

/// Powers of ten within `low..=high`, with 2 and 5 between them where there
/// are few.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = to - from;
    let between: &[f64] = if decades <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = (decades / 8).max(1);
    let powers = (from..=to).filter(|p| p.rem_euclid(every) == 0);
    let all = powers.flat_map(|p| between.iter().map(move |m| m * 10f64.powi(p)));
    all.filter(|v| (low * 0.999..=high * 1.001).contains(v)).collect()
}

/// A number to four digits: `0.0312`, `1.5e-7`, `12,345`.
pub fn number(v: f64) -> String {
    if !v.is_finite() {
        return if v.is_nan() { "–".into() } else { format!("{}∞", if v < 0.0 { "−" } else { "" }) };
    }
    let size = v.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e9).contains(&size) {
        return trim(&format!("{v:.2e}"));
    }
    if v.fract() == 0.0 || size >= 1e4 {
        return grouped(v.round());
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    trim(&format!("{v:.digits$}"))
}

/// A share in percent: `98.6 %`.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return number(share);
    }
    let p = 100.0 * share;
    match p.abs() {
        // Anything but all is not shown as all.
        a if a < 100.0 && (99.95..100.0).contains(&a) => trim(&format!("{p:.3}")) + " %",
        a if a >= 1000.0 => number(p) + " %",
        // What rounds to zero has no sign.
        a if a < 0.05 => "0.0 %".into(),
        _ => format!("{p:.1} %"),
    }
}

/// The labels of an axis' ticks, with as many digits as tell neighbours apart.
pub(super) fn labels(ticks: &[f64]) -> Vec<String> {
    let apart = ticks.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let size = ticks.iter().fold(0.0, |m: f64, t| m.max(t.abs()));
    let plain: Vec<String> = ticks.iter().map(|t| number(*t)).collect();
    let alike = plain.windows(2).any(|w| w[0] == w[1]);
    if !alike || !(1e-7..f64::INFINITY).contains(&apart) || size >= 1e9 {
        return plain;
    }
    let digits = (1.0 - apart.log10().floor()) as usize;
    ticks.iter().map(|t| trim(&format!("{:.digits$}", t + 0.0))).collect()
}

/// A time as people say it: `3 min 20 s`.
pub fn duration(seconds: f64) -> String {
    if !(0.0..1e9).contains(&seconds) {
        return String::new();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn trim(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').map_or((text, ""), |(m, e)| (m, e));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    if exponent.is_empty() { mantissa.to_string() } else { format!("{mantissa}e{exponent}") }
}

fn grouped(v: f64) -> String {
    let digits = format!("{:.0}", v.abs());
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if v < 0.0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(linear(0.0, 1.0, 5, false), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(linear(1.0, 4.0, 6, true), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(linear(3.0, 3.0 + 1e-300, 5, false).len(), 1);
        assert!(linear(-1e300, 1e300, 5, false).len() <= 20);
        assert_eq!(logarithmic(0.001, 0.02), [0.001, 0.002, 0.005, 0.01, 0.02]);
        assert!(logarithmic(1e-300, 1e300).len() < 20);
    }

    #[test]
    fn no_label_is_a_negative_zero_and_neighbours_differ() {
        let mut ranges = vec![(-0.3, 0.7), (-1e-12, 3e-12), (-2.0, -0.0), (-5e8, 5e8), (1e4 + 0.1, 1e4 + 0.5)];
        ranges.extend((1..200).map(|i| (-0.037 * f64::from(i), 0.011 * f64::from(i * i))));
        for (low, high) in ranges {
            let ticks = linear(low, high, 5, false);
            let labels = labels(&ticks);
            assert!(ticks.iter().all(|t| *t != 0.0 || t.is_sign_positive()), "{ticks:?}");
            let zero = |l: &String| l.starts_with('-') && !l.contains(|c: char| ('1'..='9').contains(&c));
            assert!(!labels.iter().any(zero), "{labels:?}");
            assert!(labels.windows(2).all(|w| w[0] != w[1]), "{labels:?}");
            assert_eq!(labels.iter().any(|l| l == "0"), ticks.contains(&0.0), "{ticks:?} {labels:?}");
        }
        assert_eq!([-0.0, -0.0003, 0.0].map(percent), ["0.0 %"; 3]);
        assert_eq!([number(-0.0), number(0.0)], ["0", "0"]);
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        let cases = [
            (0.03125, "0.03125"),
            (1.0, "1"),
            (0.98614, "0.9861"),
            (12345.6, "12,346"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "–"),
            (-2.5, "-2.5"),
            (-1234567.0, "-1,234,567"),
        ];
        for (v, text) in cases {
            assert_eq!(number(v), text);
        }
        assert_eq!([0.986, 0.99996, 1.0].map(percent), ["98.6 %", "99.996 %", "100.0 %"]);
    }
}
