use super::super::table::{ReadOptions, Table, TableOptions};
use super::super::{Dataset, Interface, Samples, Targets};
use super::*;
use crate::error::Result;

pub(super) fn table(text: &str) -> Table {
    Table::parse("series.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

/// Numbers between -1 and 1 that are the same every time.
pub(super) fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43758.5453).fract()
}

/// Days from the first of January 2020 on with these rows of numbers.
pub(super) fn days(rows: &[Vec<f64>]) -> String {
    let names: Vec<String> = (0..rows[0].len()).map(|i| format!("c{i}")).collect();
    let mut text = format!("date,{}\n", names.join(","));
    let mut date = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
    for row in rows {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        text += &format!(
            "{}-{:02}-{:02},{}\n",
            chrono::Datelike::year(&date),
            chrono::Datelike::month(&date),
            chrono::Datelike::day(&date),
            cells.join(",")
        );
        date = date.succ_opt().unwrap();
    }
    text
}

pub(super) fn options(window: usize, horizon: usize) -> SeriesOptions {
    SeriesOptions { window, horizon, difference: Difference::None, ..SeriesOptions::default() }
}

pub(super) fn made(text: &str, o: &SeriesOptions) -> Result<Prepared> {
    prepare(&table(text), &TableOptions::default(), o, 0.25, None)
}

pub(super) fn floats(set: &Dataset) -> &[f32] {
    let Samples::Floats(values) = &set.samples else { panic!("floats") };
    values
}

pub(super) fn values(set: &Dataset) -> &[f32] {
    let Targets::Values { values, .. } = &set.targets else { panic!("values") };
    values
}

pub(super) fn fails(text: &str, o: &SeriesOptions, parts: &[&str]) {
    let message = made(text, o).unwrap_err().to_string();
    assert!(parts.iter().all(|p| message.contains(p)), "{parts:?} is missing in {message}");
}

#[test]
fn windows_look_back_and_targets_lie_in_their_part() {
    // 20 rows: 4 for the test, 4 of 16 for validation, 12 for training.
    let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![100.0 + (i * i % 7) as f64, i as f64 + 0.5 * noise(i)]).collect();
    let p = made(&days(&rows), &options(3, 2)).unwrap();
    assert_eq!(
        (p.train.shape.as_slice(), p.train.targets.names()),
        (&[3, 2][..], &["c1+1".to_string(), "c1+2".into()][..])
    );
    let at = |i: usize| rows[i][1] as f32;
    // Training: first rows ahead 3 to 10, the last target in row 11.
    assert_eq!(p.train.len(), 8);
    assert_eq!(&floats(&p.train)[..6], &[rows[0][0] as f32, at(0), rows[1][0] as f32, at(1), rows[2][0] as f32, at(2)]);
    assert_eq!(&values(&p.train)[..4], &[at(3), at(4), at(4), at(5)]);
    assert_eq!(values(&p.train)[15], at(11));
    // Validation: rows 12 to 15; test: rows 16 to 19, every one of them forecast.
    let (val, test) = (p.val.unwrap(), p.test.unwrap());
    assert_eq!(values(&val), &[at(12), at(13), at(13), at(14), at(14), at(15)]);
    assert_eq!(values(&test), &[at(16), at(17), at(17), at(18), at(18), at(19)]);
    assert_eq!(&floats(&test)[..2], &[rows[13][0] as f32, at(13)]);
    let naive = p.naive.test.unwrap();
    assert_eq!(naive.truth, values(&test));
    assert_eq!(naive.labels, ["2020-01-17", "2020-01-18", "2020-01-19"]);
    assert_eq!(p.fitted.rows, 12);
}

/// What a change of later values must leave alone.
fn known(p: &Prepared) -> (Dataset, super::super::Normal, SeriesFitted, Interface) {
    let interface = Interface::of_series(&p.train, p.normal.clone(), p.fitted.clone());
    (p.train.clone(), p.normal.clone(), p.fitted.clone(), interface)
}

#[test]
fn the_future_changes_nothing_before_it() {
    let wave = |i: usize| (i as f64 * 0.5).sin() * 4.0 + noise(i);
    let rows: Vec<Vec<f64>> = (0..160).map(|i| vec![wave(i), 3.0 * wave(i + 40) + 20.0]).collect();
    leaks(&rows, &SeriesOptions { calendar: true, ..options(7, 3) });
    leaks(&rows, &SeriesOptions { difference: Difference::Last, ..options(7, 3) });
}

