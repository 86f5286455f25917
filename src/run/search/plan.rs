//! The trials of a search, with their settings.

use super::settings::{Method, SearchSettings};
use super::space::MOST;
use crate::data::{Recognised, SourceKind};
use crate::error::{Context, Error, Result};
use crate::run::config::fill_in;
use crate::train::{Settings, set};
use serde_json::{Map, Value};
use std::collections::HashMap;
use toml::Table;

/// The key whose values repeat all others.
pub const SEED: &str = "train.seed";

/// A trial to be run.
pub struct Planned {
    /// Its number, from 1.
    pub number: usize,
    /// The number of its setting, from 0: of all its values but the seed.
    pub setting: usize,
    /// How many trials repeat that setting, each with a seed of its own.
    pub of: usize,
    /// The searched keys with their values.
    pub values: Map<String, Value>,
    /// The settings with these values.
    pub settings: Settings,
}

/// All trials with their settings. Whatever is wrong with one is found here.
pub fn of(table: &Table, search: &SearchSettings, found: &Recognised) -> Result<Vec<Planned>> {
    let space = &search.space;
    let one = |(i, values): (usize, Vec<toml::Value>)| -> Result<Planned> {
        let (number, mut table) = (i + 1, table.clone());
        let shown = || {
            let pairs = space.0.iter().zip(&values).map(|(d, v)| format!("{} = {v}", d.key));
            format!("trial {number} ({})", pairs.collect::<Vec<_>>().join(", "))
        };
        for (d, value) in space.0.iter().zip(&values) {
            set(&mut table, &d.key, value.clone()).context(|| "[search.space]")?;
        }
        fill_in(&mut table, found)?;
        let settings = Settings::read(table).context(shown)?;
        let json = |v: &toml::Value| serde_json::to_value(v).expect("plain data prints");
        let values = space.0.iter().zip(&values).map(|(d, v)| (d.key.clone(), json(v))).collect();
        Ok(Planned { number, setting: 0, of: 1, values, settings })
    };
    let mut plan = values(search)?.into_iter().enumerate().map(one).collect::<Result<Vec<Planned>>>()?;
    shares_its_data(&plan, search, found)?;
    repeat(&mut plan, search)?;
    Ok(plan)
}

/// The values of all trials. Where the space has seeds, each draw of the other
/// keys is trained with every one of them: a draw of seeds would have settings
/// compared by their luck.
fn values(search: &SearchSettings) -> Result<Vec<Vec<toml::Value>>> {
    let space = &search.space;
    let trials = match search.method {
        Method::Grid => return space.grid(),
        Method::Random { trials } | Method::Halving { trials, .. } => trials,
    };
    let drawn = (1..=trials).map(|t| space.draw(search.seed, t));
    let Some(at) = space.0.iter().position(|d| d.key == SEED) else { return Ok(drawn.collect()) };
    let seeds = space.0[at].list()?;
    if seeds.len().saturating_mul(trials) > MOST {
        return Err(Error::model(format!(
            "[search.space]: {trials} trials with {} seeds each are more than {MOST}; take fewer of either",
            seeds.len()
        )));
    }
    let with = |values: Vec<toml::Value>, seed: &toml::Value| {
        let mut values = values;
        values[at] = seed.clone();
        values
    };
    Ok(drawn.flat_map(|values| seeds.iter().map(move |seed| with(values.clone(), seed)).collect::<Vec<_>>()).collect())
}

/// Numbers the settings, and counts the trials of each.
///
/// Fails where seeds differ by another key than their own.
fn repeat(plan: &mut [Planned], search: &SearchSettings) -> Result<()> {
    let Some(at) = search.space.0.iter().position(|d| d.key == SEED) else {
        if let Some(other) = plan.iter().find(|p| p.settings.seed != plan[0].settings.seed) {
            return Err(Error::model(format!(
                "[search.space]: trials 1 and {} differ in their seed; expected a key \"{SEED}\" of its own for that",
                other.number
            )));
        }
        plan.iter_mut().enumerate().for_each(|(i, p)| p.setting = i);
        return Ok(());
    };
    let seeds = search.space.0[at].list()?.len();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (i, p) in plan.iter_mut().enumerate() {
        // Draws that are alike stay trials of their own; a grid has each setting once.
        let mut others = p.values.clone();
        others.remove(SEED);
        let draw = if search.method == Method::Grid { 0 } else { i / seeds };
        let next = known.len();
        p.setting = *known.entry(format!("{draw} {}", serde_json::Value::Object(others))).or_insert(next);
        p.of = seeds;
    }
    Ok(())
}

