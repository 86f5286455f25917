//! Parameters by name: which learn slower, decay less, or do not learn at all.
//!
//! A pattern is a glob (`*` for any characters, `?` for one) that fits a
//! parameter's whole name (`*.bias`) or the name of a layer or block it belongs
//! to (`conv1`, `block?`). Of several rules that fit, later ones decide: first
//! `no_decay_on_norm_and_bias`, then `freeze`, then the `[[group]]` tables in
//! their order, each with the keys that it states.

use crate::error::{Error, Result, nearest};
use crate::graph::FLAT_ALIGN;
use crate::keys::Keys;
use crate::nn::former_name;
use crate::tensor::Spec;
use toml::{Table, Value};

/// The rules of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// No weight decay and no penalty on parameters of at most one axis:
    /// biases, scales and shifts of normalisations.
    pub no_decay_on_norm_and_bias: bool,
    /// Patterns of what does not learn.
    pub freeze: Vec<String>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// What holds for the parameters that fit one of the patterns; `None` leaves
/// as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// The patterns.
    pub patterns: Vec<String>,
    /// Factor of the learning rate.
    pub lr_factor: Option<f64>,
    /// Factor of the weight decay and of the L1 penalty.
    pub weight_decay_factor: Option<f64>,
    /// Whether they do not learn.
    pub frozen: Option<bool>,
}

/// What holds for one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Factor of the learning rate.
    pub lr: f64,
    /// Factor of the weight decay and of the L1 penalty.
    pub decay: f64,
    /// It keeps its bits, and its gradient is not computed.
    pub frozen: bool,
}

impl Groups {
    /// Reads `no_decay_on_norm_and_bias` and `freeze` of `[train]`, and the
    /// value of `group` in the configuration.
    pub fn read(train: &mut Keys, group: Option<Value>) -> Result<Groups> {
        let no_decay_on_norm_and_bias = train.flag("no_decay_on_norm_and_bias", false)?;
        let freeze = patterns(train, "freeze")?.unwrap_or_default();
        let tables = match group {
            None => vec![],
            Some(Value::Array(tables)) => tables,
            Some(v) => return Err(Error::model(format!("group = {v}; expected [[group]] tables"))),
        };
        let read = |(i, table)| match table {
            Value::Table(t) => Group::read(Keys::new(t, format!("[[group]] {}", i + 1))),
            v => Err(Error::model(format!("group {} is {v}; expected a [[group]] table", i + 1))),
        };
        let groups = tables.into_iter().enumerate().map(read).collect::<Result<_>>()?;
        Ok(Groups { no_decay_on_norm_and_bias, freeze, groups })
    }

    /// Adds the keys to `[train]`, and the groups to the configuration if there
    /// are any.
    pub fn write(&self, root: &mut Table, train: &mut Table) {
        train.insert("no_decay_on_norm_and_bias".into(), self.no_decay_on_norm_and_bias.into());
        train.insert("freeze".into(), list(&self.freeze));
        if !self.groups.is_empty() {
            let tables = self.groups.iter().map(|g| Value::Table(g.to_table())).collect();
            root.insert("group".into(), Value::Array(tables));
        }
    }

    /// The rule of each parameter, given with its name. A pattern that fits none
    /// is an error, and so is a model without anything left to learn.
    pub fn rules(&self, params: &[(String, Spec)]) -> Result<Vec<Rule>> {
        let mut rules: Vec<Rule> = params
            .iter()
            .map(|(_, spec)| {
                let plain = self.no_decay_on_norm_and_bias && spec.shape.rank() < 2;
                Rule { lr: 1.0, decay: if plain { 0.0 } else { 1.0 }, frozen: false }
            })
            .collect();
        let freeze = Group { patterns: self.freeze.clone(), frozen: Some(true), ..Group::default() };
        let named = |i| format!("[[group]] {i}: match");
        let all = [("[train]: freeze".to_string(), &freeze)];
        let all = all.into_iter().chain(self.groups.iter().enumerate().map(|(i, g)| (named(i + 1), g)));
        for (place, group) in all {
            for pattern in &group.patterns {
                let fit: Vec<usize> = (0..params.len()).filter(|&i| is_meant(pattern, &params[i].0)).collect();
                if fit.is_empty() {
                    return Err(fits_nothing(&place, pattern, params));
                }
                for i in fit {
                    let r = &mut rules[i];
                    r.lr = group.lr_factor.unwrap_or(r.lr);
                    r.decay = group.weight_decay_factor.unwrap_or(r.decay);
                    r.frozen = group.frozen.unwrap_or(r.frozen);
                }
            }
        }
        if rules.iter().all(|r| r.frozen) && !rules.is_empty() {
            return Err(Error::model("every parameter is frozen; nothing is left to learn"));
        }
        Ok(rules)
    }
}