fn leaks(rows: &[Vec<f64>], o: &SeriesOptions) {
    let before = made(&days(rows), o).unwrap();
    // 128 rows before the test, 96 of them for training.
    let mut later = rows.to_vec();
    later[96..].iter_mut().for_each(|row| row.iter_mut().for_each(|v| *v = *v * -30.0 + 1000.0));
    let after = made(&days(&later), o).unwrap();
    assert_eq!(known(&before), known(&after));
    assert_ne!(before.val, after.val);
    // The windows of the test up to a row know nothing of the rows behind it.
    let mut later = rows.to_vec();
    later[140..].iter_mut().for_each(|row| row.iter_mut().for_each(|v| *v = 1e6));
    let after = made(&days(&later), o).unwrap();
    assert_eq!((known(&before), &before.val), (known(&after), &after.val));
    let (one, other) = (before.test.unwrap(), after.test.unwrap());
    let width = one.width();
    // Window 12 looks back on rows up to 139, window 13 on row 140.
    assert_eq!(floats(&one)[..13 * width], floats(&other)[..13 * width]);
    assert_ne!(floats(&one)[13 * width..14 * width], floats(&other)[13 * width..14 * width]);
    let forecasts = |p: &NaiveSets| -> Vec<Vec<f32>> {
        p.test.as_ref().unwrap().forecasts.iter().map(|(_, all)| all[..13 * 3].to_vec()).collect()
    };
    assert_eq!(forecasts(&before.naive), forecasts(&after.naive));
}

