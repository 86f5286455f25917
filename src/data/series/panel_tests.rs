use super::super::GroupBy;
use super::super::table::{ReadOptions, Table, TableOptions};
use super::tests::{floats, noise, options, values};
use super::*;

fn table(text: &str) -> Table {
    Table::parse("panel.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

fn by(names: &[&str]) -> TableOptions {
    let names = names.iter().map(|n| n.to_string()).collect();
    TableOptions { group: GroupBy::Columns(names), ..TableOptions::default() }
}

fn made(text: &str, base: &TableOptions, o: &SeriesOptions) -> Prepared {
    prepare(&table(text), base, o, 0.25, None).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(text: &str, base: &TableOptions, o: &SeriesOptions, parts: &[&str]) {
    let message = prepare(&table(text), base, o, 0.25, None).unwrap_err().to_string();
    assert!(parts.iter().all(|p| message.contains(p)), "{parts:?} is missing in {message}");
}

fn noted(p: &Prepared, parts: &[&str]) {
    let notes = p.notes.join("\n");
    assert!(parts.iter().all(|part| notes.contains(part)), "{parts:?} is missing in\n{notes}");
}

/// Twenty days of two shops: thousands in one, tens in the other.
fn sales(shop: &str, day: usize) -> f64 {
    let level = if shop == "north" { 1000.0 } else { 10.0 };
    level + (day * day % 7) as f64
}

/// Day by day, both shops on each.
fn by_day(days: usize) -> String {
    let row = |day: usize| {
        let one = |shop: &str| format!("2021-03-{:02},{shop},{}\n", day + 1, sales(shop, day));
        one("north") + &one("south")
    };
    (0..days).fold("date,shop,sales\n".to_string(), |text, day| text + &row(day))
}

#[test]
fn no_window_looks_from_one_group_into_another() {
    let text = by_day(20);
    let p = made(&text, &by(&["shop"]), &options(3, 1));
    // Of each shop 12 rows for training, 4 for validation, 4 for the test.
    assert_eq!((p.train.len(), p.val.as_ref().unwrap().len(), p.test.as_ref().unwrap().len()), (18, 8, 8));
    let level = |v: &f32| *v > 500.0;
    for set in [&p.train, p.val.as_ref().unwrap(), p.test.as_ref().unwrap()] {
        for (window, ahead) in floats(set).chunks(3).zip(values(set)) {
            assert!(window.iter().all(|v| level(v) == level(ahead)), "{window:?} then {ahead}");
        }
    }
    let test: Vec<f32> = ["north", "south"].iter().flat_map(|s| (16..20).map(|d| sales(s, d) as f32)).collect();
    assert_eq!(values(p.test.as_ref().unwrap()), test);
    let naive = p.naive.test.unwrap();
    assert_eq!(naive.groups, [("north".to_string(), 4), ("south".into(), 4)]);
    assert_eq!((naive.labels[0].as_str(), naive.labels[7].as_str()), ("north 2021-03-17", "south 2021-03-20"));
    let before: Vec<f32> = ["north", "south"].iter().flat_map(|s| (15..19).map(|d| sales(s, d) as f32)).collect();
    assert_eq!(naive.forecast("persistence"), Some(&before[..]));
    assert_eq!(naive.first(5).groups, [("north".to_string(), 4), ("south".into(), 1)]);
    // One change of level, from shop to shop, would be a hundred times that.
    assert!(p.fitted.naive_error[0] < 5.0, "{:?}", p.fitted.naive_error);
    assert_eq!(p.train.place(0).to_string(), "row 7, line 8", "the fourth day of the first shop");
    assert_eq!((p.fitted.rows, &p.fitted.group[..]), (24, &["shop".to_string()][..]));
}

#[test]
fn rows_may_stand_in_any_order() {
    let text = by_day(20);
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    let sorted = made(&text, &by(&["shop"]), &options(3, 1));
    // Shop below shop, the newest first.
    lines.sort_by_key(|l| (l.contains("south"), std::cmp::Reverse(&l[..10])));
    let other = made(&format!("date,shop,sales\n{}\n", lines.join("\n")), &by(&["shop"]), &options(3, 1));
    let bare = |p: &Prepared| (p.train.samples.clone(), p.train.targets.clone(), p.fitted.clone());
    assert_eq!(bare(&sorted), bare(&other));
    noted(&other, &["the newest row came first"]);
    // Scales are those of all groups.
    noted(&sorted, &["2 series by \"shop\"", "training rows of all groups together", "24 for training"]);
}

#[test]
fn short_groups_and_rows_of_none_are_named() {
    let mut text = by_day(20);
    text += "2021-03-01,east,5\n2021-03-02,east,6\n2021-03-03,,7\n";
    let p = made(&text, &by(&["shop"]), &options(3, 1));
    noted(&p, &["1 of 3 groups left out", "east (2 rows)", "1 row left out: no value in \"shop\" (line 44)"]);
    assert_eq!(p.train.len(), 18);
    refused(&text, &by(&["shop"]), &options(30, 1), &["the longest of 3 groups", "has 20 rows; expected at least"]);
    refused(&by_day(20), &by(&["store"]), &options(3, 1), &["[data]: group", "store"]);
    let both = TableOptions { target: vec!["sales".into()], ..by(&["sales"]) };
    refused(&by_day(20), &both, &options(3, 1), &["both target and group"]);
}

#[test]
fn groups_are_found_where_times_repeat() {
    let auto = TableOptions::default();
    let (found, told) = (made(&by_day(20), &auto, &options(3, 1)), made(&by_day(20), &by(&["shop"]), &options(3, 1)));
    assert_eq!((&found.train, &found.fitted), (&told.train, &told.fitted));
    noted(&found, &["most rows have the time of another one", "--group \"shop\"", "--group none"]);
    let none = TableOptions { group: GroupBy::None, ..auto.clone() };
    refused(&by_day(20), &none, &options(3, 1), &["20 rows have the date", "--group COLUMN", "(\"shop\" would)"]);
    refused(&by_day(20), &none, &options(3, 1), &["data.duplicates", "data.date = \"none\""]);
    // A code beside the name says the same; a second way to tell them apart does not.
    let with = |cell: &dyn Fn(usize) -> String| {
        let lines = by_day(20);
        let row = |(i, l): (usize, &str)| format!("{},{l}\n", if i == 0 { "more".into() } else { cell(i - 1) });
        lines.lines().enumerate().map(row).collect::<String>()
    };
    let code = with(&|i| ["N", "S"][i % 2].into());
    assert_eq!(made(&code, &auto, &options(3, 1)).train.len(), 18);
    let other = with(&|i| ["a", "b"][(i + i / 2) % 2].into());
    refused(&other, &auto, &options(3, 1), &["each of", "\"more\", \"shop\"", "--group none"]);
    // Two columns together.
    let item = |i: usize| format!("2021-03-{:02},{},{}\n", i / 4 + 1, ["n,x", "n,y", "s,x", "s,y"][i % 4], noise(i));
    let pairs = (0..80).fold("date,shop,item,sales\n".to_string(), |text, i| text + &item(i));
    let p = made(&pairs, &auto, &options(3, 1));
    assert_eq!(p.fitted.group, ["shop", "item"]);
    noted(&p, &["\"shop,item\" tells series apart", "4 series by"]);
}

/// Years of three countries, the second of which begins later.
fn deaths(entity: &str, year: usize) -> f64 {
    entity.len() as f64 * 100.0 + noise(year)
}

fn countries() -> String {
    let rows = |(entity, code, from): (&str, &str, usize)| -> String {
        (from..2020).map(|y| format!("{entity},{code},{y},{}\n", deaths(entity, y))).collect()
    };
    let all = [("Chad", "TCD", 1990), ("Africa", "", 1995), ("Oman", "OMN", 1990)];
    all.into_iter().map(rows).fold("Entity,Code,Year,Deaths\n".to_string(), |text, rows| text + &rows)
}

#[test]
fn entities_with_plain_years_are_a_panel() {
    let p = made(&countries(), &TableOptions::default(), &options(4, 1));
    assert_eq!(p.fitted.date, Some(DateColumn { name: "Year".into(), format: "%Y".into(), time: None, more: vec![] }));
    assert_eq!(p.fitted.group, ["Entity"]);
    // The year is no input.
    assert_eq!((p.fitted.features(), &p.train.shape[..]), (vec!["Deaths".to_string()], &[4, 1][..]));
    noted(&p, &["\"Entity\" tells series apart", "1 year apart", "Code"]);
    for (window, ahead) in floats(&p.train).chunks(4).zip(values(&p.train)) {
        assert!(window.iter().all(|v| (v - ahead).abs() < 3.0), "{window:?} then {ahead}");
    }
    let panel = p.fitted.read(&table(&countries()), false).unwrap();
    let asked = p.fitted.to_forecast(&panel, false).unwrap();
    assert_eq!(asked.starts, [[0, 30], [1, 25], [2, 30]]);
    assert_eq!(dates_after(&panel.series[1], 2), ["2020", "2021"]);
    // Asked for, the year is one.
    let o = SeriesOptions { inputs: vec!["Year".into(), "Deaths".into()], ..options(4, 1) };
    assert_eq!(made(&countries(), &TableOptions::default(), &o).train.shape, [4, 2]);
}

#[test]
fn a_lone_year_is_the_time() {
    let text = |name: &str, from: usize| {
        (0..60).rev().fold(format!("{name},activity\n"), |t, i| t + &format!("{},{}\n", from + i, 50.0 + noise(i)))
    };
    for (name, from) in [("YEAR", 1960), ("Year", 1750), ("t", 1950)] {
        let p = made(&text(name, from), &TableOptions::default(), &options(4, 1));
        assert_eq!(p.fitted.date.as_ref().map(|d| d.format.as_str()), Some("%Y"), "{name}");
        assert_eq!(p.fitted.features(), ["activity"]);
        noted(&p, &["1 year apart", "the newest row came first", "says when a row is from"]);
    }
    // Counting from elsewhere is no year, and what is to be forecast is no time.
    assert_eq!(made(&text("t", 1000), &TableOptions::default(), &options(4, 1)).fitted.date, None);
    let target = TableOptions { target: vec!["YEAR".into()], ..TableOptions::default() };
    assert_eq!(made(&text("YEAR", 1960), &target, &options(4, 1)).fitted.date, None);
    let undated = TableOptions { date: Some("none".into()), ..TableOptions::default() };
    let p = made(&text("YEAR", 1960), &undated, &options(4, 1));
    assert_eq!((p.fitted.date.is_none(), p.fitted.features()), (true, vec!["activity".to_string()]));
    // Months beside the years are part of the time.
    let months = |cell: &dyn Fn(usize) -> String| {
        (0..48).fold("year,month,x\n".to_string(), |t, i| {
            t + &format!("{},{},{}\n", 1990 + i / 12, cell(i % 12), noise(i))
        })
    };
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    for text in [months(&|m| names[m].into()), months(&|m| (m + 1).to_string())] {
        let p = made(&text, &TableOptions::default(), &options(4, 1));
        assert_eq!(p.fitted.date.as_ref().and_then(|d| d.time.as_deref()), Some("month"));
        noted(&p, &["1 month apart"]);
        assert_eq!(p.fitted.features(), ["x"]);
    }
    // Quarters are not read; the rows stand in order.
    let quarters = months(&|m| format!("Q{}", m % 4 + 1)).replacen("month", "quarter", 1);
    let p = made(&quarters, &TableOptions::default(), &options(4, 1));
    assert_eq!(
        (p.fitted.date.is_none(), p.fitted.group.is_empty(), p.fitted.features()),
        (true, true, vec!["x".into()])
    );
    noted(&p, &["\"year\" alone does not say when"]);
}

#[test]
fn rows_without_times_that_stand_in_blocks_are_several_series() {
    let cycles = |names: [&str; 3]| {
        let row = |i: usize| format!("{},{},{}\n", names[i / 20], i % 20 + 1, noise(i));
        (0..60).fold("unit,cycle,heat\n".to_string(), |text, i| text + &row(i))
    };
    // Each engine is counted from anew.
    for names in [["1", "2", "3"], ["a", "b", "c"]] {
        let p = made(&cycles(names), &TableOptions::default(), &options(3, 1));
        assert_eq!((&p.fitted.group[..], p.fitted.features()), (&["unit".to_string()][..], vec!["heat".to_string()]));
        noted(&p, &["--group \"unit\"", "counted from anew"]);
    }
    let cycles = cycles(["a", "b", "c"]);
    let words = cycles.lines().map(|l| {
        let cells: Vec<&str> = l.split(',').collect();
        format!("{},{}\n", cells[0], cells[2])
    });
    let words: String = words.collect();
    refused(
        &words,
        &TableOptions::default(),
        &options(3, 1),
        &["\"unit\" stand in blocks", "--group \"unit\"", "none"],
    );
    let one = TableOptions { group: GroupBy::None, ..TableOptions::default() };
    assert_eq!(made(&words, &one, &options(3, 1)).fitted.group, Vec::<String>::new());
}

/// Hours of a day on which a clock is put back: 02:00 is shown twice.
fn clock(shop: &str) -> String {
    let hours = (0..40).map(|i| if i > 2 { i - 1 } else { i });
    hours.enumerate().fold(String::new(), |text, (i, h)| {
        text + &format!("2021-10-{:02} {:02}:00,{shop}{}\n", 31 - 1 + h / 24, h % 24, 100 * i)
    })
}

#[test]
fn an_hour_that_is_shown_twice_is_resolved_as_asked() {
    let (base, head) = (TableOptions::default(), "time,x\n".to_string());
    let text = head + &clock("");
    refused(&text, &base, &options(3, 1), &["1 rows have the date", "data.duplicates", "--group COLUMN"]);
    let third = |duplicates| {
        let p = made(&text, &base, &SeriesOptions { duplicates, ..options(3, 1) });
        noted(&p, &["1 date in several rows", "line 4", "as configured"]);
        assert_eq!(p.fitted.duplicates, duplicates);
        floats(&p.train)[2]
    };
    let centre = 0.0;
    assert_eq!([third(Duplicates::First), third(Duplicates::Mean)], [200.0 + centre, 250.0 + centre]);
    // In each of two series; new files are read alike.
    let both = format!("time,shop,x\n{}{}", clock("n,"), clock("s,"));
    let o = SeriesOptions { duplicates: Duplicates::Mean, ..options(3, 1) };
    refused(&both, &by(&["shop"]), &options(3, 1), &["2 rows have the date", "one row per date and group"]);
    let p = made(&both, &by(&["shop"]), &o);
    noted(&p, &["2 dates in several rows, of which their mean is taken"]);
    let panel = p.fitted.read(&table(&both), true).unwrap();
    assert_eq!((panel.series.len(), panel.rows()), (2, 78));
    // So it is where the groups are found out.
    assert_eq!(made(&both, &base, &o).fitted, p.fitted);
    refused(&both, &base, &options(3, 1), &["one row per date and group"]);
}

#[test]
fn folds_grow_within_each_group() {
    let (t, base, o) = (table(&by_day(20)), by(&["shop"]), options(3, 1));
    let folds = expanding(&t, &base, &o, 3).unwrap();
    assert_eq!(folds.iter().map(|f| (f.kept.len(), f.held.len())).collect::<Vec<_>>(), [(10, 10), (20, 10), (30, 10)]);
    let p = prepare(&t, &base, &o, 0.0, Some(&folds[0])).unwrap();
    let test: Vec<f32> = ["north", "south"].iter().flat_map(|s| (5..10).map(|d| sales(s, d) as f32)).collect();
    assert_eq!((p.train.len(), values(p.test.as_ref().unwrap())), (4, &test[..]));
    assert!(expanding(&t, &base, &o, 25).is_err());
}

#[test]
fn new_files_have_other_groups_or_none() {
    let p = made(&by_day(20), &by(&["shop"]), &options(3, 1));
    let text = serde_json::to_string(&p.fitted).unwrap();
    assert_eq!(serde_json::from_str::<SeriesFitted>(&text).unwrap(), p.fitted);
    let new = "shop,date,sales\nwest,2022-01-01,5\nwest,2022-01-02,6\neast,2022-01-01,1\nwest,2022-01-03,7\n";
    let panel = p.fitted.read(&table(new), true).unwrap();
    let asked = p.fitted.to_forecast(&panel, true).unwrap();
    assert_eq!((asked.starts.len(), floats(&asked.set)), (1, &[5.0, 6.0, 7.0][..]));
    assert!(asked.notes[0].contains("1 of 2 groups left out") && asked.notes[0].contains("east (1 rows)"));
    // One series, of which the file does not say the shop.
    let one = p.fitted.read(&table("date,sales\n2022-01-01,5\n2022-01-02,6\n2022-01-03,7\n"), true).unwrap();
    assert!(one.notes.iter().any(|n| n.contains("no column \"shop\"")), "{:?}", one.notes);
    let fails = |text: &str| p.fitted.read(&table(text), true).unwrap_err().to_string();
    assert!(fails("date,sales\n2022-01-01,5\n2022-01-01,6\n").contains("one row per date"));
    assert!(fails("sales\n5\n6\n7\n8\n").contains("unknown column \"shop\""));
}

#[test]
fn an_audit_lists_the_groups() {
    let audit = SeriesAudit::new(&table(&countries()), &TableOptions::default(), &options(4, 1)).unwrap();
    assert_eq!((&audit.group[..], audit.rows), (&["Entity".to_string()][..], 85));
    let named: Vec<(&str, usize, &str)> =
        audit.groups.iter().map(|g| (g.name.as_str(), g.rows, g.first.as_str())).collect();
    assert_eq!(named, [("Chad", 30, "1990"), ("Africa", 25, "1995"), ("Oman", 30, "1990")]);
    assert_eq!((audit.first.as_str(), audit.last.as_str(), audit.step.as_deref()), ("1990", "2019", Some("1 year")));
    // Within its series no value is far from the one before.
    assert!(audit.columns[0].autocorrelation.unwrap() < 0.6, "{:?}", audit.columns);
    let shown = audit.findings().to_text();
    assert!(shown.contains("3 series by \"Entity\" of 85 rows in all") && shown.contains("Africa"), "{shown}");
}
