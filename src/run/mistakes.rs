//! The worst mistakes of a model, as a report shows them.

use crate::data::sheet::{self, Tile};
use crate::data::{Dataset, Samples};
use crate::eval::Mistake;
use crate::train::Session;
use base64::Engine;

/// Mistakes that a report shows.
const MISTAKES: usize = 24;

/// The samples to whose class the least probability was given.
pub fn worst_classes(session: &Session, set: &Dataset, answers: &[f32], labels: &[u32]) -> Vec<Mistake> {
    let names = &session.interface.outputs;
    let row = |i: usize| &answers[i * names.len()..(i + 1) * names.len()];
    let top = |i: usize| (0..names.len()).max_by(|&a, &b| row(i)[a].total_cmp(&row(i)[b]).then(b.cmp(&a))).unwrap_or(0);
    let mut wrong: Vec<usize> = (0..labels.len()).filter(|&i| top(i) != labels[i] as usize).collect();
    wrong.sort_by(|&a, &b| row(a)[labels[a] as usize].total_cmp(&row(b)[labels[b] as usize]).then(a.cmp(&b)));
    let name = |c: usize| names.get(c).cloned().unwrap_or_default();
    let mistake = |i: usize| Mistake {
        label: name(labels[i] as usize),
        predicted: name(top(i)),
        probability: Some(row(i)[top(i)].into()),
        ..shown(session, set, i)
    };
    wrong.into_iter().take(MISTAKES).map(mistake).collect()
}

/// The samples that are farthest off, in deviations of their target.
pub fn worst_values(
    session: &Session,
    set: &Dataset,
    answers: &[f32],
    values: &[f32],
    centres: &[f64],
) -> Vec<Mistake> {
    let width = session.interface.outputs.len();
    let scale = &session.interface.target.scale;
    let off =
        |i: usize| (0..width).map(|t| ((answers[i * width + t] - values[i * width + t]) / scale[t]).abs()).sum::<f32>();
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by(|&a, &b| off(b).total_cmp(&off(a)).then(a.cmp(&b)));
    let number = |(&x, centre): (&f32, &f64)| format!("{:.4}", centre + f64::from(x));
    let numbers = |v: &[f32]| v.iter().zip(centres).map(number).collect::<Vec<_>>().join(", ");
    let mistake = |i: usize| Mistake {
        label: numbers(&values[i * width..(i + 1) * width]),
        predicted: numbers(&answers[i * width..(i + 1) * width]),
        ..shown(session, set, i)
    };
    order.into_iter().take(MISTAKES).map(mistake).collect()
}

/// A sample as its source has it.
fn shown(session: &Session, set: &Dataset, i: usize) -> Mistake {
    Mistake {
        sample: i,
        place: Some(set.place(i)),
        picture: picture(set, i),
        text: text(session, set, i),
        cells: set.cells(i),
        ..Mistake::default()
    }
}

/// A sample as a picture, if it is one.
fn picture(set: &Dataset, i: usize) -> Option<String> {
    let (&[c, h, w], true) = (&set.shape[..], set.samples.repeats()) else { return None };
    // What cannot be read again is a mistake without a picture.
    let Ok(Samples::Bytes(pixels)) = set.samples.select(set.width(), &[i]).loaded() else { return None };
    let pixels = pixels.to_vec();
    let tile = Tile { pixels, caption: String::new() };
    let png = sheet::png(&sheet::sheet(&[tile], [c, h, w], 1, ""));
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
}

/// The beginning of a text, as far as the model reads it.
fn text(session: &Session, set: &Dataset, i: usize) -> Option<String> {
    const SHOWN: usize = 400;
    let (Samples::Tokens(tokens), Some(vocabulary)) = (&set.samples, session.interface.vocabulary()) else {
        return None;
    };
    let row = &tokens[i * set.width()..(i + 1) * set.width()];
    // Behind the text there is padding, token 0.
    let end = row.iter().rposition(|&t| t != 0).map_or(0, |last| last + 1);
    Some(vocabulary.decode(&row[..end]).chars().take(SHOWN).collect())
}
