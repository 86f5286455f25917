//! Whether a column of text is worth its features. Words that say nothing of the
//! target make a model worse than leaving them out, so each column is tried on
//! training rows that are held out: a ridge regression with it and without it. What is
//! decided is said with its figures, and kept with what was learned.

use super::columns::{Encoder, FittedColumn};
use super::kind::Kind;
use super::table::{Column, Table};
use super::target::{Answer, Goal};
use crate::error::Result;

/// Training rows that are looked at, evenly spread.
const ROWS: usize = 4000;
/// Fewer rows than these decide nothing.
const LEAST: usize = 40;
/// Parts of the rows; each is held out once.
const PARTS: usize = 5;
/// The most features of other columns, those that say most of the target.
const OTHERS: usize = 200;
/// The most features of a column.
const OWN: usize = 100;
/// The most classes.
const CLASSES: usize = 20;
/// Standardised numbers beyond this are moved to it: one row must not decide.
const FAR: f64 = 4.0;
/// What ridge regressions add to the sums of squares; the best of them counts.
const PENALTIES: [f64; 3] = [3.0, 30.0, 300.0];
/// The standard errors by which a column must make predictions better.
const SURE: f64 = 2.0;

/// A column that may not be worth its features.
pub(super) struct Doubt {
    /// The ways to make features of it, the likeliest first.
    pub ways: Vec<Encoder>,
    /// The way that only marks missing cells, where there are some: these may help though
    /// the text does not, and are no merit of the text.
    pub gaps: Option<Encoder>,
}

/// Keeps or leaves out the columns in doubt, given with their places, each in the best way if it helps. Later
/// columns are tried beside the earlier that are kept.
pub(super) fn settle(
    table: &Table,
    rows: &[usize],
    goal: &Goal,
    columns: &mut [FittedColumn],
    doubtful: &[(usize, Doubt)],
    notes: &mut Vec<String>,
) -> Result<()> {
    if doubtful.is_empty() {
        return Ok(());
    }
    let is_doubtful = |i: usize| doubtful.iter().any(|(at, _)| *at == i);
    let sure: Vec<&FittedColumn> = (0..columns.len()).filter(|&i| !is_doubtful(i)).map(|i| &columns[i]).collect();
    let Some(mut trial) = Trial::new(table, rows, goal, &sure)? else {
        let names: Vec<&str> = doubtful.iter().map(|(at, _)| columns[*at].name.as_str()).collect();
        notes.push(format!(
            "{}: {} rows are too few to see whether text helps; used as it is: {}",
            table.name,
            rows.len(),
            names.join(", ")
        ));
        return Ok(());
    };
    let before = columns.to_vec();
    for (at, doubt) in doubtful {
        let cells = table.column(&columns[*at].name)?;
        columns[*at] = trial.judge(doubt, &columns[*at], cells, notes);
    }
    if columns.iter().all(|c| c.features().is_empty()) {
        columns.clone_from_slice(&before);
        notes.push(format!(
            "{}: its text does not help on held-out training rows, and is used because no other column is left",
            table.name
        ));
    }
    Ok(())
}

/// Some training rows, part by part, with their answers and features.
struct Trial {
    rows: Vec<usize>,
    /// Where each part begins, and the end.
    bounds: Vec<usize>,
    /// Per class or target column a number per row, with mean 0.
    answers: Vec<Vec<f64>>,
    /// Per feature a number per row, standardised.
    features: Vec<Vec<f64>>,
    /// Per row the squared error when it is held out.
    errors: Vec<f64>,
}

/// The same with a column more.
struct Tried {
    features: Vec<Vec<f64>>,
    errors: Vec<f64>,
    /// How much smaller the errors are on average, in standard errors.
    gain: f64,
}

impl Trial {
    /// `None` where the rows are too few.
    fn new(table: &Table, rows: &[usize], goal: &Goal, columns: &[&FittedColumn]) -> Result<Option<Trial>> {
        if rows.len() < LEAST {
            return Ok(None);
        }
        let (mut parts, step) = (vec![vec![]; PARTS], rows.len().div_ceil(ROWS));
        // By a hash, for rows may come in turns.
        rows.iter()
            .step_by(step)
            .enumerate()
            .for_each(|(i, &row)| parts[(hash(i as u64) % PARTS as u64) as usize].push(row));
        let mut bounds = vec![0];
        parts.iter().for_each(|part| bounds.push(bounds[bounds.len() - 1] + part.len()));
        let rows = parts.concat();
        let mut trial = Trial { answers: answers(table, &rows, goal)?, rows, bounds, features: vec![], errors: vec![] };
        for column in columns {
            trial.features.extend(trial.encoded(column, table.column(&column.name)?));
        }
        trial.bound();
        trial.errors = trial.errors_with(&[]);
        Ok(Some(trial))
    }

