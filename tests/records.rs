//! Tables that are no CSV, from the file to the answers: records of JSON, ARFF, cells in
//! single quotes. Each says what the CSV file of the same rows says.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, program, ran, said, works};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const SHORT: &str = "--model mlp --epochs 3 --target kind";

/// A number, a word of two, a yes or no, and the class.
type Row = (String, &'static str, bool, &'static str);

/// Rows of a number, a word of two, a yes or no, and the class.
fn rows() -> Vec<Row> {
    let row = |i: usize| {
        let town = ["new town", "port, old", "ford"][i * 7 % 3];
        (
            format!("{}.{}0", i * 13 % 29, i % 7),
            town,
            i.is_multiple_of(4),
            if i * 13 % 29 > 14 { "high" } else { "low" },
        )
    };
    (0..80).map(row).collect()
}

/// The same rows as every kind of file: its name and its text.
fn files() -> Vec<(&'static str, String)> {
    let cells = |quote: &str| -> String {
        rows().iter().map(|(x, t, y, k)| format!("{x},{quote}{t}{quote},{y},{quote}{k}{quote}\n")).collect()
    };
    let object = |(x, town, yes, kind): &Row| {
        format!("{{\"x\": {x}, \"at\": {{\"town\": \"{town}\"}}, \"yes\": {yes}, \"kind\": \"{kind}\"}}")
    };
    let objects: Vec<String> = rows().iter().map(object).collect();
    let list = |cell: &dyn Fn(&Row) -> String| rows().iter().map(cell).collect::<Vec<_>>().join(", ");
    let columns = format!(
        "{{\"x\": [{}],\n \"at.town\": [{}],\n \"yes\": [{}],\n \"kind\": [{}]}}",
        list(&|r| r.0.clone()),
        list(&|r| format!("\"{}\"", r.1)),
        list(&|r| r.2.to_string()),
        list(&|r| format!("\"{}\"", r.3))
    );
    let head = "@relation t\n@attribute x numeric\n@attribute 'at.town' {'new town','port, old',ford}\n@attribute yes \
                {true,false}\n@attribute kind {high,low}\n@data\n";
    vec![
        ("t.csv", "x,at.town,yes,kind\n".to_string() + &cells("\"")),
        ("single.csv", "x,at.town,yes,kind\n".to_string() + &cells("'")),
        ("t.json", format!("[\n{}\n]\n", objects.join(",\n"))),
        ("t.jsonl", objects.join("\n")),
        ("lines.txt", objects.join("\n")),
        ("export", objects.join("\n")),
        ("columns.json", columns),
        ("t.arff", head.to_string() + &cells("'")),
    ]
}

#[test]
fn the_same_rows_are_learned_and_answered_alike() {
    let place = Place::new();
    let at = place.root();
    let answers = |run: &str, file: &str| -> Vec<Value> {
        let output = ran(at, &format!("predict {run} {file} --json"));
        assert!(output.status.success(), "{file}: {}", said(&output));
        let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let all = object["predictions"].as_array().expect("a list").iter();
        // What depends on the file is its name and the line.
        let answer = |p: &Value| {
            let mut p = p.clone();
            p.as_object_mut().expect("an object").retain(|key, _| key != "file" && key != "line");
            p
        };
        all.map(answer).collect()
    };
    let mut first: Option<Vec<Value>> = None;
    for (name, text) in files() {
        place.write(name, text);
        works(at, &format!("train --data {name} {SHORT} --out run-{name}"));
        let own = answers(&format!("run-{name}"), name);
        assert_eq!((own.len(), &own[0]["row"]), (80, &json!(1)), "{name}");
        let expected = first.get_or_insert_with(|| own.clone());
        assert_eq!(own, *expected, "{name}");
        // Files of another kind are new rows like others.
        assert_eq!(answers("run-t.csv", name), *expected, "{name}");
        works(at, &format!("eval run-t.csv --data {name}"));
    }
    let said = works(at, &format!("train --data t.jsonl {SHORT} --folds 2 --out folds"));
    assert!(said.contains("fold"), "{said}");
}

