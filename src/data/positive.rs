//! Which of two classes is the positive one: the class that precision, recall and F1
//! are of.

use super::alike;
use super::table::TRUTH;
use crate::error::{Error, Result, nearest};

/// Pairs besides those of truth values: what is found, and its absence.
const PAIRS: &[[&str; 2]] =
    &[["positive", "negative"], ["pos", "neg"], ["+", "-"], ["1", "-1"], ["abnormal", "normal"]];
/// What makes the absence of a word that follows.
const NOT: &[&str] = &["no", "not", "non", "un"];
/// Classes that a message lists.
const LISTED: usize = 20;

/// The positive class of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positive {
    /// Its name.
    pub class: String,
    /// How it was chosen, if nobody said.
    pub note: Option<String>,
}

impl Positive {
    /// The class that was asked for; without one, of two classes that which reads like
    /// "yes", else the rarer one, else the second. `None` where there are more classes.
    /// With `alike` a class is also found by a name that is read like its own.
    ///
    /// Fails when the class that is asked for is none of two.
    pub fn choose(names: &[String], counts: &[usize], asked: Option<&str>, alike: bool) -> Result<Option<Positive>> {
        if let Some(asked) = asked {
            let class = place(names, asked, alike)?;
            return Ok(Some(Positive { class: names[class].clone(), note: None }));
        }
        let ([first, second], &[few, many]) = (names, counts) else { return Ok(None) };
        let rows = few + many;
        let (class, why) = match (reads_like_yes(first, second), reads_like_yes(second, first), few.cmp(&many)) {
            (false, true, _) => (1, "it reads like \"yes\"".to_string()),
            (true, false, _) => (0, "it reads like \"yes\"".to_string()),
            (_, _, std::cmp::Ordering::Less) => (0, format!("the rarer one, {few} of {rows} rows")),
            (_, _, std::cmp::Ordering::Greater) => (1, format!("the rarer one, {many} of {rows} rows")),
            _ => (1, "the second of two equally frequent ones".to_string()),
        };
        let (class, other) = (names[class].clone(), &names[1 - class]);
        let note = format!(
            "the positive class is \"{class}\" ({why}): precision, recall and F1 are of it; --positive \"{other}\", or \
             positive in [data], makes it the other one"
        );
        Ok(Some(Positive { class, note: Some(note) }))
    }
}

/// The place of a class that is asked for.
///
/// Fails with the classes there are, when it is none of two.
pub fn place(names: &[String], asked: &str, alike: bool) -> Result<usize> {
    let list = || {
        let shown: Vec<String> = names.iter().take(LISTED).map(|n| format!("\"{n}\"")).collect();
        let more = if names.len() > LISTED { format!(" and {} more", names.len() - LISTED) } else { String::new() };
        shown.join(", ") + &more
    };
    if names.len() != 2 {
        return Err(Error::usage(format!(
            "positive class \"{asked}\": there are {} classes ({}), and a positive one is for two; leave it out",
            names.len(),
            list()
        )));
    }
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let equal = |name: &String| number(name).is_some_and(|n| number(asked) == Some(n));
    let found = alike::place(asked, names, alike).or_else(|| names.iter().position(equal));
    found.ok_or_else(|| {
        let near = nearest(asked, names.iter().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
        Error::usage(format!("positive class \"{asked}\": there is no such class; {hint}The classes are {}", list()))
    })
}

/// Whether of two classes the first says that something is so and the second that it
/// is not.
fn reads_like_yes(yes: &str, no: &str) -> bool {
    let [yes, no] = [yes, no].map(|name| {
        let name = name.trim().to_lowercase();
        match name.parse::<f64>() {
            Ok(n) if n.fract() == 0.0 && n.abs() < 10.0 => (n as i64).to_string(),
            _ => name,
        }
    });
    if TRUTH.iter().chain(PAIRS).any(|pair| *pair == [yes.as_str(), no.as_str()]) {
        return true;
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (yes, no) = (letters(&yes), letters(&no));
    !yes.is_empty() && NOT.iter().any(|not| no.strip_prefix(not) == Some(&yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(first: &str, second: &str, counts: [usize; 2]) -> (String, String) {
        let names = [first.to_string(), second.to_string()];
        let found = Positive::choose(&names, &counts, None, false).unwrap().expect("there are two");
        (found.class, found.note.expect("nobody asked"))
    }

    #[test]
    fn it_reads_like_yes_or_is_the_rarer_one() {
        for (first, second, expected) in [
            ("no", "yes", "yes"),
            ("Yes", "No", "Yes"),
            ("-1", "1", "1"),
            ("0", "1", "1"),
            ("1.0", "0.0", "1.0"),
            ("True", "False", "True"),
            ("ja", "nein", "ja"),
            ("negative", "positive", "positive"),
            ("approved", "not approved", "approved"),
            ("non-smoker", "smoker", "smoker"),
        ] {
            let (class, note) = chosen(first, second, [3, 90]);
            assert!(class == expected && note.contains("reads like"), "{first}, {second}: {note}");
            assert_eq!(chosen(first, second, [90, 3]).0, expected);
        }
        let (class, note) = chosen("fraud", "ok", [40, 200]);
        assert!(
            class == "fraud" && note.contains("the rarer one, 40 of 240 rows") && note.contains("--positive \"ok\"")
        );
        assert_eq!(chosen("benign", "malignant", [357, 212]).0, "malignant");
        let (class, note) = chosen("cat", "dog", [5, 5]);
        assert!(class == "dog" && note.contains("equally frequent"), "{note}");
        // Numbers of classes are no truth values.
        assert_eq!(chosen("1", "2", [2, 3]).0, "1");
        let three: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(Positive::choose(&three, &[1, 1, 1], None, false).unwrap(), None);
    }

    #[test]
    fn a_class_that_is_asked_for_is_there_or_is_refused() {
        let names: Vec<String> = ["fraud", "ok"].map(String::from).to_vec();
        let ask = |class: &str, alike| Positive::choose(&names, &[1, 9], Some(class), alike);
        assert_eq!(ask("ok", false).unwrap(), Some(Positive { class: "ok".into(), note: None }));
        assert_eq!(ask("OK", true).unwrap().unwrap().class, "ok");
        let message = ask("frod", false).unwrap_err().to_string();
        assert!(message.contains("did you mean \"fraud\"?") && message.contains("\"fraud\", \"ok\""), "{message}");
        let numbers: Vec<String> = ["0.0", "1.0"].map(String::from).to_vec();
        assert_eq!(place(&numbers, "0", false).unwrap(), 0);
        let three: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let message = Positive::choose(&three, &[1; 3], Some("a"), false).unwrap_err().to_string();
        assert!(message.contains("there are 3 classes (\"a\", \"b\", \"c\")"), "{message}");
    }
}
