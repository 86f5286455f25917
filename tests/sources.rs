//! What data, recipes and models are found under a name, and in which order rows
//! are taken.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::{Place, works};

fn has(said: &str, parts: &[&str]) {
    assert!(parts.iter().all(|p| said.contains(p)), "{parts:?} is missing in\n{said}");
}

/// A PNG picture of one grey.
fn picture(grey: u8) -> Vec<u8> {
    let mut bytes = vec![];
    let image = image::GrayImage::from_pixel(6, 6, image::Luma([grey]));
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("a picture");
    bytes
}

/// Classes of eight pictures each below a folder.
fn pictures(place: &Place, below: &str) {
    for (class, grey) in [("cat", 30), ("dog", 200)] {
        (0..8).for_each(|i| drop(place.write(&format!("{below}{class}/{i}.png"), picture(grey + i))));
    }
}

const SHORT: &str = "--epochs 1 --set train.max_steps=2";

#[test]
fn a_path_comes_before_the_built_in_set() {
    let place = Place::new();
    let at = place.root();
    let builtin = works(at, &format!("train --data digits --model mlp {SHORT} --out before"));
    has(&builtin, &["10 classes"]);
    pictures(&place, "digits/");
    has(
        &works(at, &format!("train --data digits --model mlp {SHORT} --out folder")),
        &["2 classes", "note: ./digits is what lies here", "--data builtin:digits"],
    );
    has(&works(at, "data digits"), &["note: ./digits is what lies here"]);
    // What a run was trained on is found again, whatever lies there by now.
    has(&works(at, "train --resume --out before"), &["10 classes"]);
    has(&works(at, "train --resume --out folder"), &["2 classes"]);
    has(&works(at, &format!("train --data builtin:digits --model mlp {SHORT} --out named")), &["10 classes"]);
    // The default is no name that somebody gave.
    has(
        &works(at, &format!("train --model mlp {SHORT} --out default")),
        &["10 classes", "note: these are the built-in digits", "--data ./digits"],
    );
    assert!(place.read("default/config.toml").contains("source = \"builtin:digits\""));
}

#[test]
fn a_file_that_fits_comes_before_a_recipe_or_a_preset() {
    let place = Place::new();
    let at = place.root();
    place.write(
        "t.csv",
        (0..40).fold("a,k\n".to_string(), |t, i| t + &format!("{},{}\n", i * i % 17, ["x", "y"][i % 2])),
    );
    // A folder is no configuration and no model; neither is a file of something else.
    for kind in ["folder", "bytes"] {
        for name in ["titanic", "mlp"] {
            let _ = std::fs::remove_dir_all(at.join(name));
            match kind {
                "folder" => std::fs::create_dir(at.join(name)).expect("made"),
                _ => drop(place.write(name, b"\xff\xfe\x00not = toml")),
            }
        }
        let said =
            works(at, &format!("train titanic --data t.csv --target k {SHORT} --set clean.drop=[] --out {kind}"));
        has(&said, &["note: titanic is the recipe"]);
        let said = works(at, &format!("train --data t.csv --model mlp {SHORT} --out {kind}-model"));
        has(&said, &["note: model mlp is the preset", "model: mlp"]);
        has(&works(at, "summary mlp"), &["note: model mlp is the preset"]);
    }
    place.write("titanic", "model = \"mlp\"\n[data]\nsource = \"t.csv\"\n");
    place.write("mlp", "name = \"own\"\nlayer = [{ type = \"Dense\", units = \"classes\" }]\n");
    let said = works(at, &format!("train titanic {SHORT} --out own"));
    has(
        &said,
        &["note: titanic is the file that lies here", "note: model mlp is the file that lies here", "model: own"],
    );
}

