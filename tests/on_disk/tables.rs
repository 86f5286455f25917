//! Tables that are larger than the memory that they may take.

use super::support::device::on_both;
use super::support::noise::noise;
use super::support::place::{Place, program, said};
use super::{Test, compare, gzip, json, message, run, works};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The trials.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = on_both("tables::same_bits", same_bits).into();
    let single: [(&str, Test); 10] = [
        ("splits_and_folds", splits_and_folds),
        ("resumed", resumed),
        ("scores_and_answers", scores_and_answers),
        ("a_sample_is_drawn_and_said", a_sample_is_drawn_and_said),
        ("memory_is_bounded", memory_is_bounded),
        ("damage_is_found_in_its_line", damage_is_found_in_its_line),
        ("what_cannot_be_read_in_pieces_is_refused", what_cannot_be_read_in_pieces_is_refused),
        ("nothing_is_left_behind", nothing_is_left_behind),
        ("an_audit_draws_rows", an_audit_draws_rows),
        ("columns_of_every_kind", columns_of_every_kind),
    ];
    trials.extend(single.map(|(name, test)| Trial::test(format!("tables::{name}"), test)));
    trials
}

const MODEL: &str = "[[layer]]\ntype = \"Dense\"\nunits = 9\nactivation = \"tanh\"\n[[layer]]\ntype = \"Dropout\"\n\
                     rate = 0.2\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
const TRAIN: &str = "--model model.toml --epochs 2 --batch-size 128 --lr 0.01 --seed 3 --val-split 0.2";
/// Memory in which a table of [`rows`] has no room; its pieces are of 64 KiB.
const SMALL: &str = "--data-memory 128KiB";

/// A table with quotes, line breaks, gaps and blank lines; `a` to `c` are to be told.
fn rows(n: usize) -> String {
    let row = |i: usize| {
        let (x, z) = (noise(i), noise(i + 700_001));
        let kind = ["red", "green", "\"Violet, \"\"dark\"\"\"", "None"][(noise(i + 9).abs() * 997.0) as usize % 4];
        let note = ["fine", "\"two\nlines\"", "", "\"a \"\"word\"\"\""][i % 7 % 4];
        let y = if x + z > 0.2 {
            "a"
        } else if kind == "red" {
            "b"
        } else {
            "c"
        };
        let gap = if i % 31 == 5 { "NA".into() } else { format!("{x:.4}") };
        let day = format!("20{:02}-{:02}-{:02}", 10 + i % 13, 1 + i % 12, 1 + i % 28);
        let blank = if i % 977 == 5 { "\n" } else { "" };
        format!("P{:04},{gap},{z:.3},{kind},{day},{note},{:.3},{y}\n{blank}", i / 3, 2.0 * x - z)
    };
    "id,x,z,kind,day,note,value,y\n".to_string() + &(0..n).map(row).collect::<String>()
}

fn place(n: usize) -> Place {
    let place = Place::new();
    place.write("model.toml", MODEL);
    place.write("t.csv", rows(n));
    place
}

fn same_bits(on_gpu: bool) -> Result<(), Failed> {
    let place = place(5000);
    for target in ["y", "value"] {
        let words = format!("train --data t.csv --target {target} {TRAIN}");
        let held = works(&place, on_gpu, &format!("{words} --out held-{target}"));
        assert!(!held.contains("piece by piece"), "{held}");
        let read = works(&place, on_gpu, &format!("{words} --out read-{target} {SMALL}"));
        assert!(read.contains("piece by piece") && read.contains("learned of all 5000 rows"), "{read}");
        compare(&place, &format!("held-{target}"), &format!("read-{target}"))?;
    }
    Ok(())
}

