//! Which adapter a name stands for.

use crate::error::{Error, Result};
use crate::kernel::Class;

/// What is known of an adapter.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub class: Class,
}

/// What is taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The number of the adapter; `None` for the CPU executor.
    pub adapter: Option<usize>,
    /// The others that the name fits as well.
    pub others: Vec<usize>,
}

/// Whether the CPU executor is asked for by name.
pub fn is_cpu(wanted: &str) -> bool {
    wanted.trim().eq_ignore_ascii_case("cpu")
}

/// The adapter that is asked for by number or name; see
/// [`Device::open`](super::Device::open). A number that no adapter has is looked for
/// in the names; a whole name goes before parts of names.
///
/// Fails when there is none of that number or name.
pub fn choose(wanted: &str, found: &[Listed]) -> Result<Choice> {
    let (typed, wanted) = (wanted.trim(), wanted.trim().to_lowercase());
    let one = |adapter| Ok(Choice { adapter, others: vec![] });
    if is_cpu(&wanted) {
        return one(None);
    }
    if wanted.is_empty() || wanted == "auto" {
        let first = |class| found.iter().position(|a| a.class == class);
        return one(first(Class::Discrete).or_else(|| first(Class::Integrated)));
    }
    let is_number = wanted.bytes().all(|b| b.is_ascii_digit());
    if let (true, Ok(number)) = (is_number, wanted.parse::<usize>())
        && number < found.len()
    {
        return one(Some(number));
    }
    let named = |fits: &dyn Fn(&str) -> bool| {
        (0..found.len()).filter(|&i| fits(&found[i].name.to_lowercase())).collect::<Vec<usize>>()
    };
    let mut fitting = named(&|name| name.trim() == wanted);
    if fitting.is_empty() {
        fitting = named(&|name| name.contains(&wanted));
    }
    if fitting.is_empty() {
        let all: String = found.iter().enumerate().map(|(i, a)| format!(", {i} = {}", a.name)).collect();
        return Err(Error::device(format!(
            "no device \"{typed}\": no adapter has that number, nor a name with that in it; there are: auto, cpu{all}. \
             Without a GPU driver only the CPU is listed"
        )));
    }
    Ok(Choice { adapter: Some(fitting.remove(0)), others: fitting })
}

/// The adapter of a rank of those on this machine, where `first` is that of the first: the next of its
/// kind, unless one is asked for by number or name.
pub fn of_rank(wanted: &str, found: &[Listed], first: usize, rank: usize) -> usize {
    if !matches!(wanted.trim().to_lowercase().as_str(), "" | "auto") {
        return first;
    }
    let alike: Vec<usize> = (0..found.len()).filter(|&i| found[i].class == found[first].class).collect();
    alike[rank % alike.len()]
}

/// What is said of a name that fits several adapters.
pub fn said(wanted: &str, found: &[Listed], taken: Option<usize>, others: &[usize]) -> String {
    let name = |i: &usize| format!("{i} = {}", found[*i].name);
    let (taken, others): (Vec<String>, Vec<String>) =
        (taken.iter().map(name).collect(), others.iter().map(name).collect());
    format!(
        "device \"{}\" is the name of several adapters; {} is taken, not {}: say its number for another",
        wanted.trim(),
        taken.concat(),
        others.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: [(&str, Class); 2] =
        [("NVIDIA GeForce RTX 4090", Class::Discrete), ("AMD Radeon RX 7600 XT (RADV GFX1102)", Class::Discrete)];
    const LAPTOP: [(&str, Class); 4] = [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", Class::Cpu),
        ("Intel(R) Arc(tm) Graphics", Class::Integrated),
        ("NVIDIA H200", Class::Discrete),
        ("NVIDIA H200 NVL", Class::Discrete),
    ];

    #[test]
    fn ranks_take_turns_among_the_adapters_of_a_kind() {
        let found = listed(&LAPTOP);
        let of = |wanted: &str, first: usize| (0..4).map(|r| of_rank(wanted, &found, first, r)).collect::<Vec<_>>();
        assert_eq!(of("auto", 2), [2, 3, 2, 3]);
        assert_eq!(of("", 1), [1, 1, 1, 1]);
        assert_eq!(of("3", 3), [3, 3, 3, 3]);
    }

    fn listed<'a>(all: &[(&'a str, Class)]) -> Vec<Listed<'a>> {
        all.iter().map(|&(name, class)| Listed { name, class }).collect()
    }

    /// The adapter taken and the others; the message where it is refused.
    fn taken(wanted: &str, all: &[(&str, Class)]) -> Result<(Option<usize>, Vec<usize>), String> {
        choose(wanted, &listed(all)).map(|c| (c.adapter, c.others)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_number_is_an_index_or_part_of_a_name() {
        let one = |wanted: &str, i: usize| assert_eq!(taken(wanted, &TWO), Ok((Some(i), vec![])), "{wanted}");
        for (wanted, i) in [("0", 0), ("1", 1), (" 1 ", 1), ("4090", 0), ("7600", 1), ("rtx 4090", 0), ("RaDeOn", 1)] {
            one(wanted, i);
        }
        // An index goes before a name that holds the number.
        assert_eq!(taken("1", &LAPTOP), Ok((Some(1), vec![])));
        assert_eq!(taken("256", &LAPTOP), Ok((Some(0), vec![])));
        for wanted in ["3", "4091", "-1", "+1", "99999999999999999999999", "gtx"] {
            let said = taken(wanted, &TWO).unwrap_err();
            assert!(said.contains(&format!("no device \"{wanted}\"")), "{said}");
            assert!(said.contains("auto, cpu, 0 = NVIDIA GeForce RTX 4090, 1 = AMD"), "{said}");
        }
    }

    #[test]
    fn nothing_said_is_auto() {
        for wanted in ["", "  ", "\t", "auto", "AUTO "] {
            assert_eq!(taken(wanted, &LAPTOP), Ok((Some(2), vec![])), "{wanted:?}");
            assert_eq!(taken(wanted, &LAPTOP[..2]), Ok((Some(1), vec![])), "{wanted:?}");
            assert_eq!(taken(wanted, &LAPTOP[..1]), Ok((None, vec![])), "{wanted:?}");
            assert_eq!(taken(wanted, &[]), Ok((None, vec![])), "{wanted:?}");
        }
        assert_eq!(taken(" CPU", &LAPTOP), Ok((None, vec![])));
        assert!(is_cpu(" cpu ") && !is_cpu("") && !is_cpu("cpu0"));
    }

    #[test]
    fn names_that_fit_several_are_said() {
        assert_eq!(taken("nvidia", &LAPTOP), Ok((Some(2), vec![3])));
        assert_eq!(taken("h200 n", &LAPTOP), Ok((Some(3), vec![])));
        // A whole name is no part of another.
        assert_eq!(taken("NVIDIA H200", &LAPTOP), Ok((Some(2), vec![])));
        // One adapter through two interfaces.
        let twice = [TWO[0], TWO[0]];
        assert_eq!(taken(TWO[0].0, &twice), Ok((Some(0), vec![1])));
        let said = said(" nvidia", &listed(&LAPTOP), Some(2), &[3]);
        assert!(
            said.starts_with("device \"nvidia\" is the name of several adapters; 2 = NVIDIA H200 is taken"),
            "{said}"
        );
        assert!(said.contains("not 3 = NVIDIA H200 NVL"), "{said}");
    }
}