impl Group {
    fn read(mut keys: Keys) -> Result<Group> {
        let place = keys.place().to_string();
        let patterns = patterns(&mut keys, "match")?.filter(|p| !p.is_empty());
        let patterns = patterns.ok_or_else(|| {
            Error::model(format!("{place}: the key \"match\" is missing; expected patterns such as [\"*.bias\"]"))
        })?;
        let group = Group {
            patterns,
            lr_factor: optional(&mut keys, "lr_factor")?,
            weight_decay_factor: optional(&mut keys, "weight_decay_factor")?,
            frozen: match keys.take("frozen") {
                None => None,
                Some(Value::Boolean(b)) => Some(b),
                Some(v) => return Err(Error::model(format!("{place}: frozen = {v}; expected true or false"))),
            },
        };
        keys.finish()?;
        Ok(group)
    }

    fn to_table(&self) -> Table {
        let mut table = Table::from_iter([("match".to_string(), list(&self.patterns))]);
        let mut put = |key: &str, value: Option<Value>| value.map(|v| table.insert(key.into(), v));
        put("lr_factor", self.lr_factor.map(Value::from));
        put("weight_decay_factor", self.weight_decay_factor.map(Value::from));
        put("frozen", self.frozen.map(Value::from));
        table
    }
}

/// The factors of learning rate and decay for each chunk of flat parameters of
/// `total` elements, which lie at these offsets. Frozen ones have 0 for both.
pub(super) fn factors(rules: &[Rule], params: &[(String, Spec)], offsets: &[usize], total: usize) -> Vec<f32> {
    let mut factors = vec![1.0; 2 * (total / FLAT_ALIGN)];
    for ((rule, (_, spec)), offset) in rules.iter().zip(params).zip(offsets) {
        let chunks = offset / FLAT_ALIGN..(offset + spec.elements()).div_ceil(FLAT_ALIGN);
        let (lr, decay) = if rule.frozen { (0.0, 0.0) } else { (rule.lr as f32, rule.decay as f32) };
        for chunk in chunks {
            factors[2 * chunk] = lr;
            factors[2 * chunk + 1] = decay;
        }
    }
    factors
}

/// Whether a pattern fits a parameter, by its name or by the one it had in earlier
/// versions: so `*.bias` is also of an attention's `in_proj_bias`, once
/// `in_proj.bias`.
fn is_meant(pattern: &str, name: &str) -> bool {
    fits(pattern, name) || former_name(name).is_some_and(|former| fits(pattern, &former))
}

/// Whether a pattern fits a name or the beginning of one that ends at a dot.
fn fits(pattern: &str, name: &str) -> bool {
    let ends = name.match_indices('.').map(|(i, _)| i).chain([name.len()]);
    let pattern: Vec<char> = pattern.chars().collect();
    ends.into_iter().any(|end| glob(&pattern, &name[..end].chars().collect::<Vec<_>>()))
}

/// `*` and `?` against a text, in time that is at worst their product.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

fn fits_nothing(place: &str, pattern: &str, params: &[(String, Spec)]) -> Error {
    const SHOWN: usize = 40;
    let names: Vec<&str> = params.iter().map(|(n, _)| n.as_str()).collect();
    let hint =
        nearest(pattern, names.iter().copied()).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or(".".into());
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let shown = names[..names.len().min(SHOWN)].join(", ");
    Error::model(format!("{place}: \"{pattern}\" fits no parameter{hint} The model has {shown}{more}"))
}

/// A string or a list of strings.
fn patterns(keys: &mut Keys, key: &'static str) -> Result<Option<Vec<String>>> {
    let place = keys.place().to_string();
    let wrong = |v: &Value| Error::model(format!("{place}: {key} = {v}; expected a pattern or a list of patterns"));
    match keys.take(key) {
        None => Ok(None),
        Some(Value::String(s)) => Ok(Some(vec![s])),
        Some(Value::Array(a)) => {
            let strings = a.iter().map(|v| v.as_str().map(String::from).ok_or_else(|| wrong(v)));
            strings.collect::<Result<Vec<_>>>().map(Some)
        }
        Some(v) => Err(wrong(&v)),
    }
}

fn list(patterns: &[String]) -> Value {
    Value::Array(patterns.iter().map(|p| p.clone().into()).collect())
}

