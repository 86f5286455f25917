//! Names of a file's tensors as those of a model.

use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// Beginnings of names and what takes their place: `model.=,encoder.=enc.` takes
/// `model.` away, and makes `enc.` of `encoder.`. Of several that fit a name the
/// first in the list is taken; what none fits keeps its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NameMap {
    rules: Vec<(String, String)>,
}

impl NameMap {
    /// Reads pairs `FROM=TO`, separated by commas.
    pub fn parse(text: &str) -> Result<NameMap> {
        let rule = |pair: &str| match pair.trim().split_once('=') {
            Some((from, to)) if !to.contains('=') && (from, to) != ("", "") => Ok((from.to_string(), to.to_string())),
            _ => Err(Error::usage(format!(
                "--init-map \"{text}\": \"{pair}\" is no pair FROM=TO; expected beginnings of names, such as \"model.=\" to \
                 take model. away, \"=net.\" to put net. in front, or \"encoder.=enc.,decoder.=dec.\""
            ))),
        };
        let rules: Vec<(String, String)> = text.split(',').map(rule).collect::<Result<_>>()?;
        for (i, (from, _)) in rules.iter().enumerate() {
            if let Some((earlier, _)) = rules[..i].iter().find(|(earlier, _)| from.starts_with(earlier.as_str())) {
                return Err(Error::usage(format!(
                    "--init-map \"{text}\": \"{earlier}=\" stands first and fits whatever begins with \"{from}\"; put \
                     \"{from}=\" before it"
                )));
            }
        }
        Ok(NameMap { rules })
    }

    /// What a name becomes.
    pub fn apply(&self, name: &str) -> String {
        let fits = |(from, to): &(String, String)| Some(format!("{to}{}", name.strip_prefix(from.as_str())?));
        self.rules.iter().find_map(fits).unwrap_or_else(|| name.into())
    }

    /// The beginning of a rule by which none of these names goes.
    pub(super) fn unused<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<&str> {
        let rule = |name: &str| self.rules.iter().position(|(from, _)| name.starts_with(from.as_str()));
        let used: BTreeSet<usize> = names.filter_map(rule).collect();
        let unused = (0..self.rules.len()).find(|i| !used.contains(i))?;
        Some(&self.rules[unused].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_replaced_once() {
        let map = NameMap::parse("model.head.=out.,model.=, encoder.=enc.").unwrap();
        for (name, wanted) in [
            ("model.head.weight", "out.weight"),
            ("model.model.conv1.weight", "model.conv1.weight"),
            ("encoder.bias", "enc.bias"),
            ("other.encoder.bias", "other.encoder.bias"),
        ] {
            assert_eq!(map.apply(name), wanted);
        }
        assert_eq!(NameMap::default().apply("a.b"), "a.b");
        assert_eq!(NameMap::parse("=net.").unwrap().apply("a.b"), "net.a.b");
        assert_eq!(map.unused(["model.head.a", "model.b", "encoder"].into_iter()), Some("encoder."));
        assert_eq!(map.unused(["model.head.a", "encoder.b"].into_iter()), None);
    }

    #[test]
    fn what_is_no_pair_or_never_fits_is_refused() {
        for text in ["", "model.", "a=b=c", "a=b,", "="] {
            let found = NameMap::parse(text).unwrap_err().to_string();
            assert!(found.contains("is no pair FROM=TO"), "{text}: {found}");
        }
        let found = NameMap::parse("model.=,model.head.=out.").unwrap_err().to_string();
        assert!(found.contains("put \"model.head.=\" before it"), "{found}");
    }
}