#[test]
fn scales_are_those_of_the_training_rows() {
    let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![if i < 12 { (i % 2) as f64 * 2.0 } else { 500.0 }]).collect();
    let p = made(&days(&rows), &SeriesOptions { calendar: true, season: Season::None, ..options(2, 1) }).unwrap();
    // One column with mean 1 and deviation 1, and four of the calendar.
    assert_eq!(p.train.shape, [2, 5]);
    assert_eq!(p.normal.scale, [1.0; 10]);
    assert_eq!(p.normal.shift, [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(p.fitted.naive_error, [2.0]);
}

#[test]
fn baselines_are_those_computed_by_hand() {
    let all = [1.0, 5.0, 2.0, 6.0, 3.0, 8.0, 4.0, 7.0, 9.0, 1.0];
    let rows: Vec<Vec<f64>> = all.iter().map(|&v| vec![v]).collect();
    let o = SeriesOptions { season: Season::Rows(2), ..options(3, 3) };
    let t = table(&days(&rows));
    let p = prepare(&t, &TableOptions::default(), &o, 0.0, None);
    assert!(p.is_err(), "two test rows cannot hold three ahead");
    let p = prepare(&t, &TableOptions::default(), &SeriesOptions { test_split: 0.3, ..o }, 0.0, None).unwrap();
    // The last three rows are forecast from rows 4 to 6: 3, 8, 4.
    let naive = p.naive.test.unwrap();
    assert_eq!((naive.windows, &naive.truth[..]), (1, &[7.0, 9.0, 1.0][..]));
    assert_eq!(naive.forecast("persistence"), Some(&[4.0, 4.0, 4.0][..]));
    assert_eq!(naive.forecast("seasonal naive (2)"), Some(&[8.0, 4.0, 8.0][..]));
    assert_eq!(naive.forecast("drift"), Some(&[4.5, 5.0, 5.5][..]));
    assert_eq!(naive.forecast("window mean"), Some(&[5.0, 5.0, 5.0][..]));
    // |2-1| |6-5| |3-2| |8-6| |4-3| over the seven training rows.
    assert_eq!(p.fitted.naive_error, [6.0 / 5.0]);
    // A season that reaches back behind the first row is left out, and said so.
    let p = prepare(
        &t,
        &TableOptions::default(),
        &SeriesOptions { season: Season::Rows(8), test_split: 0.3, ..options(3, 3) },
        0.0,
        None,
    );
    let naive = p.unwrap().naive.test.unwrap();
    assert!(naive.forecasts.len() == 3 && naive.notes[0].contains("8 rows"), "{:?}", naive.notes);
}

#[test]
fn changes_add_up_to_values() {
    let rows: Vec<Vec<f64>> = (0..30).map(|i| vec![noise(i), 10.0 * i as f64 + noise(i + 50)]).collect();
    let text = days(&rows);
    let base = TableOptions { target: vec!["c1".into(), "c0".into()], ..TableOptions::default() };
    let o = SeriesOptions { difference: Difference::Last, inputs: vec!["c0".into()], ..options(4, 2) };
    let p = prepare(&table(&text), &base, &o, 0.25, None).unwrap();
    assert_eq!(p.train.shape, [4, 1]);
    assert_eq!(p.train.targets.names(), ["c1+1", "c0+1", "c1+2", "c0+2"]);
    // What is forecast is looked at from its last value.
    let seen: Vec<f32> = (0..4).map(|i| rows[i][0] as f32 - rows[3][0] as f32).collect();
    assert!(floats(&p.train)[..4] == seen && floats(&p.train)[3] == 0.0, "{seen:?}");
    let test = p.test.unwrap();
    let naive = p.naive.test.unwrap();
    let mut answers = values(&test).to_vec();
    assert!(answers.iter().step_by(4).all(|v| (v - 10.0).abs() < 3.0), "{answers:?}");
    naive.restore(&mut answers);
    assert!(answers.iter().zip(&naive.truth).all(|(a, b)| (a - b).abs() < 1e-4));
    assert_eq!(values(&naive.with_truth(&test)), &naive.truth[..]);
    // Behind the end the last values are those of the last row.
    let series = p.fitted.read(&table(&text), false).unwrap();
    let asked = p.fitted.to_forecast(&series, false).unwrap();
    let mut answers = vec![1.0, 2.0, 3.0, 4.0];
    asked.restore(&mut answers);
    let last = [rows[29][1] as f32, rows[29][0] as f32];
    assert_eq!(answers, [last[0] + 1.0, last[1] + 2.0, last[0] + 3.0, last[1] + 4.0]);
    let all = p.fitted.to_forecast(&series, true).unwrap();
    assert_eq!((all.starts.len(), all.starts[0], all.set.len()), (27, [0, 4], 27));
    assert_eq!(dates_after(&series.series[0], 2), ["2020-01-31", "2020-02-01"]);
}

#[test]
fn gaps_are_filled_from_the_past_and_not_forecast() {
    let text = "x,y\n,1\n,2\n5,3\n,4\n7,?\n8,6\nodd,7\n9,8\n10,9\n11,11\n12,10\n13,12\n14,14\n";
    let p = prepare(&table(text), &TableOptions::default(), &options(2, 1), 0.0, None).unwrap();
    // Two leading rows without x are left out; of 11 rows the last 2 are for the test.
    let x: Vec<f32> = floats(&p.train).chunks(2).map(|c| c[0]).collect();
    // Windows of x: (5,5), then that ahead of y's gap is missing, (7,8), (8,8), ..
    assert_eq!(x, [5.0, 7.0, 7.0, 8.0, 8.0, 8.0, 8.0, 9.0, 9.0, 10.0, 10.0, 11.0][..x.len()]);
    assert_eq!(values(&p.train), [6.0, 7.0, 8.0, 9.0, 11.0, 10.0]);
    let notes = p.notes.join("\n");
    for part in [
        "first 2 rows are left out",
        "\"x\"",
        "x: 2 missing values (lines 5, 8)",
        "y: 1 missing value (line 6)",
        "\"odd\" (line 8)",
        "1 windows of the training part",
    ] {
        assert!(notes.contains(part), "{part} is missing in\n{notes}");
    }
}

#[test]
fn columns_are_found() {
    let mut text = "Year,station,temp,rain,date\n".to_string();
    for i in 0..40 {
        text += &format!("{},oslo,{},{},{:02}.03.2021\n", 1900 + i, 20.0 + noise(i), noise(i + 99), 1 + i % 28);
    }
    let t = table(&text.lines().take(29).collect::<Vec<_>>().join("\n"));
    let found = columns::Columns::choose(&t, &TableOptions::default(), &options(3, 1)).unwrap();
    let names = |all: &[NumberColumn]| all.iter().map(|n| n.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&found.inputs), names(&found.targets)),
        (vec!["temp".into(), "rain".into()], vec!["rain".to_string()])
    );
    assert_eq!(
        found.date,
        Some(DateColumn { name: "date".into(), format: "%d.%m.%Y".into(), time: None, more: vec![] })
    );
    assert!(found.notes[0].contains("Year, station"), "{:?}", found.notes);
    // A count is a series if it is asked for, or if there is no other.
    let base = TableOptions { target: vec!["Year".into()], ..TableOptions::default() };
    assert_eq!(names(&columns::Columns::choose(&t, &base, &options(3, 1)).unwrap().inputs), ["Year", "temp", "rain"]);
    let ramp = table(&(0..30).map(|i| format!("{i}\n")).collect::<String>());
    assert_eq!(
        names(&columns::Columns::choose(&ramp, &TableOptions::default(), &options(3, 1)).unwrap().targets),
        ["column1"]
    );
}

