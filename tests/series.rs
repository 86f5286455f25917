//! Series in time as a user meets them: trained, scored beside forecasts that
//! need no model, asked for what comes next; and what is refused.

#[path = "support/noise.rs"]
mod noise;

use libtest_mimic::{Arguments, Failed, Trial};
use noise::noise;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn main() {
    let mut trials = vec![
        Trial::test("a_linear_model_beats_persistence_and_forecasts_on", seasonal),
        Trial::test("changes_follow_a_trend_and_a_run_goes_on", trend),
        Trial::test("folds_keep_the_order_of_time", folds),
        Trial::test("an_audit_of_a_series", audit),
        Trial::test("what_cannot_be_a_series_is_refused", hostile),
    ];
    let file = std::env::var("WGRAD_DATA").map(|d| format!("{d}/tabular/daily-min-temperatures.csv"));
    let real = file.clone();
    trials.push(
        Trial::test("temperatures_are_forecast_better_than_by_persistence", move || {
            temperatures(&real.clone().expect("it would be ignored"))
        })
        .with_ignored_flag(file.is_err()),
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Two layers that are one matrix: what a linear model is.
const LINEAR: &str =
    "name = \"linear\"\n[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        place.write("linear.toml", LINEAR);
        place
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.path().join(name), content).expect("written");
    }

    fn has(&self, name: &str) -> bool {
        self.0.path().join(name).is_file()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn run(&self, args: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        command.args(args.split(' ')).env("WGRAD_DEVICE", "cpu").current_dir(self.0.path());
        command.output().expect("the program starts")
    }

    /// The JSON object in the last line of stdout.
    fn json(&self, args: &str) -> Value {
        let output = self.run(&format!("{args} --json"));
        assert!(output.status.success(), "{args}: {}", text(&output.stderr));
        serde_json::from_str(text(&output.stdout).lines().last().expect("a line")).expect("the last line is JSON")
    }

    fn refused(&self, args: &str, code: i32, parts: &[&str]) {
        let output = self.run(args);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args}: {message}");
        assert!(parts.iter().all(|p| message.contains(p)), "{args}: {parts:?} is missing in\n{message}");
        assert!(!message.contains("internal error") && !self.0.path().join("runs").exists(), "{args}: {message}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Months from January 1980 on.
fn months(from: usize, to: usize, value: impl Fn(usize) -> f64) -> String {
    let row = |i: usize| format!("{}-{:02},{:.4}\n", 1980 + i / 12, 1 + i % 12, value(i));
    (from..to).fold("month,sales\n".to_string(), |text, i| text + &row(i))
}

fn wave(i: usize) -> f64 {
    100.0 + 20.0 * (std::f64::consts::TAU * i as f64 / 12.0).sin() + noise(i)
}

fn seasonal() -> Result<(), Failed> {
    let place = Place::new();
    place.write("sales.csv", &months(0, 400, wave));
    let args = "train --data sales.csv --window 14 --horizon 4 --model linear.toml --epochs 60 --out run";
    let made = place.json(args);
    let test = &made["test"];
    let number = |v: &Value| v.as_f64().unwrap_or_else(|| panic!("a number in {test}"));
    // 77 windows of 4 rows ahead in the 80 test rows.
    assert_eq!(test["baselines"].as_object().map(|b| b.len()), Some(5), "{test}");
    let persistence = number(&test["baselines"]["persistence"]["mae"]);
    let seasonal = number(&test["baselines"]["seasonal naive (12)"]["mae"]);
    assert!(persistence > 12.0 && seasonal < 1.5, "{test}");
    assert!(number(&test["mae"]) < 1.5 && number(&test["skill"]) > 0.8, "{test}");
    assert!((number(&test["skill"]) - (1.0 - number(&test["mae"]) / persistence)).abs() < 1e-4, "{test}");
    assert!(number(&test["mase"]) < 2.0, "{test}");
    let evaluation: Value = serde_json::from_str(&place.read("run/evaluation.json"))?;
    assert_eq!(evaluation["metrics"]["samples"], 77);
    assert_eq!(evaluation["forecast"]["season"], 12);
    assert_eq!(evaluation["forecast"]["forecasts"][0]["by_step"][0].as_array().map(Vec::len), Some(4));
    assert!(place.has("run/plots/forecast.png") && place.has("run/plots/horizon.png"));
    let report = place.read("run/report.html");
    assert!(report.contains("seasonal naive (12)") && report.contains("Skill over persistence"));
    // The same windows of the same file score the same.
    place.write("rest.csv", &months(320 - 14, 400, wave));
    let again = place.json("eval run --data rest.csv");
    assert_eq!((&again["samples"], &again["test"]["mae"]), (&77.into(), &test["mae"]));
    let told = text(&place.run("eval run --data rest.csv").stdout);
    assert!(told.contains("without a model: persistence") && told.contains("better than persistence"), "{told}");
    // What comes next.
    let next = place.json("predict run sales.csv");
    let all = next["predictions"].as_array().expect("a list");
    let said: Vec<(i64, &str)> =
        all.iter().map(|p| (p["row"].as_i64().expect("a row"), p["date"].as_str().expect("a date"))).collect();
    assert_eq!(said, [(401, "2013-05"), (402, "2013-06"), (403, "2013-07"), (404, "2013-08")]);
    for (h, p) in all.iter().enumerate() {
        let off = number(&p["values"]["sales"]) - (wave(400 + h) - noise(400 + h));
        assert!(off.abs() < 3.0, "{off} in {p}");
    }
    let csv = text(&place.run("predict run sales.csv").stdout);
    assert!(csv.starts_with("row,date,prediction\n401,2013-05,") && csv.lines().count() == 5, "{csv}");
    // From every row: the last line is the forecast above, the first that of the first window.
    place.run("predict run rest.csv --all --out all.csv");
    let lines: Vec<String> = place.read("all.csv").lines().map(String::from).collect();
    assert_eq!(lines[0], "row,date,prediction_sales+1,prediction_sales+2,prediction_sales+3,prediction_sales+4");
    assert_eq!(lines.len(), 1 + 94 - 14 + 1);
    let last: Vec<&str> = lines[lines.len() - 1].split(',').collect();
    assert_eq!((last[0], last[1]), ("94", "2013-04"));
    let near = (last[2].parse::<f64>()? - number(&all[0]["values"]["sales"])).abs();
    assert!(near < 1e-3, "{near}");
    place.refused("predict run linear.toml", 1, &["is not a table", "the series sales.csv"]);
    place.write("few.csv", &months(0, 9, wave));
    place.refused("predict run few.csv", 1, &["has 9 rows; expected at least 14"]);
    place.refused("eval run --data few.csv", 1, &["has 9 rows; expected at least 18"]);
    place.refused("eval run --data digits", 1, &["is not a table"]);
    place.write("other.csv", "month,price\n1980-01,3\n");
    place.refused("predict run other.csv", 1, &["unknown column \"sales\"", "a series like"]);
    Ok(())
}

fn trend() -> Result<(), Failed> {
    let place = Place::new();
    let rising = |i: usize| wave(i) + 3.0 * i as f64;
    place.write("sales.csv", &months(0, 200, rising));
    let args = "train --data sales.csv --window 12 --horizon 2 --model linear.toml --epochs 150 --difference";
    let made = place.json(&format!("{args} --out whole"));
    let test = &made["test"];
    assert!(test["skill"].as_f64() > Some(0.4), "{test}");
    // Figures of the device, of changes, are those of the values made of them.
    assert!(test["r2"].as_f64() > Some(0.9) && test["mae"].as_f64() < Some(8.0), "{test}");
    let row: Value = place.json("predict whole sales.csv")["predictions"][0].clone();
    let off = row["values"]["sales"].as_f64().expect("a number") - rising(200);
    assert!(off.abs() < 12.0, "{off}: {row}");
    // Stopped and resumed, it ends where the other did.
    place.json(&format!("{args} --out parts --max-steps 30"));
    let resumed = place.json("train --resume --out parts --max-steps 1000000");
    assert_eq!(resumed["test"], *test);
    Ok(())
}

fn folds() -> Result<(), Failed> {
    let place = Place::new();
    place.write("sales.csv", &months(0, 150, wave));
    let args = "train --data sales.csv --window 6 --season none --model linear.toml --epochs 3 --folds 4";
    let made = place.json(&format!("{args} --out run"));
    let each = made["folds"].as_array().expect("a list");
    assert_eq!(each.iter().map(|f| f["samples"].as_u64().unwrap()).collect::<Vec<_>>(), [30; 4]);
    assert!(made["test"]["skill"].is_f64(), "{made}");
    let info: Value = serde_json::from_str(&place.read("run/fold-2/run.json"))?;
    assert!(info["notes"].to_string().contains("this fold ends at row 90 of 150"), "{}", info["notes"]);
    Ok(())
}

fn audit() -> Result<(), Failed> {
    let place = Place::new();
    place.write("sales.csv", &months(0, 150, |i| if i == 77 { f64::NAN } else { wave(i) }));
    let found = place.json("data sales.csv --window 12");
    assert_eq!((&found["season"], &found["step"]), (&12.into(), &"1 month".into()));
    assert_eq!(found["columns"][0]["missing"], 1);
    let told = text(&place.run("data sales.csv --window 12").stdout);
    assert!(told.contains("A season has 12 rows") && told.contains("line 79"), "{told}");
    Ok(())
}

fn hostile() -> Result<(), Failed> {
    let place = Place::new();
    let train = |data: &str, flags: &str| format!("train --data {data} --model linear.toml --out out {flags}");
    let refused = |name: &str, content: &str, flags: &str, parts: &[&str]| {
        place.write(name, content);
        place.refused(&train(name, flags), 1, parts);
        assert!(!place.0.path().join("out").exists(), "{name} left a folder");
    };
    let whole = months(0, 60, wave);
    refused("short.csv", &months(0, 10, wave), "--window 30", &["has 10 rows; expected at least"]);
    refused("one.csv", &months(0, 1, wave), "--window 1", &["has 1 rows"]);
    refused("twice.csv", &format!("{whole}1980-03,5\n"), "--window 3", &["date of another one", "1980-03"]);
    refused("empty.csv", "month,sales\n1980-01,\n1980-02,\n", "--window 1", &["no column of numbers"]);
    refused("words.csv", "month,sales\n1980-01,a b\n1980-02,c d\n", "--window 1", &["no column of numbers"]);
    let text_input = whole.lines().map(|l| format!("{l},{}\n", if l.starts_with('m') { "shop" } else { "oslo" }));
    refused("shop.csv", &text_input.collect::<String>(), "--window 3 --inputs shop", &["\"shop\"", "\"oslo\""]);
    refused("flat.csv", &months(0, 60, |_| 4.0), "--window 3", &["is 4 in all", "numbers that differ"]);
    let huge: String = whole
        .lines()
        .map(|l| if l.starts_with("1980-04") { "1980-04,1e400\n".into() } else { format!("{l}\n") })
        .collect();
    refused("huge.csv", &huge, "--window 3", &["line 5", "finite"]);
    refused("undated.csv", &whole.replacen("1980-04", "soon", 1), "--window 3", &["line 5", "\"soon\""]);
    for (flags, parts) in [
        ("--window 0", "window = 0; expected a whole number of at least 1"),
        ("--window 3 --horizon 0", "horizon = 0"),
        ("--window 3 --target price", "unknown column \"price\""),
        ("--window 3 --season 1", "season = 1"),
        ("--window 3 --test-split 0.99", "test_split"),
        ("--window 3 --task classification", "a series forecasts numbers"),
        ("--window 3 --set data.split=random", "split by time"),
        ("--window 4000000000", "has 60 rows"),
        ("--window 3 --horizon 4000000000", "has 60 rows"),
        ("--window 3 --folds 70", "2 to 59"),
    ] {
        let code = if ["--task", "split=random", "--folds"].iter().any(|f| flags.contains(f)) { 2 } else { 1 };
        place.write("whole.csv", &whole);
        place.refused(&train("whole.csv", flags), code, &[parts]);
    }
    place.refused("train --data digits --window 3 --model linear.toml", 2, &["digits is not a table"]);
    // Unsorted rows and a hole in the dates are no reason to refuse.
    let mut lines: Vec<&str> = whole.lines().collect();
    lines[1..].reverse();
    lines.remove(9);
    place.write("mixed.csv", &lines.join("\n"));
    let done = place.run("train --data mixed.csv --window 3 --model linear.toml --epochs 1 --out mixed");
    let told = text(&done.stderr);
    assert!(done.status.success() && told.contains("the newest row came first"), "{told}");
    assert!(told.contains("1 month apart, but not in 1 of 58 places"), "{told}");
    assert!(Path::new(&place.0.path().join("mixed/report.html")).is_file());
    Ok(())
}

/// 3,650 daily minimum temperatures of Melbourne, the last fifth for the test.
fn temperatures(file: &str) -> Result<(), Failed> {
    let place = Place::new();
    let made = place.json(&format!("train --data {file} --window 30 --model linear.toml --out run"));
    let test = &made["test"];
    assert!(test["skill"].as_f64() > Some(0.1), "{test}");
    assert!(test["baselines"].as_object().is_some_and(|b| b.contains_key("seasonal naive (365)")), "{test}");
    Ok(())
}
