//! How much each class counts in the loss, so that rare classes are not
//! drowned by common ones.

use crate::error::{Error, Result, unknown};
use crate::keys::Keys;
use toml::{Table, Value};

/// The weights of the classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ClassWeights {
    /// Every sample counts the same.
    #[default]
    None,
    /// Every class counts the same: `n / (k count)` for a class of `count` among
    /// `n` samples of `k` classes, as in scikit-learn.
    Balanced,
    /// A weight for each class, in their order.
    List(Vec<f64>),
    /// Weights of classes by name; the others have 1.
    Named(Vec<(String, f64)>),
}

/// Weights in the order of the classes, and what the user should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// One weight per class.
    pub weights: Vec<f32>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

const EXPECTED: &str = "expected \"none\", \"balanced\", a list of weights, or a table of weights by class name";

impl ClassWeights {
    /// Reads `class_weights` of `[loss]`.
    pub fn read(keys: &mut Keys) -> Result<ClassWeights> {
        let place = keys.place().to_string();
        let wrong = |v: &Value| Error::model(format!("{place}: class_weights = {v}; {EXPECTED}"));
        let weight = |v: &Value| {
            let number = v.as_float().or(v.as_integer().map(|i| i as f64));
            number.filter(|w| (0.0..=1e9).contains(w)).ok_or_else(|| {
                Error::model(format!("{place}: class_weights holds {v}; expected a number from 0 to 1000000000"))
            })
        };
        match keys.take("class_weights") {
            None => Ok(ClassWeights::None),
            Some(Value::String(s)) if s == "none" => Ok(ClassWeights::None),
            Some(Value::String(s)) if s == "balanced" => Ok(ClassWeights::Balanced),
            Some(Value::Array(a)) => Ok(ClassWeights::List(a.iter().map(weight).collect::<Result<_>>()?)),
            Some(Value::Table(t)) => {
                let named = t.iter().map(|(name, v)| Ok((name.clone(), weight(v)?)));
                Ok(ClassWeights::Named(named.collect::<Result<_>>()?))
            }
            Some(v) => Err(wrong(&v)),
        }
    }

    /// As the value of `class_weights`.
    pub fn to_value(&self) -> Value {
        match self {
            ClassWeights::None => "none".into(),
            ClassWeights::Balanced => "balanced".into(),
            ClassWeights::List(w) => Value::Array(w.iter().map(|&w| w.into()).collect()),
            ClassWeights::Named(w) => Value::Table(w.iter().map(|(n, w)| (n.clone(), (*w).into())).collect::<Table>()),
        }
    }

    /// The weight of each class, given the training set's labels; `None` where
    /// no weights are asked for. A label beyond the classes counts nowhere.
    pub fn resolve(&self, classes: &[String], labels: &[u32]) -> Result<Option<Resolved>> {
        let mut notes = vec![];
        let weights: Vec<f64> = match self {
            ClassWeights::None => return Ok(None),
            ClassWeights::Balanced => balanced(classes, labels, &mut notes),
            ClassWeights::List(w) if w.len() == classes.len() => w.clone(),
            ClassWeights::List(w) => {
                let (found, k) = (w.len(), classes.len());
                let names = classes.join(", ");
                return Err(Error::model(format!(
                    "[loss]: class_weights has {found} weights; the data has {k} classes: {names}"
                )));
            }
            ClassWeights::Named(named) => {
                let mut weights = vec![1.0; classes.len()];
                for (name, w) in named {
                    let at = classes.iter().position(|c| c == name);
                    let at = at.ok_or_else(|| {
                        unknown("class", name, classes.iter().map(String::as_str)).context("[loss]: class_weights")
                    })?;
                    weights[at] = *w;
                }
                weights
            }
        };
        if !weights.iter().any(|w| *w > 0.0) {
            return Err(Error::model("[loss]: class_weights are all 0; nothing would be learnt"));
        }
        Ok(Some(Resolved { weights: weights.into_iter().map(|w| w as f32).collect(), notes }))
    }
}

/// scikit-learn's rule. A class without samples gets weight 0 and a note; the
/// others share the weight out among themselves.
fn balanced(classes: &[String], labels: &[u32], notes: &mut Vec<String>) -> Vec<f64> {
    let mut counts = vec![0usize; classes.len()];
    for &l in labels {
        if let Some(count) = counts.get_mut(l as usize) {
            *count += 1;
        }
    }
    let (n, k) = (counts.iter().sum::<usize>(), counts.iter().filter(|c| **c > 0).count());
    for (class, _) in classes.iter().zip(&counts).filter(|(_, c)| **c == 0) {
        notes.push(format!("no training sample is of class \"{class}\"; its weight is 0"));
    }
    counts.iter().map(|&c| if c == 0 { 0.0 } else { n as f64 / (k as f64 * c as f64) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClassWeights> {
        let mut keys = Keys::new(text.parse().unwrap(), "[loss]");
        let read = ClassWeights::read(&mut keys)?;
        keys.finish()?;
        Ok(read)
    }

    fn classes() -> Vec<String> {
        ["cat", "dog", "owl"].map(String::from).into()
    }

    #[test]
    fn balanced_is_scikit_learns() {
        // sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 2], y=[0]*6+[1]*3+[2])
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        let found = ClassWeights::Balanced.resolve(&classes(), &labels).unwrap().unwrap();
        assert_eq!(found.weights, [0.555_555_6, 1.111_111_2, 3.333_333_3]);
        assert!(found.notes.is_empty());
        let found = ClassWeights::Balanced.resolve(&classes(), &[0, 0, 0, 2, 99]).unwrap().unwrap();
        assert_eq!(found.weights, [2.0 / 3.0, 0.0, 2.0]);
        assert_eq!(found.notes, ["no training sample is of class \"dog\"; its weight is 0"]);
    }

    #[test]
    fn weights_are_given_in_order_or_by_name() {
        let resolve = |text: &str| read(text)?.resolve(&classes(), &[0, 1, 2]);
        let weights = |text: &str| resolve(text).unwrap().map(|r| r.weights);
        let error = |text: &str| resolve(text).unwrap_err().to_string();
        assert_eq!(weights(""), None);
        assert_eq!(weights("class_weights = \"none\""), None);
        assert_eq!(weights("class_weights = [1, 2.5, 0]"), Some(vec![1.0, 2.5, 0.0]));
        assert_eq!(weights("class_weights = { owl = 3 }"), Some(vec![1.0, 1.0, 3.0]));
        assert!(error("class_weights = [1, 2]").contains("2 weights; the data has 3 classes: cat, dog, owl"));
        assert!(error("class_weights = { ow = 3 }").contains("did you mean \"owl\"?"));
        assert!(error("class_weights = { owl = -3 }").contains("holds -3"));
        assert!(error("class_weights = [0, 0, 0]").contains("all 0"));
        assert!(error("class_weights = \"balance\"").contains("expected \"none\", \"balanced\""));
        assert!(ClassWeights::Balanced.resolve(&classes(), &[]).is_err());
    }

    #[test]
    fn settings_survive_their_value() {
        for text in ["", "class_weights = \"balanced\"", "class_weights = [1.0, 2.0]", "class_weights = { a = 1.5 }"] {
            let weights = read(text).unwrap();
            let table = Table::from_iter([("class_weights".to_string(), weights.to_value())]);
            assert_eq!(read(&table.to_string()).unwrap(), weights);
        }
    }
}