#[test]
fn rows_are_sorted_by_date() {
    let rows: Vec<Vec<f64>> = (0..30).map(|i| vec![noise(i)]).collect();
    let text = days(&rows);
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let sorted = made(&text, &options(3, 1)).unwrap();
    let reversed = made(&lines.join("\n"), &options(3, 1)).unwrap();
    let bare = |set: &Dataset| (set.samples.clone(), set.targets.clone());
    let both = |p: &Prepared| (bare(&p.train), p.test.as_ref().map(bare));
    assert_eq!(both(&sorted), both(&reversed));
    // Where a window stands is where its row stands in the file.
    let row = |p: &Prepared| p.train.place(0).to_string();
    assert_eq!((row(&sorted), row(&reversed)), ("row 4, line 5".into(), "row 27, line 28".into()));
    assert!(reversed.notes.iter().any(|n| n.contains("the newest row came first")), "{:?}", reversed.notes);
    lines.swap(3, 9);
    let mixed = made(&lines.join("\n"), &options(3, 1)).unwrap();
    assert_eq!(bare(&sorted.train), bare(&mixed.train));
    lines.push(lines[4]);
    fails(&lines.join("\n"), &options(3, 1), &["date of another one", "2020-01-27", "one row per date"]);
}

#[test]
fn what_cannot_be_a_series_says_so() {
    let text = |n: usize| days(&(0..n).map(|i| vec![noise(i)]).collect::<Vec<_>>());
    fails(&text(1), &options(3, 1), &["has 1 rows", "at least"]);
    fails(&text(20), &options(30, 7), &["has 20 rows; expected at least 61", "30 rows and 7 ahead", "25 %", "20 %"]);
    assert!(made(&text(61), &options(30, 7)).is_ok(), "what the message asks for is enough");
    let with = |o: SeriesOptions, parts: &[&str]| fails(&text(60), &o, parts);
    with(SeriesOptions { inputs: vec!["c1".into()], ..options(3, 1) }, &["unknown column \"c1\""]);
    with(SeriesOptions { inputs: vec!["date".into()], ..options(3, 1) }, &["holds the dates", "calendar = true"]);
    with(SeriesOptions { window: usize::MAX, ..options(3, 1) }, &["has 60 rows"]);
    let flat = days(&(0..60).map(|i| vec![if i < 50 { 7.0 } else { 8.0 }]).collect::<Vec<_>>());
    fails(&flat, &options(3, 1), &["target \"c0\"", "is 7 in all 36 training rows"]);
    fails(&text(60).replace(&noise(9).to_string(), "inf"), &options(3, 1), &["line 11", "\"inf\"", "finite"]);
    fails(&text(60).replace("2020-01-09", ""), &options(3, 1), &["line 10", "is missing"]);
    fails(&text(60).replace("2020-01-09", "soon"), &options(3, 1), &["line 10", "\"soon\"", "%Y-%m-%d"]);
    fails("a,b\nx,y\nz,w\n", &options(1, 1), &["no column of numbers", "a, b"]);
    fails(
        "t,v\n1,\n2,\n4,\n",
        &SeriesOptions { inputs: vec!["v".into()], ..options(1, 1) },
        &["\"v\"", "all cells are missing"],
    );
    fails(
        "t,v\n1,red\n2,red\n9,blue\n",
        &SeriesOptions { inputs: vec!["v".into()], ..options(1, 1) },
        &["\"v\"", "such as \"red\""],
    );
    fails("v\n1\n2\n9\n", &SeriesOptions { calendar: true, test_split: 0.0, ..options(1, 1) }, &["no column of dates"]);
    let base = TableOptions { task: super::super::table::Task::Classification, ..TableOptions::default() };
    assert!(
        prepare(&table(&text(60)), &base, &options(3, 1), 0.1, None).unwrap_err().to_string().contains("regression")
    );
}