    /// A column in the best way, or left out; what was found is said.
    fn judge(&mut self, doubt: &Doubt, column: &FittedColumn, cells: &Column, notes: &mut Vec<String>) -> FittedColumn {
        let name = &column.name;
        let with = |way: &Encoder| FittedColumn { encoder: way.clone(), ..column.clone() };
        let gaps = doubt.gaps.as_ref().map(|way| (self.with(&with(way), cells), way));
        let gaps = gaps.filter(|(tried, _)| tried.helps()).map(|(tried, way)| {
            let shares = tried.shares(self);
            self.keep(tried);
            (way, shares)
        });
        let tried = doubt.ways.iter().map(|way| (self.with(&with(way), cells), way));
        let Some((tried, way)) = tried.reduce(|best, next| if next.0.gain > best.0.gain { next } else { best }) else {
            return column.clone();
        };
        let (shares, words) = (tried.shares(self), matches!(way, Encoder::Text(_)));
        let what = if words { "words" } else { "values" };
        if tried.helps() {
            self.keep(tried);
            notes.push(format!(
                "{name}: its {what} help on held-out training rows ({shares}) and are used; [clean] drop = [\"{name}\"] \
                 leaves them out"
            ));
            let kind = if words { Kind::Text } else { column.kind };
            return FittedColumn { kind, ..with(way) };
        }
        let key = if column.kind == Kind::Text { "text = \"tokens\"" } else { "type = \"category\"" };
        let reason = format!(
            "its {what} do not help on held-out training rows ({shares}); [clean.columns.\"{name}\"] {key} keeps them"
        );
        match gaps {
            Some((way, shares)) => {
                notes.push(format!("{name}: {reason}; that cells are missing helps and is marked ({shares})"));
                with(way)
            }
            None => FittedColumn { required: false, ..with(&Encoder::Dropped { reason }) },
        }
    }

    /// The features of a column, standardised.
    fn encoded(&self, column: &FittedColumn, cells: &Column) -> Vec<Vec<f64>> {
        let width = column.features().len();
        let mut features = vec![Vec::with_capacity(self.rows.len()); width];
        let mut out = Vec::with_capacity(width);
        for &row in &self.rows {
            out.clear();
            // A row that cannot be used says nothing.
            let unusable = column.encode(cells.cells.at(row), &mut out, &mut |_| {}).is_err();
            let value = |i: usize| if unusable { 0.0 } else { f64::from(out[i]) };
            features.iter_mut().enumerate().for_each(|(i, all)| all.push(value(i)));
        }
        features.into_iter().filter_map(standardised).collect()
    }

    /// Leaves the features that say most of the target.
    fn bound(&mut self) {
        let says = |x: &Vec<f64>| self.answers.iter().map(|y| dot(x, y).powi(2)).sum::<f64>();
        let mut ranked: Vec<(f64, Vec<f64>)> = self.features.drain(..).map(|x| (says(&x), x)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.features = ranked.into_iter().take(OTHERS).map(|(_, x)| x).collect();
    }

    fn with(&self, column: &FittedColumn, cells: &Column) -> Tried {
        let mut features = self.encoded(column, cells);
        features.truncate(OWN);
        let errors = self.errors_with(&features);
        let n = errors.len() as f64;
        let less: Vec<f64> = self.errors.iter().zip(&errors).map(|(a, b)| a - b).collect();
        let mean = less.iter().sum::<f64>() / n;
        let variance = less.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let gain = if variance > 0.0 { mean / (variance / n).sqrt() } else { 0.0 };
        Tried { features, errors, gain }
    }

    fn keep(&mut self, tried: Tried) {
        self.features.extend(tried.features);
        self.bound();
        self.errors = tried.errors;
    }

    /// Per row the squared error of a ridge regression that was fitted to the other
    /// parts, with the penalty that is best on the whole.
    fn errors_with(&self, more: &[Vec<f64>]) -> Vec<f64> {
        let features: Vec<&[f64]> = self.features.iter().chain(more).map(Vec::as_slice).collect();
        let (d, outputs) = (features.len(), self.answers.len());
        let part = |k: usize| self.bounds[k]..self.bounds[k + 1];
        // Sums of products, of features and with answers, part by part: a row per feature.
        let sums = |k: usize| -> Vec<f64> {
            let mut all = vec![0.0; d * (d + outputs)];
            for i in 0..d {
                let x = &features[i][part(k)];
                let row = &mut all[i * (d + outputs)..][..d + outputs];
                (0..=i).for_each(|j| row[j] = dot(x, &features[j][part(k)]));
                (0..outputs).for_each(|o| row[d + o] = dot(x, &self.answers[o][part(k)]));
            }
            all
        };
        let parts: Vec<Vec<f64>> = (0..PARTS).map(sums).collect();
        let errors = |penalty: f64| -> Vec<f64> {
            let mut errors = vec![0.0; self.rows.len()];
            for held_out in 0..PARTS {
                let mut rest = vec![0.0; d * (d + outputs)];
                let others = (0..PARTS).filter(|k| *k != held_out);
                others.for_each(|k| rest.iter_mut().zip(&parts[k]).for_each(|(sum, x)| *sum += x));
                let weights = ridge(rest, d, outputs, penalty);
                for (o, answers) in self.answers.iter().enumerate() {
                    let mut residual = answers[part(held_out)].to_vec();
                    for (j, feature) in features.iter().enumerate() {
                        let w = weights[o * d + j];
                        residual.iter_mut().zip(&feature[part(held_out)]).for_each(|(r, x)| *r -= w * x);
                    }
                    errors[part(held_out)].iter_mut().zip(residual).for_each(|(e, r)| *e += r * r);
                }
            }
            errors
        };
        let all = PENALTIES.iter().map(|&penalty| errors(penalty));
        let sum = |errors: &Vec<f64>| errors.iter().sum::<f64>();
        all.reduce(|best, next| if sum(&next) < sum(&best) { next } else { best }).expect("there are penalties")
    }

    /// The share of the answers' variance that some errors leave explained, in percent.
    fn explained(&self, errors: &[f64]) -> f64 {
        let all: f64 = self.answers.iter().map(|y| dot(y, y)).sum();
        if all > 0.0 { 100.0 * (1.0 - errors.iter().sum::<f64>() / all) } else { 0.0 }
    }
}

impl Tried {
    fn helps(&self) -> bool {
        self.gain > SURE
    }

