//! Text as a user meets it: `wgrad data` on texts, `wgrad tokenizer`, and the
//! library on tiny Shakespeare.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use libtest_mimic::{Arguments, Failed, Trial};
use place::Place;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgrad::data::text::{Corpus, TokenWindows, Vocabulary, audit};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn()| {
        trials.push(Trial::test(name, move || {
            test();
            Ok(())
        }));
    };
    add("texts_are_looked_through", texts_are_looked_through);
    add("long_texts_are_trained_on_without_an_audit", long_texts_are_trained_on_without_an_audit);
    add("texts_with_classes_are_looked_through", texts_with_classes_are_looked_through);
    add("tables_in_txt_files_stay_tables", tables_in_txt_files_stay_tables);
    add("vocabularies_are_made_and_shown", vocabularies_are_made_and_shown);
    add("the_same_text_gives_the_same_file", the_same_text_gives_the_same_file);
    add("texts_that_are_none_are_refused", texts_that_are_none_are_refused);
    add("tokenizers_that_are_none_are_refused", tokenizers_that_are_none_are_refused);
    add("flags_that_do_not_fit_are_refused", flags_that_do_not_fit_are_refused);
    add("decoding_is_hugging_faces", decoding_is_hugging_faces);
    let shakespeare = std::env::var("WGRAD_DATA").ok().map(|d| PathBuf::from(d).join("shakespeare/input.txt"));
    if shakespeare.is_none() {
        eprintln!("tests on tiny Shakespeare are ignored: set WGRAD_DATA to a folder that holds shakespeare/input.txt");
    }
    let mut on_shakespeare = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        let path = shakespeare.clone();
        let trial = Trial::test(name, move || test(&path.expect("not ignored")));
        trials.push(trial.with_ignored_flag(shakespeare.is_none()));
    };
    on_shakespeare("shakespeare_in_characters", shakespeare_in_characters);
    on_shakespeare("shakespeare_in_byte_pairs", shakespeare_in_byte_pairs);
    libtest_mimic::run(&args, trials).exit();
}