#[test]
fn records_come_from_the_standard_input_and_know_their_lines() {
    let place = Place::new();
    let at = place.root();
    let (_, text) = files().remove(2);
    place.write("t.json", &text);
    works(at, &format!("train --data t.json {SHORT} --out run"));
    let evaluation: Value = serde_json::from_str(&place.read("run/evaluation.json")).expect("JSON");
    let place_of = &evaluation["mistakes"][0]["place"];
    // The bracket stands in a line of its own.
    assert_eq!(place_of["line"].as_u64(), place_of["row"].as_u64().map(|row| row + 1), "{place_of}");
    let mut child = program(at, "predict run - --json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"{\"x\": 1.5, \"yes\": true, \"at\": {\"town\": \"ford\"}}\n")
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", said(&output));
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(object["predictions"].as_array().map(Vec::len), Some(1), "{object}");
    for (broken, part) in [
        ("[{\"x\": 1.5},\n{\"x\": }]", "record 2, line 2"),
        ("{\"x\": 1.5}\n{\"x\": 1.5\n", "record 2, line 3"),
        ("[{\"y\": 1}]", "unknown column"),
    ] {
        place.write("broken.json", broken);
        let output = ran(at, "predict run broken.json");
        assert!(output.status.code() == Some(1) && said(&output).contains(part), "{broken}: {}", said(&output));
    }
}

/// A row of two numbers, as new ones of a table are.
fn new_rows(first: &[&str]) -> String {
    first.iter().enumerate().fold("x,z\n".to_string(), |text, (i, cell)| text + &format!("{cell},{i}.5\n"))
}

#[test]
fn answers_keep_the_numbers_of_their_rows() {
    let place = Place::new();
    let rows = (0..60).fold("x,z,y\n".to_string(), |text, i| {
        text + &format!("{}.5,{}.5,{}\n", i * 7 % 11, i * 5 % 13, i * 7 % 11 * 3)
    });
    place.write("t.csv", rows);
    works(place.root(), "train --data t.csv --epochs 2 --task regression --out run");
    place.write("new.csv", new_rows(&["1.5", "#N/A", "2.5", "#WERT!", "%", "3.5"]));
    let output = ran(place.root(), "predict run new.csv");
    let csv = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(csv.lines().count() == 7 && csv.lines().last().is_some_and(|l| l.starts_with("6,")), "{csv}");
    // What is left out between rows is said with what it changes.
    place.write("noted.csv", new_rows(&["1.5", "2.5"]) + "# battery changed\n" + "3.5,2\n");
    let told = said(&ran(place.root(), "predict run noted.csv"));
    assert!(told.contains("line 4 left out: it is a comment; rows are counted without it"), "{told}");
}

#[test]
fn rows_of_both_sides_that_are_equal_are_said() {
    let place = Place::new();
    let row = |i: usize| format!("{},{}.5,{}.25,{}\n", 1000 + i, i * 7 % 101, i * 13 % 97, ["a", "b"][i % 2]);
    let rows: String =
        (0..80).map(row).collect::<String>() + &(0..80).map(|i| row(i).replacen("10", "20", 1)).collect::<String>();
    place.write("t.csv", format!("id,x,z,y\n{rows}"));
    let told = works(place.root(), "train --data t.csv --epochs 1 --out run");
    assert!(told.contains("rows held out are equal to a training row in all columns that are used"), "{told}");
    let audit = String::from_utf8(ran(place.root(), "data t.csv --json").stdout).unwrap();
    let audit: Value = serde_json::from_str(audit.trim()).unwrap();
    assert_eq!(
        (&audit["repeated"]["without"][0], audit["repeated"]["lines"].as_array().map(Vec::len)),
        (&json!("id"), Some(80))
    );
}
