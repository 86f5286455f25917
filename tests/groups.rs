//! Rows that belong together, as a user meets them: several series in one file, and
//! patients with several rows, whatever the command.

#[path = "support/noise.rs"]
mod noise;
#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use noise::noise;
use place::{Place, ran, said, works};
use serde_json::Value;
use std::io::Write;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const LINEAR: &str =
    "name = \"linear\"\n[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

fn json(place: &Place, args: &str) -> Value {
    let output = ran(place.root(), &format!("{args} --json"));
    assert!(output.status.success(), "{args}: {}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn refused(place: &Place, args: &str, parts: &[&str]) {
    let output = ran(place.root(), args);
    let said = said(&output);
    assert!(!output.status.success(), "{args} is not refused: {said}");
    assert!(parts.iter().all(|p| said.contains(p)), "{args}: {parts:?} is missing in\n{said}");
}

fn demand(country: &str, year: usize) -> f64 {
    country.len() as f64 * 100.0 + 10.0 * (year as f64 * 0.8).sin() + noise(year + country.len())
}

/// Years of countries, one below the other.
fn countries(from: usize) -> String {
    let all = ["Peru", "Norway", "Indonesia"].into_iter().flat_map(|c| (from..2020).map(move |year| (c, year)));
    let text = all.map(|(c, year)| format!("{c},{year},{:.3}\n", demand(c, year))).collect::<String>();
    format!("country,year,demand\n{text}")
}

#[test]
fn a_panel_is_trained_scored_and_forecast_by_group() {
    let place = Place::new();
    place.write("linear.toml", LINEAR);
    place.write("demand.csv", countries(1920) + "Malta,2018,5\nMalta,2019,6\n");
    let args = "train --data demand.csv --window 6 --horizon 2 --model linear.toml --difference --epochs 40";
    let told = works(place.root(), &format!("{args} --out found"));
    for part in ["\"country\" tells series apart", "1 of 4 groups left out", "Malta (2 rows)", "--group none"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let done = json(&place, &format!("{args} --group country --out run"));
    // Of 100 years the last 20 of each country, forecast two ahead.
    let evaluation: Value = serde_json::from_str(&place.read("run/evaluation.json")).unwrap();
    assert_eq!(evaluation["metrics"]["samples"], 57);
    let groups = evaluation["forecast"]["groups"].as_array().expect("groups");
    assert_eq!(groups.iter().map(|g| g["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Peru", "Norway", "Indonesia"]);
    let worst = groups.iter().map(|g| g["persistence"].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(worst < 20.0, "persistence of one series is that of another: {worst}");
    assert!(done["test"]["skill"].as_f64() > Some(0.3), "{done}");
    assert!(
        place.read("run/report.html").contains("Indonesia")
            && place.read("run/config.toml").contains("group = \"country\"")
    );
    // What was found out is what was told.
    let found: Value = serde_json::from_str(&place.read("found/evaluation.json")).unwrap();
    assert_eq!(found["forecast"], evaluation["forecast"]);
    // The same windows score the same in another file, and each country is forecast.
    place.write("late.csv", countries(2020 - 20 - 6));
    let scored = json(&place, "eval run --data late.csv");
    assert_eq!((&scored["samples"], &scored["test"]["mae"]), (&57.into(), &done["test"]["mae"]));
    let output = ran(place.root(), "predict run late.csv");
    let csv = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("country,row,date,prediction", 7), "{csv}");
    assert!(lines[1].starts_with("Peru,27,2020,") && lines[6].starts_with("Indonesia,28,2021,"), "{csv}");
    for (line, country) in lines[1..].iter().zip(["Peru", "Peru", "Norway", "Norway", "Indonesia", "Indonesia"]) {
        let value: f64 = line.split(',').next_back().unwrap().parse().unwrap();
        assert!((value - 100.0 * country.len() as f64).abs() < 25.0, "{line}");
    }
    let told = json(&place, "predict run demand.csv");
    assert_eq!(told["predictions"].as_array().map(Vec::len), Some(6), "Malta has no window: {told}");
    assert_eq!(told["predictions"][2]["group"], "Norway");
    let all = json(&place, "predict run late.csv --all");
    assert_eq!(all["predictions"].as_array().map(Vec::len), Some(3 * 21));
    // Stopped and resumed it is the same; another group is another run.
    json(&place, &format!("{args} --group country --out parts --max-steps 20"));
    refused(&place, "train --resume --out parts --group none", &["group"]);
    let resumed = json(&place, "train --resume --out parts --max-steps 1000000");
    assert_eq!(resumed["test"], done["test"]);
    let folds = json(&place, &format!("{args} --group country --folds 3 --out folds"));
    assert_eq!(folds["folds"][0]["samples"], 75);
    let audit = json(&place, "data demand.csv --window 6");
    assert_eq!((&audit["group"][0], audit["groups"].as_array().map(Vec::len)), (&"country".into(), Some(4)));
    refused(&place, "data demand.csv --window 6 --group none", &["--group COLUMN", "data.duplicates"]);
}

#[test]
fn an_hour_shown_twice_is_settled_by_a_key_that_stays_with_the_model() {
    let place = Place::new();
    place.write("linear.toml", LINEAR);
    let row = |i: usize| {
        let hour = if i > 50 { i - 1 } else { i };
        format!("2021-10-{:02} {:02}:00,{:.3}\n", 1 + hour / 24, hour % 24, 20.0 + 5.0 * (i as f64 / 3.8).sin())
    };
    place.write("meter.csv", (0..200).fold("time,load\n".to_string(), |text, i| text + &row(i)));
    let args = "train --data meter.csv --window 6 --model linear.toml --epochs 2 --out run";
    refused(&place, args, &["duplicates = \"first\"", "--group COLUMN", "lines 52 and 53"]);
    let told = works(place.root(), &format!("{args} --set data.duplicates=mean"));
    assert!(told.contains("their mean is taken"), "{told}");
    works(place.root(), "eval run --data meter.csv");
    assert_eq!(json(&place, "predict run meter.csv")["predictions"][0]["date"], "2021-10-09 07:00");
    refused(&place, &format!("{args} --set data.duplicates=last"), &["unknown duplicates"]);
}

/// Patients with fifteen visits each; what is measured says nothing, and the outcome is
/// that of the patient.
fn visits() -> String {
    let row = |i: usize| {
        let patient = i % 16;
        let outcome = if noise(patient + 7) > 0.0 { "ill" } else { "well" };
        format!("P{patient:03},{:.3},{:.3},{outcome}\n", noise(3 * i), noise(5 * i + 1))
    };
    (0..240).fold("patient,pulse,fever,outcome\n".to_string(), |text, i| text + &row(i))
}

#[test]
fn patients_are_on_one_side_of_splits_and_folds() {
    let place = Place::new();
    place.write("visits.csv", visits());
    let finding = json(&place, "data visits.csv");
    let hints = finding["hints"].to_string();
    assert!(hints.contains("16 different values in 240 rows") && hints.contains("--group"), "{hints}");
    let args = "train --data visits.csv --val-split 0.25 --epochs 30";
    let loose = json(&place, &format!("{args} --out loose"));
    let output = ran(place.root(), &format!("{args} --group patient --out run --json"));
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    for part in ["16 groups by \"patient\" of 15 rows; 4 of them are held out whole, 60 of 240 rows", "it is the group"]
    {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let accuracy = |v: &Value| v["accuracy"].as_f64().expect("an accuracy");
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(accuracy(&loose["validation"]) > 0.95, "the patient tells it: {loose}");
    assert!(accuracy(&whole["validation"]) < 0.8, "nothing tells it: {whole}");
    let output = ran(place.root(), &format!("{args} --group patient --folds 4 --out folds --json"));
    let folds: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(accuracy(&folds["test"]) < 0.8, "{folds}");
    // New rows need no patient, and the settings stay with the run.
    place.write("new.csv", "pulse,fever\n0.1,0.2\n-0.5,0.9\n");
    assert_eq!(json(&place, "predict run new.csv")["predictions"].as_array().map(Vec::len), Some(2));
    json(&place, "eval run --data visits.csv");
    assert_eq!(json(&place, "train --resume --out run")["validation"], whole["validation"]);
    // Asked for, the group is a feature, too.
    let told =
        works(place.root(), &format!("{args} --group patient --set clean.columns.patient.type=category --out both"));
    assert!(!told.contains("it is the group") && told.contains("held out whole"), "{told}");
    place.write("s.toml", "[data]\nsource = \"visits.csv\"\ngroup = \"patient\"\nval_split = 0.25\n[train]\nepochs = 1\n[search]\ntrials = 2\n[search.space]\n\"optimizer.lr\" = [0.01, 0.001]\n");
    let told = works(place.root(), "search s.toml --out search");
    assert!(told.contains("4 of them are held out whole"), "{told}");
    let audit = json(&place, "data visits.csv --group patient");
    assert!(audit["hints"].to_string().contains("16 groups by"), "{audit}");
}

#[test]
fn names_of_patients_that_differ_in_form_are_said_or_one() {
    let place = Place::new();
    let written = |i: usize, text: &str| match i % 3 {
        0 => text.replacen('P', "p", 1),
        1 => text.replacen('P', "P\u{200b}", 1),
        _ => text.to_string(),
    };
    let rows = visits().lines().enumerate().fold(String::new(), |all, (i, line)| {
        all + &if i == 0 { line.to_string() } else { written(i / 7, line) } + "\n"
    });
    place.write("visits.csv", rows);
    let args = "train --data visits.csv --val-split 0.25 --epochs 1 --group patient";
    let told = works(place.root(), &format!("{args} --out apart"));
    for part in ["names that look the same", "differ from others in capitals", "set data.normalize_groups = true"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let told = works(place.root(), &format!("{args} --set data.normalize_groups=true --out one"));
    assert!(told.contains("16 groups by \"patient\" of 15 rows; 4 of them are held out whole"), "{told}");
    assert!(told.contains("as configured (data.normalize_groups)"), "{told}");
    let audit = json(&place, "data visits.csv --group patient")["hints"].to_string();
    assert!(audit.contains("differ from others in capitals"), "{audit}");
    place.write("demand.csv", countries(1990));
    let series = "train --data demand.csv --window 6 --group country --set data.normalize_groups=true --out out";
    refused(&place, series, &["normalize_groups = true"]);
}

#[test]
fn what_cannot_be_grouped_says_why() {
    let place = Place::new();
    place.write("visits.csv", visits());
    place.write("verse.txt", "roses are red and violets are blue\n".repeat(200));
    let train = |data: &str, more: &str| format!("train --data {data} --epochs 1 --out out --group {more}");
    for (args, parts) in [
        (train("visits.csv", "patent"), &["[data]: group", "did you mean \"patient\"?"][..]),
        (train("visits.csv", "outcome"), &["both target and group"]),
        (train("visits.csv", "patient --set data.split=time"), &["split = \"time\"", "one of the two"]),
        (train("visits.csv", "patient --folds 17"), &["16 groups by \"patient\"", "2 to 16"]),
        (train("digits", "writer"), &["--group writer", "pictures"]),
        (train("verse.txt", "poet --model char-lstm"), &["--group poet", "one text"]),
        ("data digits --group writer".into(), &["--group writer", "neither a table nor"]),
        ("data verse.txt --group poet".into(), &["--group poet"]),
    ] {
        refused(&place, &args, parts);
        assert!(!place.root().join("out").exists(), "{args} left a folder");
    }
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn samples_of_an_archive_are_grouped_by_an_array() {
    let place = Place::new();
    let floats: Vec<u8> = (0..160).flat_map(|i| (noise(i) as f32).to_le_bytes()).collect();
    let ints = |of: &dyn Fn(usize) -> i32| (0..80).flat_map(|i| of(i).to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = std::io::Cursor::new(vec![]);
    let mut zip = ZipWriter::new(&mut bytes);
    let arrays = [
        ("x", npy("<f4", &[80, 2], &floats)),
        ("y", npy("<i4", &[80], &ints(&|i| (i % 2) as i32))),
        ("groups", npy("<i4", &[80], &ints(&|i| (i / 8) as i32))),
        ("few", npy("<i4", &[40], &ints(&|i| i as i32)[..160])),
    ];
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        zip.write_all(&array).unwrap();
    }
    zip.finish().unwrap();
    place.write("set.npz", bytes.into_inner());
    place.write("alone.npy", npy("<f4", &[80, 2], &floats));
    place.write("y.npy", npy("<i4", &[80], &ints(&|i| (i % 2) as i32)));
    let args = "train --data set.npz --epochs 1 --val-split 0.2 --out";
    assert!(works(place.root(), &format!("{args} plain")).contains("--group groups"));
    let told = works(place.root(), &format!("{args} run --group groups"));
    assert!(told.contains("10 groups by \"groups\" of 8 rows; 2 of them are held out whole, 16 of 80 rows"), "{told}");
    assert!(told.contains("pair: few") && !told.contains("pair: few, groups"), "{told}");
    works(place.root(), &format!("{args} folds --group groups --folds 5"));
    refused(&place, &format!("{args} out --group few"), &["few of set.npz", "80 training samples"]);
    refused(&place, &format!("{args} out --group group"), &["did you mean \"groups\"?"]);
    refused(&place, "train --data alone.npy --epochs 1 --out out --group groups", &["one array", ".npz archive"]);
    assert!(json(&place, "data set.npz --group groups")["notes"].to_string().contains("10 groups"));
}
