use super::super::{ReadOptions, TableAudit, Task};
use super::*;
use crate::tensor::random::Random;

fn found(text: &str) -> Vec<Leak> {
    with(text, |_| {})
}

fn with(text: &str, change: impl Fn(&mut TableOptions)) -> Vec<Leak> {
    let table = Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
    let mut options = TableOptions::default();
    change(&mut options);
    leaks(&table, &options).unwrap()
}

/// What is found where the target is numbers.
fn values(text: &str) -> Vec<Leak> {
    with(text, |o| o.task = Task::Regression)
}

/// A table of columns of cells, under these names.
fn text(names: &str, rows: usize, mut row: impl FnMut(usize, &mut Random) -> String) -> String {
    let mut r = Random::new(1, crate::tensor::random::stream::CASES);
    let rows: String = (0..rows).map(|i| row(i, &mut r) + "\n").collect();
    format!("{names}\n{rows}")
}

#[test]
fn that_a_cell_is_there_tells_the_class() {
    // As lifeboats are known of those who were saved.
    let boats = |wrong: usize| {
        text("age,boat,saved", 500, |i, r| {
            let saved = i % 5 < 2;
            let boat = if saved != (i % 500 < wrong) { format!("{}", r.below(20)) } else { String::new() };
            format!("{:.1},{boat},{}", 30.0 + 10.0 * r.normal(), if saved { "yes" } else { "no" })
        })
    };
    let leaks = found(&boats(12));
    assert_eq!((leaks.len(), leaks[0].by, &leaks[0].columns[..]), (1, By::Presence, &["boat".to_string()][..]));
    assert!((leaks[0].share - 0.976).abs() < 1e-9 && leaks[0].guess == Some(0.6), "{leaks:?}");
    let finding = &leaks[0].finding;
    assert!(finding.contains("97.6 %") && finding.contains("60.0 %") && finding.contains("drop it"), "{finding}");
    // The audit says so, in words and as data.
    let table = Table::parse("t.csv", boats(12).as_bytes(), &ReadOptions::default()).unwrap();
    let audit = TableAudit::new(&table, &TableOptions::default()).unwrap();
    assert!(audit.hints.contains(finding) && audit.leaks == leaks);
    assert_eq!(serde_json::to_value(&audit).unwrap()["leaks"][0]["by"], "presence");
    // What is dropped is no finding any more.
    assert_eq!(with(&boats(12), |o| o.cleaning.drop.push("boat".into())), []);
    // A presence that says much, as a cabin's does, is a feature.
    assert_eq!(found(&boats(100)), []);
}

#[test]
fn a_threshold_tells_the_class() {
    let paid = |wrong: usize| {
        text("age,paid,late", 600, |i, r| {
            let late = i % 10 < 3;
            let paid = if late != (i < wrong) { r.uniform(31.0, 90.0) } else { r.uniform(1.0, 30.9) };
            format!("{:.1},{paid:.2},{}", 30.0 + 10.0 * r.normal(), late)
        })
    };
    let leaks = found(&paid(2));
    assert_eq!((leaks.len(), leaks[0].by, &leaks[0].columns[..]), (1, By::Value, &["paid".to_string()][..]));
    assert!((leaks[0].share - 598.0 / 600.0).abs() < 1e-9, "{leaks:?}");
    assert!(leaks[0].finding.contains("\"paid\" alone tells the target of 99.7 % of the rows"), "{leaks:?}");
    // Right in 96 %: strong, and no leak.
    assert_eq!(found(&paid(24)), []);
    // Three classes have two thresholds.
    let grade = text("points,noise,grade", 400, |i, r| {
        let points = f64::from(r.uniform(0.0, 100.0));
        let grade = if points < 37.0 {
            "C"
        } else if points < 71.3 {
            "B"
        } else {
            "A"
        };
        format!("{points:.1},{:.2},{}", r.normal(), if i == 7 { "C" } else { grade })
    });
    assert_eq!(found(&grade).iter().map(|l| l.columns[0].as_str()).collect::<Vec<_>>(), ["points"]);
    // One class in a hundred, and a column that tells it.
    let rare = text("x,checked,fraud", 2000, |i, r| {
        format!("{:.3},{},{}", r.normal(), if i % 100 == 3 { "by hand" } else { "no" }, u8::from(i % 100 == 3))
    });
    assert_eq!(found(&rare).iter().map(|l| l.columns[0].as_str()).collect::<Vec<_>>(), ["checked"]);
}

