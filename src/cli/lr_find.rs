//! `wgrad lr-find`

use super::progress::Terminal;
use super::{out, tool_flags, train};
use crate::error::{Error, Result};
use crate::eval::plot::{Lines, number, terminal_chart};
use crate::files;
use crate::run::config;
use crate::run::lr_find::{Found, Point, Range, Swept, chart, find, shown_range};
use serde_json::json;

pub fn run(f: &tool_flags::LrFind) -> Result<()> {
    let range = Range { rates: [f.min_lr, f.max_lr], steps: f.steps };
    range.check()?;
    if !matches!(f.out.extension().and_then(|e| e.to_str()), Some("svg" | "png")) {
        return Err(Error::usage(format!("--out {}: expected a name that ends with .svg or .png", f.out.display())));
    }
    let mut terminal = Terminal::new();
    let table = train::table_of_tool(f.config.as_deref(), &f.settings, None, &mut terminal)?;
    let configured = config::settle(table, &mut terminal)?;
    let Swept { device, model, points, found } = find(configured, range, &f.device.request(), &mut terminal)?;
    files::write(&f.out, &chart(&points, found).scene().file(&f.out)?)?;
    if f.json {
        return out::json(&json!({
            "status": "ok",
            "device": device,
            "model": model,
            "lr": found.map(Found::rate),
            "steepest": found.map(|f| f.steepest),
            "minimum_by_ten": found.map(|f| f.minimum),
            "steps": points.len(),
            "lrs": points.iter().map(|p| p.lr).collect::<Vec<_>>(),
            "losses": points.iter().map(|p| p.loss).collect::<Vec<_>>(),
            "smooth_losses": points.iter().map(|p| p.smooth).collect::<Vec<_>>(),
            "plot": out::path(&f.out),
        }));
    }
    out::drawn(&drawn(&points))?;
    let verdict = match found {
        Some(f) => format!(
            "the loss falls fastest at {}; a tenth of where it is least is {}\ntry --lr {}",
            number(f.steepest),
            number(f.minimum),
            number(f.rate())
        ),
        None => "no clear descent: the smoothed loss fell no further than noise would; try more steps (--steps), another range \
                 (--min-lr, --max-lr), or check that the model can learn"
            .into(),
    };
    out::line(format!("{verdict}\n{}", f.out.display()))
}

/// The smoothed loss for a terminal.
fn drawn(points: &[Point]) -> Vec<String> {
    let term = console::Term::stdout();
    let width = if term.is_term() { usize::from(term.size().1).clamp(40, 100) - 1 } else { 79 };
    let [low, high] = shown_range(points);
    let inside: Vec<&Point> = points.iter().filter(|p| (low..=high).contains(&p.smooth)).collect();
    let curve = inside.iter().map(|p| [p.lr.log10(), p.smooth]).collect();
    let color = term.is_term() && console::colors_enabled();
    let curve = Lines { name: "smoothed".into(), points: curve };
    let mut lines = terminal_chart("loss by learning rate", &[curve], width, 14, color);
    if let (Some((first, last)), Some(axis)) =
        (inside.first().zip(inside.last()), lines.get(1).and_then(|l| l.find('│')))
    {
        let margin = lines[1][..axis].chars().count() + 1;
        lines.pop();
        lines.push(rates(margin, width.saturating_sub(margin), [first.lr, last.lr]));
    }
    lines
}

/// The axis below: powers of ten where they belong, as many as have room; the ends
/// where no two powers lie between them.
fn rates(margin: usize, columns: usize, [low, high]: [f64; 2]) -> String {
    let powers = (low.log10() - 1e-9).ceil() as i32..=(high.log10() + 1e-9).floor() as i32;
    let mut labels: Vec<(f64, String)> = powers.map(|p| (10f64.powi(p), format!("1e{p}"))).collect();
    if labels.len() < 2 {
        labels = vec![(low, number(low)), (high, number(high))];
    }
    let across = (high / low).ln().max(f64::MIN_POSITIVE);
    let mut line = " ".repeat(margin);
    for (rate, text) in labels {
        let place = (((rate / low).ln() / across).clamp(0.0, 1.0) * (columns - 1) as f64).round() as usize;
        let at = (margin + place).min((margin + columns).saturating_sub(text.len()));
        let written = line.chars().count();
        // Apart from the one before, and not out at the right.
        if (written <= margin || at > written) && at + text.len() <= margin + columns {
            line += &" ".repeat(at - written);
            line += &text;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_below_the_curve_has_rates() {
        assert_eq!(rates(3, 21, [1e-4, 1.0]), "   1e-4 1e-3 1e-2 1e-1");
        let axis = rates(5, 60, [1e-7, 10.0]);
        assert!(axis.starts_with("     1e-7   1e-6") && axis.contains("1e0") && axis.len() <= 65, "{axis}");
        // Where no power of ten lies, or a single one, the ends are told.
        let ends = rates(2, 40, [0.5, 0.9]);
        assert!(ends.starts_with("  0.5") && ends.ends_with("0.9") && ends.len() == 42, "{ends}");
        assert_eq!(rates(2, 8, [2e-3, 3e-3]), "  0.002");
        assert_eq!(rates(2, 8, [1.0, 1.0]), "  1");
    }
}