fn columns_of_every_kind() -> Result<(), Failed> {
    let place = place(4000);
    // No header; rows that end in a delimiter; decimal commas between semicolons; CRLF.
    let comma = |x: f64| format!("{x:.2}").replace('.', ",");
    let row =
        |i: usize| format!("{};{};w{};{}\r\n", comma(noise(i)), i % 7, i % 3, ["u", "v"][usize::from(noise(i) > 0.0)]);
    place.write("plain.csv", (0..5000).map(row).collect::<String>());
    let row = |i: usize| format!("{:.3}  {:.3} {}\n", noise(i), noise(i + 5), i % 2);
    place.write("blanks.txt.csv", (0..5000).map(row).collect::<String>());
    for (data, more) in [
        ("t.csv", "--target y --set data.normalize=robust --set clean.outliers=clip"),
        ("t.csv", "--target y --set data.normalize=minmax --set clean.missing=drop"),
        ("t.csv", "--target y --set data.normalize_classes=true"),
        ("plain.csv", ""),
        ("blanks.txt.csv", ""),
    ] {
        let words = format!("train --data {data} {TRAIN} {more}").replace("--epochs 2", "--epochs 1");
        works(&place, false, &format!("{words} --out held"));
        assert!(works(&place, false, &format!("{words} --out read {SMALL}")).contains("piece by piece"), "{words}");
        compare(&place, "held", "read").map_err(|e| Failed::from(format!("{words}: {e:?}")))?;
    }
    Ok(())
}

fn splits_and_folds() -> Result<(), Failed> {
    let place = place(4000);
    let words = format!("train --data t.csv --target y {TRAIN}").replace("--epochs 2", "--epochs 1");
    for (i, more) in
        ["--group id", "--set data.split=time", "--set data.split=time --set data.date=day"].iter().enumerate()
    {
        works(&place, false, &format!("{words} {more} --out held-{i}"));
        works(&place, false, &format!("{words} {more} --out read-{i} {SMALL}"));
        compare(&place, &format!("held-{i}"), &format!("read-{i}"))?;
    }
    works(&place, false, &format!("{words} --folds 2 --out held"));
    works(&place, false, &format!("{words} --folds 2 --out read {SMALL}"));
    ["fold-1", "fold-2"].iter().try_for_each(|fold| compare(&place, &format!("held/{fold}"), &format!("read/{fold}")))
}

fn resumed() -> Result<(), Failed> {
    let place = place(4000);
    let words = format!("train --data t.csv --target y {TRAIN}");
    works(&place, false, &format!("{words} --out held"));
    for (memory, then) in [("128KiB", "1GiB"), ("1GiB", "128KiB"), ("128KiB", "200KiB")] {
        works(&place, false, &format!("{words} --out parts --max-steps 30 --data-memory {memory}"));
        works(&place, false, &format!("train --resume --out parts --set train.max_steps=0 --data-memory {then}"));
        compare(&place, "held", "parts")?;
        fs::remove_dir_all(place.path("parts"))?;
    }
    works(&place, false, &format!("{words} --out parts --max-steps 30 {SMALL}"));
    place.write("t.csv", rows(4001));
    let told = message(&place, &format!("train --resume --out parts --set train.max_steps=0 {SMALL}"));
    assert!(told.contains("is not the data that this run was trained on"), "{told}");
    Ok(())
}