#[test]
fn folds_train_on_the_past_alone() {
    let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![noise(i)]).collect();
    let t = table(&days(&rows));
    let o = options(3, 1);
    let folds = expanding(&t, &TableOptions::default(), &o, 4).unwrap();
    assert_eq!(
        folds.iter().map(|f| (f.kept.len(), f.held.len())).collect::<Vec<_>>(),
        [(10, 10), (20, 10), (30, 10), (40, 10)]
    );
    let p = prepare(&t, &TableOptions::default(), &o, 0.0, Some(&folds[1])).unwrap();
    assert_eq!((p.train.len(), p.test.as_ref().map(Dataset::len), p.fitted.rows), (17, Some(10), 20));
    assert_eq!(values(p.test.as_ref().unwrap())[0], rows[20][0] as f32);
    assert!(expanding(&t, &TableOptions::default(), &o, 1).is_err());
    assert!(expanding(&t, &TableOptions::default(), &o, 60).is_err());
}

#[test]
fn settings_and_what_was_learned_survive_their_files() {
    let read = |text: &str| {
        let mut keys = crate::keys::Keys::new(text.parse().unwrap(), "[data]");
        let options = SeriesOptions::read(&mut keys)?;
        keys.finish()?;
        Ok::<_, crate::error::Error>(options)
    };
    assert_eq!(read("").unwrap(), None);
    let usual = SeriesOptions { difference: Difference::Auto, ..options(30, 3) };
    assert_eq!(read("horizon = 3").unwrap(), Some(usual));
    let all = "window = 5\nhorizon = 2\ninputs = [\"a\", 2]\ncalendar = true\nseason = 12\ndifference = true\nduplicates = \"mean\"\ntest_split = 0.1";
    for options in [read(all).unwrap().unwrap(), SeriesOptions { season: Season::None, ..options(9, 1) }] {
        let text = toml::to_string(&options.to_table()).unwrap();
        assert_eq!(read(&text).unwrap(), Some(options));
    }
    for (text, part) in [
        ("window = 0", "window = 0; expected a whole number of at least 1"),
        ("horizon = 0", "horizon = 0"),
        ("season = 1", "season = 1"),
        ("season = \"weekly\"", "\"auto\" or \"none\""),
        ("duplicates = \"last\"", "unknown duplicates \"last\""),
        ("inputs = [true]", "a column's name"),
        ("test_split = 1.0", "from 0 to 0.95"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let rows: Vec<Vec<f64>> = (0..60).map(|i| vec![(i % 7) as f64 + 0.1 * noise(i), noise(i)]).collect();
    let p = made(&days(&rows), &SeriesOptions { calendar: true, ..options(3, 1) }).unwrap();
    let text = serde_json::to_string(&p.fitted).unwrap();
    assert_eq!(serde_json::from_str::<SeriesFitted>(&text).unwrap(), p.fitted);
    // Another file without the target, in another order, is read all the same.
    let other = "c0,date\n3,2021-01-04\n1,2021-01-02\n2,2021-01-03\n";
    let base = TableOptions { target: vec!["c1".into()], ..TableOptions::default() };
    let o = SeriesOptions { inputs: vec!["c0".into()], ..options(3, 1) };
    let p = prepare(&table(&days(&rows)), &base, &o, 0.25, None).unwrap();
    let series = p.fitted.read(&table(other), false).unwrap();
    assert_eq!(floats(&p.fitted.to_forecast(&series, false).unwrap().set), [1.0, 2.0, 3.0]);
    assert_eq!(
        (dates_after(&series.series[0], 1), &series.series[0].rows[..]),
        (vec!["2021-01-05".to_string()], &[1, 2, 0][..])
    );
    assert!(p.fitted.read(&table(other), true).unwrap_err().to_string().contains("c1"));
    let undated = p.fitted.read(&table("c0\n3\n1\n2\n"), false).unwrap();
    assert!(undated.notes[0].contains("no column \"date\"") && dates_after(&undated.series[0], 1).is_empty());
    let short = p.fitted.read(&table("c0\n3\n1\n"), false).unwrap();
    assert!(p.fitted.to_forecast(&short, false).unwrap_err().to_string().contains("has 2 rows; expected at least 3"));
}

#[test]
fn an_audit_says_what_is_in_it() {
    let rows: Vec<Vec<f64>> = (0..84).map(|i| vec![(i % 7) as f64 + 0.5 * i as f64 + 0.1 * noise(i)]).collect();
    let text = days(&rows);
    let text: String = text.lines().enumerate().filter(|(i, _)| *i != 40).map(|(_, l)| format!("{l}\n")).collect();
    let audit = SeriesAudit::new(&table(&text), &TableOptions::default(), &options(3, 1)).unwrap();
    assert_eq!((audit.rows, audit.step.as_deref(), audit.season), (83, Some("1 day"), Some(7)));
    assert_eq!(audit.gaps, [["2020-02-08".to_string(), "2020-02-10".into()]]);
    assert!((audit.columns[0].trend - 0.5).abs() < 0.05 && audit.columns[0].trend_explains > 0.9);
    let shown = audit.findings().to_text();
    assert!(
        shown.contains("1 day apart") && shown.contains("A season has 7 rows") && shown.contains("2020-02-08 to"),
        "{shown}"
    );
}

#[test]
fn the_documented_keys_are_the_defaults() {
    let page = include_str!("../../../docs/series.md");
    let text = page.split("```toml").nth(1).and_then(|t| t.split("```").next()).unwrap();
    let all: toml::Table = text.parse().unwrap();
    let mut keys = crate::keys::Keys::new(all["data"].as_table().unwrap().clone(), "[data]");
    assert_eq!(SeriesOptions::read(&mut keys).unwrap(), Some(SeriesOptions::default()));
    ["source", "target", "val_split"].iter().for_each(|key| drop(keys.take(key)));
    keys.finish().unwrap();
}

#[test]
fn new_files_are_read_as_tables_are() {
    let file = |cut: char, row: &dyn Fn(usize) -> String| {
        let rows: String =
            (0..60).map(|i| format!("2020-{:02}-{:02}{cut}{}\n", 1 + i / 28, 1 + i % 28, row(i))).collect();
        table(&format!("date{cut}price{cut}n\n{rows}"))
    };
    let price = |i: usize| i as f64 / 4.0 + 0.25;
    let count = |i: usize| 100 + i * 37 % 2900;
    let base = TableOptions::default();
    let train = file(',', &|i| format!("{},{}", price(i), count(i)));
    let fitted = prepare(&train, &base, &options(4, 1), 0.25, None).unwrap().fitted;
    let numbers =
        |new: &Table| fitted.read(new, true).unwrap().series[0].columns.iter().map(|c| c.values.clone()).collect();
    let known: Vec<Vec<f64>> = numbers(&train);
    // A whole number says nothing of its mark; the other column does.
    let dots = |n: usize| if n < 1000 { n.to_string() } else { format!("{}.{:03}", n / 1000, n % 1000) };
    let new = file(';', &|i| format!("{};{}", price(i).to_string().replace('.', ","), dots(count(i))));
    assert_eq!(numbers(&new), known);
    // Percentages for what was none of them.
    let shares = file(',', &|i| format!("{},{}", price(i), (1.0 + (i * 7 % 60) as f64) / 64.0));
    let fitted = prepare(&shares, &base, &options(4, 1), 0.25, None).unwrap().fitted;
    let percent = file(',', &|i| format!("{},{}%", price(i), (1.0 + (i * 7 % 60) as f64) / 0.64));
    let panel = fitted.read(&percent, true).unwrap();
    let [a, b] = [&panel, &fitted.read(&shares, true).unwrap()].map(|p| p.series[0].column("n").values.clone());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?}");
    assert!(panel.notes.iter().any(|n| n.contains("divided by 100")), "{:?}", panel.notes);
}
