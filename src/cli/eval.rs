//! `wgrad eval`: a trained run scored on labelled data of any kind.

use super::progress::Terminal;
use super::{flags, open_device, out};
use crate::data::{self, Place, Task, positive};
use crate::error::{Error, Result};
use crate::eval::plot::{number, percent};
use crate::eval::{Metrics, Mistake};
use crate::run::kinds::{Trained, settings_of, to_score};
use crate::run::score::{Scored, score};
use crate::terminal::{left, one_line, width};
use crate::train::{Held, Session};
use serde_json::{Value, json};

pub fn run(f: &flags::Eval) -> Result<()> {
    if f.batch_size == Some(0) {
        return Err(Error::usage("--batch-size 0: expected at least 1"));
    }
    let (model, mut loaded) = f.run.load()?;
    if let (Some(stride), true) = (f.stride, loaded.about.interface.task != Task::Language) {
        return Err(Error::usage(format!(
            "--stride {stride}: this is no language model, whose windows it is for; leave it out"
        )));
    }
    if let Some(class) = &f.positive {
        let interface = &mut loaded.about.interface;
        if interface.task != Task::Classification {
            return Err(Error::usage(format!("--positive {class}: the model's answers are no classes; leave it out")));
        }
        let place = positive::place(&interface.outputs, class, true)?;
        interface.positive = Some(interface.outputs[place].clone());
    }
    let settings = settings_of(&loaded.about)?;
    let seed = f.seed.unwrap_or(settings.seed);
    let trained = Trained { model: &model, about: &loaded.about, settings: &settings, seed, stride: f.stride };
    let data = to_score(&data::recognise(&f.data)?, &trained, &mut Terminal::new())?;
    data.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let (device, info) = open_device(&f.device)?;
    let mut session = Session::new(device, model, loaded.about.interface, loaded.weights)?;
    session.loss = settings.loss;
    let batch = f.batch_size.unwrap_or(settings.batch_size);
    let held = Held { set: &data.set, naive: data.naive.as_ref() };
    let scored = score(&mut session, held, "test", batch)?;
    let samples = scored.scores.samples;
    // How a text was cut.
    let windows = data.set.scored().map(|tokens| {
        let context = data.set.width();
        json!({ "tokens": tokens, "context": context, "stride": f.stride.unwrap_or(context) })
    });
    if f.json {
        let mut answer = json!({
            "status": "ok",
            "device": info,
            "model": session.model.description.name,
            "samples": samples,
            "dropped": data.dropped,
            "test": scored.json(),
            "parts": parts(&scored),
            "mistakes": mistakes(&scored),
        });
        if let (Value::Object(answer), Some(Value::Object(windows))) = (&mut answer, windows) {
            answer.extend(windows);
        }
        return out::json(&answer);
    }
    let of = match &windows {
        Some(w) => {
            let (tokens, context, stride) = (&w["tokens"], &w["context"], &w["stride"]);
            let plural = |one: bool| if one { "" } else { "s" };
            let (of_tokens, of_windows) = (plural(*tokens == 1), plural(samples == 1));
            format!("{tokens} token{of_tokens} scored in {samples} window{of_windows} of {context} (stride {stride})")
        }
        None => format!("{samples} samples"),
    };
    out::line(format!("{of}: {}", scored.line()))?;
    scored.evaluation.forecast.iter().try_for_each(|f| out::line(f.line()))?;
    out::line(table(&scored))?;
    worst(&scored).iter().try_for_each(out::line)
}

/// Mistakes that are named on a terminal.
const WORST: usize = 5;

/// The worst mistakes without their pictures, which a reader has.
fn mistakes(scored: &Scored) -> Value {
    let bare = |m: &Mistake| Mistake { picture: None, ..m.clone() };
    json!(scored.evaluation.mistakes.iter().map(bare).collect::<Vec<_>>())
}

/// The worst mistakes, and where they stand.
fn worst(scored: &Scored) -> Vec<String> {
    let mistakes = &scored.evaluation.mistakes;
    let line = |m: &Mistake| {
        let place = m.place.as_ref().map_or_else(|| format!("sample {}", m.sample), ToString::to_string);
        let sure = m.probability.map_or(String::new(), |p| format!(" ({})", percent(p)));
        one_line(&format!("  {place}: {} is predicted as {}{sure}", m.label, m.predicted)).into_owned()
    };
    let what = mistakes.first().map(|m| match m.place {
        Some(Place::Row { .. }) => "the worst mistakes (rows without the header; lines of the file, with it):",
        _ => "the worst mistakes:",
    });
    what.map(String::from).into_iter().chain(mistakes.iter().take(WORST).map(line)).collect()
}

/// The scores of each class or target.
fn parts(scored: &Scored) -> Value {
    match &scored.evaluation.metrics {
        Metrics::Classification(c) => json!(c.classes),
        Metrics::Regression(r) => json!(r.targets),
        Metrics::Language(_) => json!([]),
    }
}

/// A row per class, or per target.
fn table(scored: &Scored) -> String {
    let share = |v: f64| format!("{v:.4}");
    let (head, rows): (&[&str], Vec<(String, Vec<String>)>) = match &scored.evaluation.metrics {
        Metrics::Classification(c) => {
            let row = |c: &crate::eval::metrics::ClassScores| {
                vec![share(c.precision), share(c.recall), share(c.f1), c.support.to_string()]
            };
            let all = c.classes.iter().map(|c| (one_line(&c.name).into_owned(), row(c))).collect();
            (&["class", "precision", "recall", "f1", "samples"], all)
        }
        Metrics::Language(l) => {
            let row = vec![number(l.nats_per_token), number(l.bits_per_token), number(l.perplexity), share(l.accuracy)];
            (&["tokens", "nats", "bits", "perplexity", "accuracy"], vec![(l.tokens.to_string(), row)])
        }
        Metrics::Regression(r) => {
            let row = |t: &crate::eval::metrics::TargetScores| {
                vec![number(t.mae), number(t.rmse), t.r2.map_or("-".into(), share)]
            };
            let all = r.targets.iter().map(|t| (one_line(&t.name).into_owned(), row(t))).collect();
            (&["target", "mae", "rmse", "r2"], all)
        }
    };
    let names = rows.iter().map(|(n, _)| n.as_str()).chain([head[0]]);
    let widest = names.map(width).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|c| format!("{c:>11}")).collect();
        format!("{}{cells}", left(name, widest))
    };
    let head_cells: Vec<String> = head[1..].iter().map(|h| h.to_string()).collect();
    let lines = [line(head[0], &head_cells)].into_iter().chain(rows.iter().map(|(n, c)| line(n, c)));
    lines.collect::<Vec<_>>().join("\n")
}