    fn shares(&self, trial: &Trial) -> String {
        let [with, without] = [&self.errors, &trial.errors].map(|errors| trial.explained(errors));
        format!("a ridge regression explains {with:.2} % of the target with it and {without:.2} % without")
    }
}

/// The answers of rows: for classes an indicator each, else standardised numbers.
fn answers(table: &Table, rows: &[usize], goal: &Goal) -> Result<Vec<Vec<f64>>> {
    let targets = goal.columns().into_iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
    let answer = |&row: &usize| goal.answer(&targets.iter().map(|c| c.cells.at(row)).collect::<Vec<_>>()).ok();
    let found: Vec<Option<Answer>> = rows.iter().map(answer).collect();
    Ok(match goal {
        Goal::Classes { counts, .. } => {
            let mut classes: Vec<usize> = (0..counts.len()).collect();
            classes.sort_by_key(|&c| std::cmp::Reverse(counts[c]));
            classes.truncate(CLASSES);
            let is =
                |class: usize| move |a: &Option<Answer>| matches!(a, Some(Answer::Class(c)) if *c as usize == class);
            let column = |&class: &usize| found.iter().map(|a| f64::from(u8::from(is(class)(a)))).collect::<Vec<f64>>();
            classes.iter().map(column).map(centred).collect()
        }
        Goal::Values(all) => {
            let value = |i: usize, a: &Option<Answer>| match a {
                Some(Answer::Values(v)) => f64::from(v[i]),
                _ => 0.0,
            };
            (0..all.len()).filter_map(|i| standardised(found.iter().map(|a| value(i, a)).collect())).collect()
        }
    })
}

fn centred(mut numbers: Vec<f64>) -> Vec<f64> {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    numbers.iter_mut().for_each(|x| *x -= mean);
    numbers
}

/// Numbers with mean 0 and deviation 1, none of them far; `None` where all are equal.
fn standardised(numbers: Vec<f64>) -> Option<Vec<f64>> {
    let mut numbers = centred(numbers);
    let deviation = (dot(&numbers, &numbers) / numbers.len() as f64).sqrt();
    numbers.iter_mut().for_each(|x| *x = (*x / deviation).clamp(-FAR, FAR));
    (deviation > 1e-12).then(|| centred(numbers))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The weights of a ridge regression, `[outputs, d]`, from the lower half of the sums of
/// products with the answers behind each row, by Cholesky's factors.
fn ridge(mut sums: Vec<f64>, d: usize, outputs: usize, penalty: f64) -> Vec<f64> {
    let width = d + outputs;
    for i in 0..d {
        sums[i * width + i] += penalty;
        for j in 0..=i {
            let (above, row) = sums.split_at_mut(i * width);
            let factors = if j < i { &above[j * width..][..j] } else { &[] };
            let done: f64 = if j < i { dot(&row[..j], factors) } else { row[..j].iter().map(|x| x * x).sum() };
            let left = row[j] - done;
            // The penalty keeps it positive but for rounding.
            row[j] = if j < i { left / above[j * width + j] } else { left.max(1e-9).sqrt() };
        }
    }
    let mut weights = vec![0.0; outputs * d];
    for (o, w) in weights.chunks_exact_mut(d.max(1)).enumerate() {
        for i in 0..d {
            w[i] = (sums[i * width + d + o] - dot(&sums[i * width..][..i], &w[..i])) / sums[i * width + i];
        }
        for i in (0..d).rev() {
            let below: f64 = (i + 1..d).map(|j| sums[j * width + i] * w[j]).sum();
            w[i] = (w[i] - below) / sums[i * width + i];
        }
    }
    weights
}

/// A number as good as random, the same on every machine (SplitMix64).
fn hash(i: u64) -> u64 {
    let mut x = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
#[path = "worth_tests.rs"]
mod tests;