fn scores_and_answers() -> Result<(), Failed> {
    let place = place(4000);
    works(
        &place,
        false,
        &format!("train --data t.csv --target y {TRAIN} --epochs 1 --out run").replace("--epochs 2 ", ""),
    );
    // Another table, with dates in another order, words in capitals and a new category.
    let other = rows(5000).replace(",red,", ",RED,").replace(",green,", ",grey,");
    place.write("new.csv", other);
    let [held, read] =
        ["--data-memory 1GiB", SMALL].map(|memory| json(&place, &format!("eval run --data new.csv {memory}")));
    for key in ["test", "mistakes", "parts", "samples", "dropped"] {
        assert_eq!(held[key], read[key], "{key}");
    }
    let words = "predict run new.csv";
    let told = |memory: &str| -> Result<(String, String), Failed> {
        let output = run(&place, false, &format!("{words} {memory}"));
        assert!(output.status.success(), "{}", said(&output));
        Ok((String::from_utf8(output.stdout.clone())?, said(&output)))
    };
    let ((held, _), (read, notes)) = (told("--data-memory 1GiB")?, told(SMALL)?);
    assert!(
        held == read && held.lines().count() == 5001,
        "{} and {} lines",
        held.lines().count(),
        read.lines().count()
    );
    assert!(notes.contains("piece by piece") && notes.contains("is what training wrote as \"red\""), "{notes}");
    assert!(notes.contains("categories that no training row has"), "{notes}");
    works(&place, false, &format!("{words} {SMALL} --out answers.csv"));
    assert!(place.read("answers.csv").trim_end() == held.trim_end());
    let [held, read] = ["--data-memory 1GiB", SMALL].map(|memory| json(&place, &format!("{words} {memory}")));
    assert_eq!(held["predictions"], read["predictions"]);
    Ok(())
}

/// A wide table of some MiB.
fn wide(n: usize) -> String {
    let row = |i: usize| {
        let cells: Vec<String> = (0..20).map(|c| format!("{:.5}", noise(i * 31 + c * 1_000_003))).collect();
        format!(
            "{},{}\n",
            cells.join(","),
            ["u", "v", "w"][usize::from(noise(i * 31) > 0.0) + usize::from(i % 1999 == 7)]
        )
    };
    let names: Vec<String> = (0..20).map(|c| format!("x{c}")).collect();
    format!("{},y\n", names.join(",")) + &(0..n).map(row).collect::<String>()
}

fn a_sample_is_drawn_and_said() -> Result<(), Failed> {
    let place = Place::new();
    place.write("model.toml", MODEL);
    place.write("t.csv", wide(60_000));
    let words = format!("train --data t.csv {TRAIN} --max-steps 200");
    let told = works(&place, false, &format!("{words} --out run --data-memory 1MiB"));
    assert!(
        told.contains("of 60000 rows, drawn at random by the seed") && told.contains("raise --data-memory"),
        "{told}"
    );
    // All rows are trained on, and all classes are known.
    assert!(told.contains("48000 training, 12000 validation") && told.contains("3 classes"), "{told}");
    let again = works(&place, false, &format!("{words} --out again --data-memory 1MiB"));
    assert!(again.contains("drawn at random"));
    compare(&place, "run", "again")
}

/// The most memory of a command that works, in MiB.
fn peak(place: &Place, words: &str) -> Result<f64, Failed> {
    let mut command = program(place.root(), words);
    let mut child = command.env("WGRAD_DEVICE", "cpu").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0.0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        most = kib.map_or(most, |kib| f64::max(most, kib / 1024.0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait()?.success(), "{words}");
    Ok(most)
}

fn memory_is_bounded() -> Result<(), Failed> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let place = Place::new();
    place.write("model.toml", MODEL);
    place.write("t.csv", wide(100_000));
    let words = format!("train --data t.csv {TRAIN} --max-steps 20 --out run --data-memory");
    let [held, read] = [peak(&place, &format!("{words} 1GiB"))?, peak(&place, &format!("{words} 4MiB"))?];
    // Text and cells take 17 MiB each, and features 8.
    assert!(read + 25.0 < held, "{read} MiB read in pieces, {held} MiB held");
    Ok(())
}