#[test]
fn a_target_is_computed_from_two_columns() {
    let mean = |digits: usize, noise: f32| {
        text("low,high,wind,mean", 300, |_, r| {
            let (low, more) = (10.0 + 8.0 * r.normal(), 6.0 + 3.0 * r.normal());
            let mean = low + more / 2.0 + noise * r.normal();
            format!("{low:.1},{:.1},{:.1},{mean:.digits$}", low + more, 5.0 + r.normal())
        })
    };
    for digits in [1, 0] {
        let leaks = values(&mean(digits, 0.0));
        assert_eq!((leaks.len(), leaks[0].by), (1, By::Formula), "{leaks:?}");
        let mut columns = leaks[0].columns.clone();
        columns.sort();
        assert_eq!(columns, ["high", "low"]);
        let finding = &leaks[0].finding;
        let found = finding.contains("0.5 * \"low\"") && finding.contains("0.5 * \"high\"");
        assert!(leaks[0].share > 0.998 && (found || digits == 0), "{finding}");
        assert!(finding.contains("computed from") && finding.contains("drop them"), "{finding}");
    }
    // With a spread of its own it is a target like others.
    assert_eq!(values(&mean(1, 1.0)), []);
    // A difference of columns that are nearly alike, and a count that is a sum.
    let change = text("opening,closing,change", 200, |_, r| {
        let opening = 1000.0 + 50.0 * r.normal();
        let change = r.normal();
        format!("{opening:.3},{:.3},{change:.3}", opening + change)
    });
    let finding = &values(&change)[0].finding;
    assert!(finding.contains("-1 * \"opening\"") && finding.contains("1 * \"closing\""), "{finding}");
    let sum = text("casual,registered,count", 200, |_, r| {
        let (a, b) = (r.below(300), r.below(900));
        format!("{a},{b},{}", a + b)
    });
    assert!(
        values(&sum)[0].finding.contains("1 * \"registered\" + 1 * \"casual\" gives 100.00 %"),
        "{:?}",
        values(&sum)
    );
    // The target on another scale.
    let logarithm = text("log,x,y", 100, |i, r| {
        let y = 1.0 + (i as f64) * (i as f64);
        format!("{:.6},{:.3},{y}", y.ln(), r.normal())
    });
    assert!(
        values(&logarithm)[0].finding.contains("\"log\" is the target in other words (correlation of ranks 1.0000)")
    );
}

#[test]
fn a_target_is_the_product_or_the_ratio_of_two_columns() {
    let table = |target: &dyn Fn(f64, f64) -> f64| {
        let row = |i: usize| {
            let (price, qty) = (1.0 + (i * 37 % 101) as f64 / 4.0, 1.0 + (i * 53 % 89) as f64);
            format!("{price},{qty},{},{:.2}\n", i * 29 % 83, target(price, qty))
        };
        let text = (0..200).fold("price,qty,z,total\n".to_string(), |text, i| text + &row(i));
        Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
    };
    let found = |target: &dyn Fn(f64, f64) -> f64| leaks(&table(target), &TableOptions::default()).unwrap();
    for (target, formula) in [
        (&(|p, q| 1.19 * p * q) as &dyn Fn(f64, f64) -> f64, "* "),
        (&|p, q| 100.0 * p / q, "\"price\" / \"qty\""),
        (&|p, q| 5.0 * q / p, "\"qty\" / \"price\""),
    ] {
        let all = found(target);
        assert!(all.len() == 1 && all[0].by == By::Formula && all[0].columns.len() == 2, "{all:?}");
        assert!(all[0].finding.contains(formula), "{}", all[0].finding);
    }
    assert_eq!(found(&|p, q| p * q + 300.0 * (p * 7.0).sin()), []);
}
