use super::super::{ReadOptions, leakage};
use super::*;

fn table(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

/// Forty rows: an id, a number with an outlier and gaps, its copy, a constant,
/// a column that gives the class away, the class.
fn forty() -> Table {
    let mut text = "id,x,copy,same,code,class\n".to_string();
    for i in 0..40 {
        let x = match i {
            7 => "900.5".to_string(),
            8 | 9 => String::new(),
            _ => format!("{}.5", i % 20),
        };
        text += &format!("{i},{x},{x},k,{},{}\n", ["p", "q", "r"][i % 3], ["a", "b", "b"][i % 3]);
    }
    table(&text)
}

#[test]
fn an_audit_finds_what_is_odd() {
    let audit = TableAudit::new(&forty(), &TableOptions::default()).unwrap();
    assert_eq!(
        audit.columns.iter().map(|c| c.kind).collect::<Vec<_>>()[..3],
        [Kind::Identifier, Kind::Number, Kind::Number]
    );
    assert_eq!(audit.constant, ["same"]);
    assert!(audit.duplicates.is_empty());
    let x = &audit.columns[1];
    assert_eq!((x.stats.missing, x.distinct), (2, 21));
    assert_eq!(x.outliers.as_ref().unwrap().examples, [(900.5, 9)]);
    assert_eq!(audit.columns[4].top[0], ("p".into(), 14));
    let lines = audit.lines().join("\n");
    println!("{lines}");
    for part in [
        "t.csv: 40 rows, 6 columns, a header",
        "2 missing (5.0 %)",
        "1 outlier (900.5 in line 9)",
        "target class, 2 classes: a 14 (35.0 %), b 26 (65.0 %)",
        "the same in every row: same",
        "\"code\" alone tells the target of 100.0 % of the rows",
        "\"copy\" is equal to \"x\" in every row",
    ] {
        assert!(lines.contains(part), "{part}");
    }
    assert!(!lines.contains("\"x\" alone"));
    let json = serde_json::to_value(&audit).unwrap();
    assert_eq!((&json["columns"][1]["missing"], &json["columns"][1]["kind"]), (&2.into(), &"number".into()));
}

#[test]
fn a_bad_target_is_a_finding() {
    let text = "x,y\n".to_string() + &"1.5,a\n".repeat(20);
    let audit = TableAudit::new(&table(&text), &TableOptions::default()).unwrap();
    assert!(audit.target.is_none());
    assert!(audit.target_problem.as_ref().unwrap().contains("all 20 rows have the class \"a\""));
    assert_eq!((audit.duplicates.len(), audit.duplicates[0]), (19, 3));
    assert!(audit.lines().iter().any(|l| l.starts_with("19 rows repeat an earlier one, cell for cell (lines 3, 4,")));
}

#[test]
fn a_target_in_other_words_is_seen() {
    let rows: String = (0..30).map(|i| format!("{}.5,{},{}\n", (i * 7) % 11, i * 20 + 3, f64::from(i) * 2.5)).collect();
    let audit = TableAudit::new(&table(&format!("x,twice,y\n{rows}")), &TableOptions::default()).unwrap();
    assert_eq!(audit.hints.len(), 1, "{:?}", audit.hints);
    assert!(audit.hints[0].starts_with("\"twice\" is the target in other words (correlation 1.0000)"));
    assert!(audit.lines().iter().any(|l| l.starts_with("target y, numbers from 0 to 72.5")));
}

#[test]
fn small_classes_are_pointed_out() {
    let rows: String =
        (0..60).map(|i| format!("{}.5,{}\n", (i * 7) % 31, if i % 20 == 0 { "rare" } else { "usual" })).collect();
    let audit = TableAudit::new(&table(&format!("x,y\n{rows}")), &TableOptions::default()).unwrap();
    assert!(audit.hints[0].contains("class \"rare\" has 3 rows and \"usual\" 57"), "{:?}", audit.hints);
}

#[test]
fn rows_in_both_parts_are_leaks() {
    let t = table("PassengerId,x,c,y\n1,1.5,u,a\n2,2.5,v,b\n3,1.5,u,b\n4,2.5,v,b\n5,9.5,w,a\n");
    let found = leakage(&t, &[0, 1], &[2, 3, 4], &TableOptions::default()).unwrap();
    assert_eq!(found.pairs, [[4, 2], [5, 3]]);
    assert_eq!((found.contradictions, &found.columns[..]), (1, &["x".to_string(), "c".into()][..]));
    assert!(
        found.lines()[0]
            .starts_with("2 of 3 test rows have exactly the features of a training row (lines 4 = 2, 5 = 3)")
    );
    assert!(leakage(&t, &[0], &[4], &TableOptions::default()).unwrap().lines()[0].starts_with("none of 1"));
}

#[test]
fn dates_are_told_from_the_first_to_the_last() {
    let day = |i: usize| format!("{:04}-{:02}-{:02}", 2021, 1 + i / 28, 1 + i % 28);
    let rows = (0..28).filter(|i| *i != 9).map(|i| format!("{},{}.5\n", day(i), i % 5));
    let audit =
        TableAudit::new(&table(&("when,x\n".to_string() + &rows.collect::<String>())), &TableOptions::default());
    let audit = audit.unwrap();
    let said = "from 2021-01-01 to 2021-01-28, 1 day apart, 1 gap: 2021-01-09 to 2021-01-11";
    assert!(audit.lines().iter().any(|l| l.contains(said)), "{:?}", audit.lines());
    let findings = audit.findings();
    assert!(findings.to_text().contains(said) && findings.to_html().contains(said));
    let json = serde_json::to_value(&audit).unwrap();
    assert_eq!(json["columns"][0]["date_range"]["longest"][0], serde_json::json!(["2021-01-09", "2021-01-11"]));
    assert!(json["columns"][1]["date_range"].is_null());
}