fn wgrad(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .args(args)
        .env("WGRAD_DEVICE", "cpu")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(args: &[&str]) -> String {
    let output = wgrad(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON object in the last line of stdout.
fn json(args: &[&str]) -> Value {
    let told = told(args);
    serde_json::from_str(told.lines().last().expect("a line")).expect("the last line is JSON")
}

fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let output = wgrad(args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(parts.iter().all(|p| message.contains(p)), "{args:?}: {parts:?} is missing in\n{message}");
    assert!(!message.contains("internal error"), "{message}");
}

/// A folder with a text in it.
fn with_story() -> Place {
    let place = Place::new();
    place.write("story.txt", STORY);
    place
}

const STORY: &str = "The queen sat, and the king stood.\nThe queen said that the king was, as ever, late.\n\n\"So I am,\" said \
                     the king — and sat.\n";

fn texts_are_looked_through() {
    let place = with_story();
    let (story, page) = (place.path("story.txt"), place.path("page.html"));
    let shown = told(&["data", &story, "--html", &page]);
    assert!(shown.contains("in 4 lines") && shown.contains("Most frequent characters"), "{shown}");
    assert!(place.read("page.html").contains("Most frequent characters"));
    let seen = json(&["data", &story, "--json"]);
    let characters = STORY.chars().count() as u64;
    assert_eq!((&seen["status"], seen["characters"].as_u64()), (&"ok".into(), Some(characters)));
    assert_eq!((seen["lines"].as_u64(), seen["line_ends"]["lf"].as_u64()), (Some(4), Some(4)));
    // A folder of texts is one text.
    place.write("book/2.txt", b"second, then\n");
    place.write("book/1.txt", b"first. Then\r\n");
    let seen = json(&["data", &place.path("book"), "--json"]);
    assert_eq!(seen["lines"].as_u64(), Some(2));
    assert!(seen["warnings"][0].as_str().is_some_and(|w| w.contains("several ways")), "{seen}");
    // What the messages about characters advise is there.
    refused(&["train", "--data", &story, "--tokenizer", "byte", "--context", "9999"], 1, &["a context of 9999"]);
    refused(&["train", "--data", &story, "--tokenizer", "none.json"], 2, &["none.json", "no such file"]);
    refused(&["train", "--data", &story, "--model", "mlp"], 2, &["story.txt is text, and model \"mlp\" reads numbers"]);
    refused(&["data", &story, "--target", "x"], 2, &["story.txt is text, not a table"]);
    refused(&["data", &story, "--sheet", &page], 2, &["story.txt is text; expected images"]);
}

fn long_texts_are_trained_on_without_an_audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("utf-8").to_string();
    let line = "The quick brown fox jumps over the lazy dog.\nAgain and again it ran\n\n";
    for (name, bytes, audited) in [("short", 20_000, true), ("long", 5 << 20, false)] {
        let (file, run) = (at(&format!("{name}.txt")), at(name));
        std::fs::write(&file, line.repeat(bytes / line.len())).expect("written");
        let args = ["train", "--data", &file, "--model", "char-lstm", "--max-steps", "1", "--val-split", "0.01"];
        json(&[&args[..], &["--context", "8", "--batch-size", "16", "--out", &run, "--json"]].concat());
        assert_eq!(Path::new(&run).join("audit.json").exists(), audited, "{name}");
    }
}

fn texts_with_classes_are_looked_through() {
    let place = with_story();
    for (name, content) in [
        ("train/ham/1.txt", "See you at noon, then."),
        ("train/spam/1.txt", "You win, call now."),
        ("train/spam/2.txt", ""),
        ("test/ham/1.txt", "See you at noon, then."),
        ("test/spam/1.txt", "A prize for you."),
    ] {
        place.write(&format!("mail/{name}"), content.as_bytes());
    }
    let seen = json(&["data", &place.path("mail"), "--json"]);
    assert_eq!(seen["classes"][1], serde_json::json!({ "name": "spam", "texts": [2, 1] }));
    assert_eq!((seen["leaks"].as_u64(), seen["empty"].as_u64()), (Some(1), Some(1)));
    let shown = told(&["data", &place.path("mail")]);
    assert!(shown.contains("5 texts of 2 classes") && shown.contains("warning: 1 texts held out"), "{shown}");
    place.write("mail/train/ham/2.txt", b"caf\xe9");
    refused(&["data", &place.path("mail")], 1, &["ham/2.txt, line 1, byte 3: 0xe9 is not UTF-8"]);
    refused(&["train", "--data", &place.path("mail")], 1, &["ham/2.txt, line 1, byte 3: 0xe9 is not UTF-8"]);
}

fn tables_in_txt_files_stay_tables() {
    let place = with_story();
    let rows: String = (0..30).map(|i| format!("{i}\t{}\t{}\n", i * 7 % 5, ["red", "blue"][i % 2])).collect();
    let table = place.write("rows.txt", format!("size\tweight\tcolour\n{rows}").as_bytes());
    let seen = json(&["data", &table, "--json"]);
    assert_eq!(seen["rows"].as_u64(), Some(30), "{seen}");
}

fn vocabularies_are_made_and_shown() {
    let place = with_story();
    let (story, out) = (place.path("story.txt"), place.path("tokenizer.json"));
    for (kind, size) in
        [("char", STORY.chars().collect::<std::collections::BTreeSet<_>>().len()), ("byte", 256), ("bpe", 270)]
    {
        let mut args = vec!["tokenizer", &story, "--kind", kind, "--out", &out];
        if kind == "bpe" {
            args.extend(["--size", "270"]);
        }
        let shown = told(&args);
        assert!(shown.contains("per character") && shown.contains("written: "), "{shown}");
        let made = json(&[&args[..], &["--json"]].concat());
        assert_eq!((&made["kind"], made["size"].as_u64()), (&kind.into(), Some(size as u64)), "{made}");
        let shown = json(&["tokenizer", "--show", &out, "--encode", "The king", "--json"]);
        assert_eq!(shown["decoded"], "The king");
        let tokens: String = shown["tokens"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!((tokens.as_str(), &shown["kind"]), ("The king", &kind.into()));
        assert_eq!(Vocabulary::load(Path::new(&out)).expect("a vocabulary").len(), size);
    }
    let shown = told(&["tokenizer", "--show", &out, "--encode", "king\u{7}"]);
    assert!(shown.contains("\\u{7}") && !shown.contains('\u{7}'), "{shown}");
    assert!(place.read("tokenizer.json").contains("\"ByteLevel\""));
    // Fewer pairs than asked for are said, and nothing is written unasked.
    let shown = told(&["tokenizer", &story]);
    assert!(shown.contains("not saved; use --out"), "{shown}");
    let shown = told(&["tokenizer", &story, "--size", "1000"]);
    assert!(shown.contains("fewer than the 1000 asked for"), "{shown}");
    // Bytes are taken from anything.
    let bytes = place.write("latin.txt", b"caf\xe9, caf\xe9\n");
    let made = json(&["tokenizer", &bytes, "--kind", "byte", "--json"]);
    assert_eq!((made["tokens"].as_u64(), made["characters"].as_u64()), (Some(11), Some(11)));
}

fn the_same_text_gives_the_same_file() {
    let place = with_story();
    let text: String = (0..3000).map(|i| ["the ", "then ", "he\n", "other "][(i * i + i / 7) % 4]).collect();
    let source = place.write("long.txt", text.as_bytes());
    let files: Vec<String> = ["a.json", "b.json", "c.json"]
        .map(|name| {
            told(&["tokenizer", &source, "--size", "300", "--out", &place.path(name)]);
            place.read(name)
        })
        .into();
    assert!(files[0] == files[1] && files[1] == files[2]);
}

fn texts_that_are_none_are_refused() {
    let place = with_story();
    for (name, content, parts) in [
        ("empty.txt", &b""[..], &["empty.txt is empty"][..]),
        ("mark.txt", b"\xef\xbb\xbf", &["mark.txt is empty"]),
        ("blank.txt", b"\n \n", &["nothing but white space"]),
        ("latin.txt", b"first\ncaf\xe9", &["latin.txt, line 2, byte 9: 0xe9 is not UTF-8", "byte"]),
        ("wide.txt", b"\xff\xfeT\0h\0e\0", &["UTF-16"]),
        ("broken.txt", b"\x1f\x8b\x08\0broken", &["gzip"]),
    ] {
        let path = place.write(name, content);
        refused(&["data", &path], 1, parts);
        refused(&["tokenizer", &path, "--kind", "char"], 1, parts);
        refused(&["tokenizer", &path], 1, parts);
    }
    refused(&["tokenizer", &place.path("no.txt")], 1, &["no.txt"]);
    std::fs::create_dir(place.path("none")).expect("made");
    refused(&["tokenizer", &place.path("none")], 1, &["holds no text"]);
    // NULs, a huge line and a text of one character are text all the same.
    for (name, content) in [("nul.txt", &b"a\0b, c\0"[..]), ("line.txt", &b"ab".repeat(2_000_000)), ("one.txt", b"a")] {
        let path = place.write(name, content);
        assert_eq!(json(&["data", &path, "--json"])["status"], "ok", "{name}");
        assert_eq!(json(&["tokenizer", &path, "--size", "300", "--json"])["status"], "ok", "{name}");
    }
}

fn tokenizers_that_are_none_are_refused() {
    let place = with_story();
    let good = place.path("good.json");
    told(&["tokenizer", &place.path("story.txt"), "--size", "260", "--out", &good]);
    let whole = place.read("good.json");
    for (name, content, part) in [
        ("cut.json", whole[..whole.len() / 2].to_string(), "expected a tokenizer.json"),
        ("merge.json", whole.replace("\"merges\":[[", "\"merges\":[[\"a\",\"nothing\"],["), "merge 1 is"),
        ("list.json", "[]".into(), "without an object"),
        ("other.json", "{\"architectures\": [\"GPT2\"], \"vocab_size\": 50257}".into(), "without an object"),
        ("empty.json", String::new(), "expected a tokenizer.json"),
        ("model.json", whole.replace("\"BPE\"", "\"Guess\""), "damaged"),
    ] {
        let path = place.write(name, content.as_bytes());
        refused(&["tokenizer", "--show", &path], 1, &[name, part]);
    }
    refused(&["tokenizer", "--show", &place.path("no.json")], 1, &["no.json"]);
    refused(&["tokenizer", "--show", &place.path("")], 1, &["not a regular file"]);
    let chars = place.path("chars.json");
    told(&["tokenizer", &place.path("story.txt"), "--kind", "char", "--out", &chars]);
    refused(&["tokenizer", "--show", &chars, "--encode", "The zoo"], 1, &["column 5: character 'z' (U+007A)"]);
}

fn flags_that_do_not_fit_are_refused() {
    let place = with_story();
    let story = place.path("story.txt");
    refused(&["tokenizer"], 2, &["TEXT"]);
    refused(&["tokenizer", &story, "--kind", "word"], 2, &["word"]);
    for size in ["0", "255", "2000000"] {
        refused(&["tokenizer", &story, "--size", size], 2, &[size, "expected 256"]);
    }
    refused(&["tokenizer", &story, "--kind", "char", "--size", "100"], 2, &["--size 100", "--kind bpe"]);
    refused(&["tokenizer", &story, "--encode", "x"], 2, &["--show"]);
    refused(&["tokenizer", &story, "--out", &place.path("no/t.json")], 1, &["no/t.json"]);
}

/// `assets/goldens/make_decoding.py` makes the file.
fn decoding_is_hugging_faces() {
    let goldens: Vec<Value> =
        serde_json::from_str(include_str!("../assets/goldens/decoding.json")).expect("the goldens are JSON");
    let place = Place::new();
    for golden in &goldens {
        let name = golden["name"].as_str().expect("a name");
        let file = place.write("tokenizer.json", golden["tokenizer"].as_str().expect("a tokenizer"));
        let v = Vocabulary::load(Path::new(&file)).expect("a vocabulary");
        let mut behind = 0;
        if name.contains("byte") {
            assert!(v.unknown_in("日本語 é cat").expect("tokens").is_empty(), "{name} has all bytes");
        }
        for case in golden["cases"].as_array().expect("cases") {
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).expect("ids");
            let text = case["text"].as_str().expect("a text");
            assert_eq!(v.decode(&ids), text, "{name}: {ids:?}");
            for split in 0..ids.len() {
                // What ends within a character, or is decoded otherwise with more
                // behind it, is no beginning.
                let begins = v.decode(&ids[..split]);
                let Some(rest) = text.strip_prefix(&*begins).filter(|_| !begins.ends_with('\u{fffd}')) else {
                    continue;
                };
                let mut decoder = v.decoder();
                decoder.follow(&ids[..split]);
                let mut parts: Vec<String> = ids[split..].iter().map(|&id| decoder.push(id)).collect();
                parts.push(decoder.finish());
                assert_eq!(parts.concat(), rest, "{name}: {:?} behind {:?}: {parts:?}", &ids[split..], &ids[..split]);
                behind += usize::from(split > 0);
            }
        }
        assert!(behind > 20, "{name}: {behind} beginnings");
    }
    assert_eq!(goldens.len(), 9);
}

fn shakespeare_in_characters(path: &Path) -> Result<(), Failed> {
    let corpus = Corpus::open(path)?;
    let text = corpus.text()?;
    let vocabulary = Vocabulary::characters(&[text])?;
    let tokens = vocabulary.encode(text)?;
    assert_eq!((vocabulary.len(), tokens.len()), (65, 1_115_394));
    assert_eq!(vocabulary.decode(&tokens), text);
    // As nanoGPT prepares it: "First" and the sizes of its two parts.
    assert_eq!(tokens[..5], [18, 47, 56, 57, 58]);
    let (train, val) = TokenWindows::new(256, None)?.split("shakespeare", &tokens, 0.1)?;
    let val = val.expect("a part held out");
    assert_eq!((train.count, val.count), ((1_003_854 - 1) / 256, (111_540 - 1) / 256));
    assert_eq!(val.rows[0], tokens[1_003_854]);
    let found = audit("shakespeare", text);
    assert_eq!((found.characters, found.distinct, found.lines), (1_115_394, 65, 40_000));
    assert_eq!(json(&["data", path.to_str().expect("utf-8"), "--json"])["distinct"], 65);
    Ok(())
}

fn shakespeare_in_byte_pairs(path: &Path) -> Result<(), Failed> {
    let corpus = Corpus::open(path)?;
    let text = corpus.text()?;
    let vocabulary = Vocabulary::train_bpe(&[text], 1000)?;
    let tokens = vocabulary.encode(text)?;
    assert_eq!(vocabulary.len(), 1000);
    let per_character = tokens.len() as f64 / text.chars().count() as f64;
    assert!((0.3..0.45).contains(&per_character), "{per_character}");
    assert_eq!(vocabulary.decode(&tokens), text);
    // In parts the text has the tokens that it has as a whole.
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("tokenizer.json");
    vocabulary.save(&file)?;
    let theirs = tokenizers::Tokenizer::from_file(&file).map_err(|e| e.to_string())?;
    assert_eq!(theirs.encode_fast(text, false).map_err(|e| e.to_string())?.get_ids(), tokens);
    let mut decoder = vocabulary.decoder();
    let mut streamed: String = tokens.iter().map(|&id| decoder.push(id)).collect();
    streamed += &decoder.finish();
    assert_eq!(streamed, text);
    Ok(())
}
