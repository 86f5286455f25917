//! Faults on purpose, so that tests see what becomes of a training whose device fails. Off
//! unless `WGRAD_INJECT` is set, or a test asks for it (`Gpu::inject`).
//!
//! `lost@40,memory@3` destroys the device before the 40th submit, and lets the third buffer
//! fail as if there were no memory left. `refused@N` is the Nth pipeline that is compiled,
//! `silent@N` the Nth wait, which ends as if the device had not answered. The passages are
//! counted from when the faults are injected, through all devices that follow one another.
//! `budget@N` is no fault: the driver says that it leaves N bytes to this process.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The variable.
const VARIABLE: &str = "WGRAD_INJECT";

/// Where a fault may be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before a submit.
    Submit,
    /// When a buffer is made.
    Buffer,
    /// When a pipeline is compiled.
    Pipeline,
    /// When somebody waits.
    Wait,
}

const NAMES: [(&str, Point); 4] =
    [("lost", Point::Submit), ("memory", Point::Buffer), ("refused", Point::Pipeline), ("silent", Point::Wait)];

/// What the driver's budget is called among the faults.
const BUDGET: &str = "budget";

/// The faults to come.
pub(crate) struct Injector {
    due: Vec<(Point, u64)>,
    budget: Option<u64>,
    passed: [AtomicU64; NAMES.len()],
}

impl Injector {
    /// Reads faults as they are written above.
    pub fn parse(text: &str) -> Result<Injector> {
        let names = NAMES.map(|(name, _)| name).join(", ");
        let wrong = || {
            Error::usage(format!(
                "{VARIABLE} = \"{text}\": expected faults with the passage at which each is injected, such as \
                 \"lost@40,memory@3\", of {names}; it is for tests: unset it to train"
            ))
        };
        let mut all = Injector { due: vec![], budget: None, passed: Default::default() };
        for part in text.split(',') {
            let (name, number) = part.trim().split_once('@').ok_or_else(wrong)?;
            let number: u64 = number.parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
            match NAMES.iter().find(|(n, _)| *n == name) {
                Some((_, point)) => all.due.push((*point, number)),
                None if name == BUDGET => all.budget = Some(number),
                None => return Err(wrong()),
            }
        }
        Ok(all)
    }

    /// What the driver is to say that it leaves to this process, in bytes.
    pub fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// What the environment asks for, the same for all devices of the process.
    pub fn of_environment() -> Result<Option<Arc<Injector>>> {
        static ONE: OnceLock<Option<Arc<Injector>>> = OnceLock::new();
        let Some(text) = std::env::var(VARIABLE).ok().filter(|t| !t.is_empty()) else { return Ok(None) };
        if let Some(one) = ONE.get() {
            return Ok(one.clone());
        }
        let injector = Arc::new(Injector::parse(&text)?);
        Ok(ONE.get_or_init(|| Some(injector)).clone())
    }

    /// Counts a passage, and says whether a fault is due at it.
    pub fn is_due(&self, point: Point) -> bool {
        let at = NAMES.iter().position(|(_, p)| *p == point).expect("every point has a name");
        let passage = self.passed[at].fetch_add(1, Ordering::Relaxed) + 1;
        self.due.contains(&(point, passage))
    }

    /// Passages of each point so far.
    pub fn passages(&self) -> [u64; NAMES.len()] {
        [0, 1, 2, 3].map(|at| self.passed[at].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_due_at_their_passage_alone() {
        let injector = Injector::parse("lost@2, lost@3,memory@1").unwrap();
        let submits: Vec<bool> = (0..4).map(|_| injector.is_due(Point::Submit)).collect();
        assert_eq!(submits, [false, true, true, false]);
        assert!(injector.is_due(Point::Buffer) && !injector.is_due(Point::Buffer));
        assert!(!injector.is_due(Point::Wait) && !injector.is_due(Point::Pipeline));
        assert_eq!(injector.budget(), None);
        assert_eq!(Injector::parse("budget@4096,lost@2").unwrap().budget(), Some(4096));
    }

    #[test]
    fn a_misspelt_fault_is_an_error() {
        for text in ["", "lost", "lost@0", "lost@x", "gone@3", "lost@1,,"] {
            let said = Injector::parse(text).err().expect(text).to_string();
            assert!(said.contains("WGRAD_INJECT") && said.contains("refused"), "{said}");
        }
    }
}