fn damage_is_found_in_its_line() -> Result<(), Failed> {
    let place = place(4000);
    let text = place.read("t.csv");
    let at = text[text.len() / 2..].find("\nP").expect("a row") + text.len() / 2 + 1;
    let line = 1 + text[..at].matches('\n').count();
    let refused = |bytes: Vec<u8>, parts: &[&str]| {
        place.write("t.csv", bytes);
        let told = message(&place, &format!("train --data t.csv --target y {TRAIN} --out run {SMALL}"));
        for part in parts {
            assert!(told.contains(part), "{told}");
        }
    };
    let with = |piece: &[u8]| [&text.as_bytes()[..at], piece, &text.as_bytes()[at..]].concat();
    refused(with(b"1,2,3\n"), &[&format!("line {line}: found 3 cells; expected 8")]);
    refused(with(b"K\xf6ln"), &[&format!("line {line}: it is not UTF-8 (byte 0xf6)"), "iconv", "raise --data-memory"]);
    refused(with(b"\0"), &[&format!("line {line}: found a NUL byte")]);
    Ok(())
}

fn what_cannot_be_read_in_pieces_is_refused() -> Result<(), Failed> {
    let place = place(4000);
    let text = place.read("t.csv");
    let records: String =
        (0..4000).map(|i| format!("{{\"x\": {i}.5, \"y\": \"{}\", \"longer\": {i}}}\n", i % 2)).collect();
    place.write("t.jsonl", records);
    place.write("t.csv.gz", gzip(text.as_bytes()));
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    place.write("u.csv", [&[0xff, 0xfe][..], &units].concat());
    let arff =
        "@relation r\n@attribute x numeric\n@attribute y {a,b}\n@data\n".to_string() + &"1.5,a\n2.5,b\n".repeat(20_000);
    place.write("t.arff", arff);
    for (data, more, parts) in [
        ("t.jsonl", "", ["is JSON and takes", "convert it to CSV"]),
        ("t.csv.gz", "", ["is compressed", "unpack it"]),
        ("u.csv", "", ["is UTF-16 text and takes", "convert it to CSV"]),
        ("t.arff", "", ["is ARFF and takes", "convert it to CSV"]),
        ("t.csv", "--set clean.drop_duplicates=true", ["drop_duplicates = true compares all rows", "more memory than"]),
    ] {
        let told = message(&place, &format!("train --data {data} {more} {TRAIN} --out run {SMALL}"));
        assert!(parts.iter().all(|part| told.contains(part)) && told.contains("raise --data-memory"), "{told}");
    }
    Ok(())
}

fn nothing_is_left_behind() -> Result<(), Failed> {
    let place = place(4000);
    fs::create_dir(place.path("passing"))?;
    let words = format!("train --data t.csv --target y {TRAIN} --epochs 5000 --out run {SMALL} --data-cache passing")
        .replace("--epochs 2 ", "");
    let mut command = program(place.root(), &words);
    let mut child = command.env("WGRAD_DEVICE", "cpu").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let begun = Instant::now();
    while !std::path::Path::new(&place.path("run/checkpoints/last")).exists()
        && begun.elapsed() < Duration::from_secs(120)
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.try_wait()?.is_none(), "it trains");
    child.kill()?;
    child.wait()?;
    assert_eq!(fs::read_dir(place.path("passing"))?.count(), 0);
    place.write("file", "");
    let told = message(&place, &format!("train --data t.csv --target y {TRAIN} --out x {SMALL} --data-cache file"));
    assert!(told.contains("making a file in file"), "{told}");
    Ok(())
}

fn an_audit_draws_rows() -> Result<(), Failed> {
    let place = Place::new();
    place.write("t.csv", wide(60_000));
    let [held, some] = ["1GiB", "1MiB"].map(|memory| json(&place, &format!("data t.csv --data-memory {memory}")));
    assert!(held["drawn_of"].is_null() && held["rows"] == 60_000, "{}", held["rows"]);
    let n = some["rows"].as_u64().expect("a number");
    assert!(some["drawn_of"] == 60_000 && (5_000..30_000).contains(&n), "{n}");
    let hint = some["hints"][0].as_str().expect("a hint");
    assert!(
        hint.contains(&format!("{n} of 60000 rows were looked at")) && hint.contains("raise --data-memory"),
        "{hint}"
    );
    assert_eq!(some["columns"].as_array().map(Vec::len), Some(21));
    Ok(())
}