#[test]
fn runs_and_hidden_folders_are_no_classes() {
    let place = Place::new();
    let at = place.root();
    pictures(&place, "");
    let texts = Place::new();
    for (class, word) in [("good", "fine"), ("bad", "poor")] {
        (0..8).for_each(|i| drop(texts.write(&format!("{class}/{i}.txt"), format!("this is {word} {i}"))));
    }
    for (place, more) in [(&place, "--model mlp"), (&texts, "--model text-transformer")] {
        let at = place.root();
        place.write(".git/a.txt", "hidden");
        place.write(".venv/pic.png", picture(1));
        place.write("__pycache__/a.txt", "cached");
        works(at, &format!("train --data . {more} {SHORT}"));
        // A run keeps texts and pictures of its own.
        let run = std::fs::read_dir(at.join("runs")).expect("there").next().expect("a run").expect("read").path();
        std::fs::write(run.join("said.txt"), "a text").expect("written");
        std::fs::write(run.join("seen.png"), picture(7)).expect("written");
        std::fs::copy(run.join("said.txt"), at.join("runs/loose.txt")).expect("copied");
        std::fs::rename(&run, at.join("mine")).expect("moved");
        works(at, &format!("train --data . {more} {SHORT}"));
        let said = works(at, &format!("train --data . {more} {SHORT}"));
        has(
            &said,
            &["2 classes", "left out", "runs (runs of this program)", "mine (runs of", ".git (hidden)", "__pycache__"],
        );
    }
    has(&works(at, "data ."), &[]);
}

/// Rows of a falling file, of which the newest would be trained on if its order
/// were taken.
fn dated(place: &Place) {
    let row = |i: usize| format!("2021-{:02}-{:02},{},{:.3}\n", 1 + i / 28, 1 + i % 28, (i * 7) % 13, 100.0 + i as f64);
    let falling: String = (0..100).rev().map(row).collect();
    place.write("t.csv", format!("when,x,y\n{falling}"));
}

#[test]
fn a_split_by_time_goes_by_dates_and_mistakes_name_rows_of_the_file() {
    let place = Place::new();
    let at = place.root();
    dated(&place);
    let args = format!("train --data t.csv --set data.split=time --val-split 0.1 {SHORT}");
    has(&works(at, &format!("{args} --out run")), &["split by time, by \"when\"", "of which the latest stand first"]);
    let evaluation: serde_json::Value = serde_json::from_str(&place.read("run/evaluation.json")).expect("JSON");
    let mistakes = evaluation["mistakes"].as_array().expect("a list");
    assert!(!mistakes.is_empty());
    for m in mistakes {
        let row = m["place"]["row"].as_u64().expect("a row");
        assert!((1..=10).contains(&row), "row {row} is not of the newest ten, which stand first");
        let text = place.read("t.csv");
        let date = text.lines().nth(row as usize).and_then(|l| l.split(',').next()).expect("a date");
        assert_eq!(m["cells"][0][1], date);
    }
    // A table of texts is one with dates, too; and folds keep the order of time.
    let text = |i: usize| {
        format!("2021-01-{:02},{},\"this one is {} indeed\"\n", 30 - i, ["x", "y"][i % 2], ["fine", "poor"][i % 2])
    };
    place.write("texts.csv", format!("when,kind,said\n{}", (0..24).map(text).collect::<String>()));
    let of_texts = format!(
        "train --data texts.csv --model text-transformer --target kind --set data.split=time {SHORT} --out texts"
    );
    has(&works(at, &of_texts), &["split by time, by \"when\"", "of which the latest stand first"]);
    has(&works(at, &format!("{args} --folds 3 --out folds")), &["fold 3 of 3"]);
    let told = |fold: usize| {
        let text = place.read(&format!("folds/fold-{fold}/evaluation.json"));
        let evaluation: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rows = evaluation["mistakes"].as_array().expect("a list").iter();
        rows.map(|m| m["place"]["row"].as_u64().expect("a row")).collect::<Vec<_>>()
    };
    assert!(told(3).iter().all(|row| *row <= 25) && told(1).iter().all(|row| (51..=75).contains(row)), "{:?}", told(1));
    let plain: String = (0..40).map(|i| format!("{},{}\n", i * i % 17, i * 3)).collect();
    place.write("plain.csv", format!("a,b\n{plain}"));
    has(
        &works(at, &format!("train --data plain.csv --set data.split=time {SHORT} --out plain")),
        &["no column holds dates"],
    );
}