/// Refuses keys that would have each trial read other data.
fn shares_its_data(plan: &[Planned], search: &SearchSettings, found: &Recognised) -> Result<()> {
    let first = &plan[0].settings;
    if first.data.folds > 0 {
        return Err(Error::usage("a search does not go with folds; expected data.folds = 0"));
    }
    let is_drawn = found.kind() == SourceKind::Digits;
    for p in plan {
        let (a, b) = (&first.data, &p.settings.data);
        let key = if a.source != b.source {
            "data.source"
        } else if a.images != b.images {
            "data.size, data.filter or data.channels"
        } else if a.table.read_options() != b.table.read_options() {
            "data.header, data.delimiter, data.skip_rows, data.comment, data.quote, data.missing_values or data.decimal"
        } else if a.table.group != b.table.group {
            "data.group"
        } else if a.folds != b.folds {
            "data.folds"
        } else if is_drawn && first.seed != p.settings.seed {
            "train.seed, which draws the digits"
        } else if matches!(search.method, Method::Halving { .. }) && first.epochs != p.settings.epochs {
            "train.epochs, which halving itself varies"
        } else {
            continue;
        };
        return Err(Error::model(format!("[search.space]: the trials differ in {key}; expected the same for all")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;
    use crate::run::config;

    fn planned(text: &str) -> Result<Vec<Planned>> {
        let mut table = text.parse().unwrap();
        let search = SearchSettings::take(&mut table, "c.toml")?;
        of(&table, &search, &data::recognise(&config::source_of(&table))?)
    }

    #[test]
    fn what_is_wrong_with_a_space_is_found_before_the_first_trial() {
        let fails = |space: &str, parts: &[&str]| {
            let text = format!("[search]\nmethod = \"grid\"\n[search.space]\n{space}");
            let message = planned(&text).err().expect(space).to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        };
        fails("\"optimizer.lrr\" = [0.1]", &["trial 1 (optimizer.lrr = 0.1)", "did you mean \"lr\"?"]);
        fails("\"optimizer.lr\" = [0.1, -1]", &["trial 2", "lr = -1"]);
        fails("\"model.lr\" = [1]\nmodel = [\"mlp\"]", &["\"model\" and \"model.lr\" set the same thing"]);
        fails("\"data.source\" = [\"digits\", \"elsewhere.csv\"]", &["data.source"]);
        fails("\"data.size\" = [8, 16]", &["data.size"]);
        fails("\"train.seed\" = [1, 2]", &["draws the digits"]);
        fails("", &["[search.space] is empty"]);
        assert!(planned("model = \"mlp\"").err().unwrap().to_string().contains("c.toml has no table [search]"));
        let halving = "[search]\nmethod = \"halving\"\n[search.space]\n\"train.epochs\" = { int = [1, 50] }";
        assert!(planned(halving).err().unwrap().to_string().contains("halving itself varies"));
    }

    #[test]
    fn trials_have_the_values_that_are_shown() {
        let text =
            "[train]\nepochs = 2\n[search]\ntrials = 5\n[search.space]\n\"optimizer.lr\" = { log = [1e-4, 0.1] }";
        let plan = planned(text).unwrap();
        assert_eq!(plan.len(), 5);
        for p in &plan {
            assert_eq!(p.values["optimizer.lr"].as_f64(), Some(p.settings.update.lr));
            assert_eq!(p.settings.epochs, 2);
        }
    }

    #[test]
    fn seeds_repeat_every_setting() {
        let file = std::env::temp_dir().join(format!("wgrad-plan-{}.csv", std::process::id()));
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        let head = format!("[data]\nsource = {:?}\n", file.to_str().unwrap());
        let seeds = |p: &[Planned]| p.iter().map(|p| (p.setting, p.settings.seed, p.of)).collect::<Vec<_>>();
        let random =
            "[search]\ntrials = 2\n[search.space]\n\"optimizer.lr\" = { log = [1e-4, 0.1] }\n\"train.seed\" = [4, 7]";
        let plan = planned(&format!("{head}{random}")).unwrap();
        assert_eq!(seeds(&plan), [(0, 4, 2), (0, 7, 2), (1, 4, 2), (1, 7, 2)]);
        assert_eq!(plan[0].settings.update.lr, plan[1].settings.update.lr);
        assert_ne!(plan[0].settings.update.lr, plan[2].settings.update.lr);
        let grid =
            "[search]\nmethod = \"grid\"\n[search.space]\n\"train.seed\" = [1, 2]\n\"optimizer.lr\" = [0.1, 0.2]";
        let plan = planned(&format!("{head}{grid}")).unwrap();
        assert_eq!(seeds(&plan), [(0, 1, 2), (1, 1, 2), (0, 2, 2), (1, 2, 2)]);
        let hidden = "[search]\nmethod = \"grid\"\n[search.space]\ntrain = [{ seed = 1 }, { seed = 2 }]";
        assert!(planned(&format!("{head}{hidden}")).err().unwrap().to_string().contains("\"train.seed\" of its own"));
        std::fs::remove_file(file).unwrap();
    }
}