/// A factor, if it is stated.
fn optional(keys: &mut Keys, key: &'static str) -> Result<Option<f64>> {
    let place = keys.place().to_string();
    let Some(v) = keys.take(key) else { return Ok(None) };
    let number = v.as_float().or(v.as_integer().map(|i| i as f64));
    let number = number.filter(|n| (0.0..=1e6).contains(n));
    number.map(Some).ok_or_else(|| Error::model(format!("{place}: {key} = {v}; expected a number from 0 to 1000000")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Vec<(String, Spec)> {
        let p = |name: &str, shape: &[usize]| (name.to_string(), Spec::f32(shape));
        vec![
            p("conv1.weight", &[8, 3, 3, 3]),
            p("conv1.bias", &[8]),
            p("block1.bn.weight", &[8]),
            p("block1.bn.bias", &[8]),
            p("head.weight", &[10, 70]),
        ]
    }

    fn read(text: &str) -> Result<Groups> {
        let mut root = Keys::new(text.parse().unwrap(), "configuration");
        let group = root.take("group");
        let mut train = Keys::new(root.table("train")?.unwrap_or_default(), "[train]");
        let groups = Groups::read(&mut train, group)?;
        train.finish()?;
        root.finish()?;
        Ok(groups)
    }

    const ALL: &str = r#"
        [train]
        no_decay_on_norm_and_bias = true
        freeze = ["*"]
        [[group]]
        match = "head"
        frozen = false
        lr_factor = 10
        [[group]]
        match = ["*.bias", "conv?.weight"]
        weight_decay_factor = 0.5
        lr_factor = 0.1
        frozen = false
    "#;

    #[test]
    fn later_rules_decide_what_they_state() {
        let rules = read(ALL).unwrap().rules(&params()).unwrap();
        let rule = |lr, decay, frozen| Rule { lr, decay, frozen };
        let expected = [
            rule(0.1, 0.5, false),
            rule(0.1, 0.5, false),
            rule(1.0, 0.0, true),
            rule(0.1, 0.5, false),
            rule(10.0, 1.0, false),
        ];
        assert_eq!(rules, expected);
        let factors = factors(&rules, &params(), &[0, 256, 320, 384, 448], 1152);
        assert_eq!(factors[..2], [0.1, 0.5]);
        assert_eq!(factors[2 * 5..][..6], [0.0, 0.0, 0.1, 0.5, 10.0, 1.0]);
        assert_eq!(factors[2 * 17..], [10.0, 1.0]);
    }

    #[test]
    fn settings_survive_their_tables() {
        for groups in [read(ALL).unwrap(), Groups::default()] {
            let (mut root, mut train) = (Table::new(), Table::new());
            groups.write(&mut root, &mut train);
            root.insert("train".into(), Value::Table(train));
            assert_eq!(read(&root.to_string()).unwrap(), groups);
        }
    }

    #[test]
    fn patterns_fit_names_and_what_parameters_belong_to() {
        for pattern in ["conv1", "conv1*", "*.weight", "c*1.w*t", "conv?", "*", "conv1.weight", "**1**"] {
            assert!(fits(pattern, "conv1.weight"), "{pattern}");
        }
        for pattern in ["conv", "weight", "conv1.", "conv2*", "?", "", "conv1.weight?", "onv1"] {
            assert!(!fits(pattern, "conv1.weight"), "{pattern}");
        }
        assert!(fits("block1", "block1.bn.weight") && fits("block1.bn", "block1.bn.weight"));
        // What a pattern of an earlier version was of, it still is of.
        for pattern in ["*.bias", "block1.attn", "*.in_proj.bias", "block1.self_attn.in_proj_bias"] {
            assert!(is_meant(pattern, "block1.self_attn.in_proj_bias"), "{pattern}");
        }
        assert!(!is_meant("*.weight", "block1.self_attn.in_proj_bias"));
        // Many stars against a long name end soon.
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199).replace('a', "ab")));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| match read(text).and_then(|g| g.rules(&params())) {
            Ok(_) => String::new(),
            Err(e) => e.to_string(),
        };
        let found = error("[train]\nfreeze = \"convolution1\"");
        assert!(found.contains("[train]: freeze: \"convolution1\" fits no parameter"), "{found}");
        assert!(found.contains("conv1.weight, conv1.bias, block1.bn.weight"), "{found}");
        assert!(error("[train]\nfreeze = \"*\"").contains("every parameter is frozen"));
        assert!(error("[[group]]\nlr_factor = 1").contains("[[group]] 1: the key \"match\" is missing"));
        assert!(error("[[group]]\nmatch = \"*\"\nlr_facto = 1").contains("lr_factor"));
        assert!(error("[[group]]\nmatch = \"*\"\nlr_factor = -1").contains("lr_factor = -1; expected a number from 0"));
        assert!(error("[[group]]\nmatch = 3").contains("expected a pattern"));
        assert!(error("group = 3").contains("expected [[group]] tables"));
    }
}
