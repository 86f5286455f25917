//! Language models as a user meets them: what `wgrad eval` says of texts of any
//! length against the model asked for one token after the other, and what stands
//! between a prompt and what is written behind it.

#[path = "support/place.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod place;

use place::Place;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use wgrad::deploy::generate::Generator;
use wgrad::device::Device;
use wgrad::nn::Description;
use wgrad::train::{checkpoint, model_for};

/// What the model sees at once.
const CONTEXT: usize = 8;
const STORY: &str =
    "the cat sat on the mat, the dog sat on the log; the cat ran to the dog and the dog ran to the cat.\n";

fn wgrad(place: &Place, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(args).env("WGRAD_DEVICE", "cpu").current_dir(place.root());
    command.output().expect("the program starts")
}

/// stdout and stderr of a command that ends well.
#[track_caller]
fn told(place: &Place, args: &[&str]) -> (String, String) {
    let output = wgrad(place, args);
    let [out, err] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).expect("UTF-8"));
    assert!(output.status.success(), "{args:?}: {err}");
    (out, err)
}

#[track_caller]
fn asked(place: &Place, args: &[&str]) -> Value {
    let (out, _) = told(place, &[args, &["--json"]].concat());
    serde_json::from_str(out.lines().last().expect("a line")).expect("JSON")
}

/// What a command that is refused says.
#[track_caller]
fn refused(place: &Place, args: &[&str], code: i32) -> String {
    let output = wgrad(place, args);
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    message
}

/// A model that has learned a little, in `run`.
fn trained(place: &Place, model: &str, more: &[&str]) {
    place.write("story.text", STORY.repeat(8));
    let context = CONTEXT.to_string();
    let args = ["train", "--data", "story.text", "--model", model, "--context", &context, "--max-steps", "12"];
    let rest = ["--batch-size", "8", "--out", "run"];
    told(place, &[&args[..], &rest, more].concat());
}

/// The mean surprise of the tokens of a text, each asked for by itself, and the
/// share of them that were the likeliest. The window that scores token `t` is the
/// first that sees the one in front of it; it begins at a multiple of the stride.
fn one_by_one(place: &Place, text: &str, stride: usize) -> (f64, f64) {
    let file = Path::new(&place.path("run")).join("checkpoints/last/model.safetensors");
    let loaded = checkpoint::load(&file).expect("a checkpoint");
    let description = Description::parse(&loaded.about.model).expect("a model");
    let model = model_for(description, &loaded.about.input, &loaded.about.interface).expect("a model");
    let mut generator = Generator::new(&Device::Cpu, &model, &loaded.weights).expect("a generator");
    let vocabulary = loaded.about.interface.vocabulary.expect("a vocabulary");
    let tokens = vocabulary.encode(text).expect("tokens");
    let (mut sum, mut right) = (0.0, 0);
    for t in 1..tokens.len() {
        let begin = t.saturating_sub(CONTEXT).div_ceil(stride) * stride;
        generator.reset().expect("a fresh start");
        let scores = tokens[begin..t].iter().map(|&token| generator.read(token).expect("scores")).last().expect("one");
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let all: f64 = scores.iter().map(|&s| f64::from(s - largest).exp()).sum();
        sum += all.ln() - f64::from(scores[tokens[t] as usize] - largest);
        right += usize::from(scores.iter().position(|&s| s == largest) == Some(tokens[t] as usize));
    }
    let n = (tokens.len() - 1) as f64;
    (sum / n, right as f64 / n)
}

fn every_token_is_scored(model: &str) {
    let place = Place::new();
    trained(&place, model, &[]);
    for n in [2, CONTEXT - 1, CONTEXT, CONTEXT + 1, CONTEXT + 2, 2 * CONTEXT, 2 * CONTEXT + 3, 6 * CONTEXT + 1] {
        let text = &STORY.repeat(2)[5..5 + n];
        place.write("part.text", text);
        for stride in [None, Some(1), Some(3), Some(CONTEXT)] {
            let word = stride.map(|s| s.to_string());
            let more: Vec<&str> = word.iter().flat_map(|s| ["--stride", s]).collect();
            let seen = asked(&place, &[&["eval", "run", "--data", "part.text"], &more[..]].concat());
            let (loss, accuracy) = one_by_one(&place, text, stride.unwrap_or(CONTEXT));
            let figure = |key: &str| seen["test"][key].as_f64().unwrap_or_else(|| panic!("{key} in {seen}"));
            let near = |found: f64, wanted: f64| (found - wanted).abs() < 2e-5 * wanted.max(1.0);
            assert!(near(figure("loss"), loss), "{model}, {n}, {stride:?}: {} and {loss}", figure("loss"));
            assert!(near(figure("perplexity"), loss.exp()) && near(figure("accuracy"), accuracy), "{n}: {seen}");
            // A token is a byte here.
            assert!(near(figure("bits_per_byte"), loss / std::f64::consts::LN_2), "{seen}");
            let cut = (&seen["tokens"], &seen["context"], &seen["stride"]);
            assert_eq!(cut, (&json!(n - 1), &json!(CONTEXT), &json!(stride.unwrap_or(CONTEXT))));
        }
    }
}

#[test]
fn an_adapter_scores_as_the_cpu_does() {
    let place = Place::new();
    if asked(&place, &["devices"])["devices"].as_array().is_none_or(|all| all.len() < 2) {
        assert_ne!(std::env::var("WGRAD_REQUIRE_GPU").as_deref(), Ok("1"), "there is no adapter");
        return;
    }
    trained(&place, "char-gpt", &[]);
    place.write("part.text", &STORY[..2 * CONTEXT + 3]);
    for stride in ["1", "8"] {
        let on = |device: &str| {
            let args = ["eval", "run", "--data", "part.text", "--stride", stride, "--device", device];
            let seen = asked(&place, &args);
            [&seen["test"]["loss"], &seen["test"]["accuracy"]].map(|v| v.as_f64().expect("a number"))
        };
        let (cpu, adapter) = (on("cpu"), on("0"));
        assert!((cpu[0] - adapter[0]).abs() < 1e-4 && (cpu[1] - adapter[1]).abs() < 1e-6, "{cpu:?} {adapter:?}");
    }
}

#[test]
fn a_recurrent_model_scores_every_token() {
    every_token_is_scored("char-lstm");
}

#[test]
fn a_transformer_scores_every_token() {
    every_token_is_scored("char-gpt");
}

#[test]
fn what_is_scored_is_said() {
    let place = Place::new();
    trained(&place, "char-lstm", &[]);
    place.write("part.text", &STORY[..20]);
    let (said, _) = told(&place, &["eval", "run", "--data", "part.text"]);
    assert!(said.starts_with("19 tokens scored in 3 windows of 8 (stride 8): loss"), "{said}");
    let (said, _) = told(&place, &["eval", "run", "--data", "part.text", "--stride", "4"]);
    assert!(said.starts_with("19 tokens scored in 4 windows of 8 (stride 4): loss"), "{said}");
    // Lines with a comma in each are no table to a model of texts.
    place.write("verse.txt", STORY.repeat(8));
    let seen = asked(&place, &["eval", "run", "--data", "verse.txt"]);
    assert_eq!(seen["tokens"], 8 * STORY.len() - 1);
    place.write("two.text", "th");
    let (said, _) = told(&place, &["eval", "run", "--data", "two.text"]);
    assert!(said.starts_with("1 token scored in 1 window of 8 (stride 8): loss"), "{said}");
    place.write("one.text", "t");
    let said = refused(&place, &["eval", "run", "--data", "one.text"], 1);
    assert!(said.contains("one.text holds 1 token; expected at least 2"), "{said}");
    let said = refused(&place, &["eval", "run", "--data", "part.text", "--stride", "9"], 2);
    assert!(said.contains("stride 9: expected at most the context of 8 tokens"), "{said}");
    refused(&place, &["eval", "run", "--data", "part.text", "--stride", "0"], 2);
    // Training says what it leaves out.
    let (_, said) = told(
        &place,
        &["train", "--data", "story.text", "--model", "char-lstm", "--context", "50", "--max-steps", "1", "--out", "b"],
    );
    assert!(said.contains("tokens of the part held out fill no window of 50 and are left out"), "{said}");
    // Other models have no windows.
    told(&place, &["train", "--data", "digits", "--model", "mlp", "--max-steps", "1", "--out", "digits-run"]);
    let said = refused(&place, &["eval", "digits-run", "--data", "digits", "--stride", "2"], 2);
    assert!(said.contains("--stride 2: this is no language model"), "{said}");
}

/// A tokenizer whose tokens are three words.
fn words(kind: &str) -> Value {
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let vocab = json!({ "the": 0, "cat": 1, "sun": 2, "[UNK]": 3 });
    match kind {
        "Unigram" => json!({ "pre_tokenizer": metaspace, "decoder": metaspace, "model": { "type": kind, "unk_id": 3,
            "vocab": [["▁the", -1.0], ["▁cat", -1.0], ["▁sun", -1.0], ["[UNK]", -9.0]] } }),
        "WordPiece" => json!({ "pre_tokenizer": { "type": "Whitespace" },
            "decoder": { "type": kind, "prefix": "##", "cleanup": true },
            "model": { "type": kind, "vocab": vocab, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100 } }),
        _ => json!({ "pre_tokenizer": { "type": "Whitespace" },
            "model": { "type": kind, "vocab": vocab, "unk_token": "[UNK]" } }),
    }
}

#[test]
fn what_is_written_stands_behind_the_prompt() {
    for kind in ["Unigram", "WordPiece", "WordLevel"] {
        let place = Place::new();
        place.write("tokenizer.json", words(kind).to_string());
        place.write("story.text", "the cat sun ".repeat(100));
        let args = ["train", "--data", "story.text", "--model", "char-lstm", "--tokenizer", "tokenizer.json"];
        let more = ["--context", "6", "--lr", "0.02", "--epochs", "4", "--batch-size", "4", "--out", "run"];
        told(&place, &[&args[..], &more].concat());
        let generate = ["generate", "run", "--temperature", "0", "--prompt"];
        let ask = |prompt: &str, n: &str| asked(&place, &[&generate[..], &[prompt, "--length", n]].concat());
        assert_eq!(ask("the cat", "1")["text"], " sun", "{kind}");
        assert_eq!(ask("the", "5")["text"], " cat sun the cat sun", "{kind}");
        let (shown, _) = told(&place, &[&generate[..], &["the cat", "--length", "1"]].concat());
        assert_eq!(shown, "the cat sun\n", "{kind}");
        // A blank that the tokenizer leaves out is not there twice.
        if kind != "Unigram" {
            let (shown, _) = told(&place, &[&generate[..], &["the cat ", "--length", "1"]].concat());
            assert_eq!(shown, "the cat sun\n", "{kind}");
        }
        // Without a prompt it begins with a word that there is.
        let (shown, said) = told(&place, &["generate", "run", "--temperature", "0", "--length", "2"]);
        assert_eq!(shown, "the cat sun\n", "{kind}");
        assert!(said.contains("there is no --prompt; the text begins with \"the\""), "{said}");
        // What is unknown is said, and what is no token refused.
        let (_, said) = told(&place, &[&generate[..], &["the 犬 cat", "--length", "1"]].concat());
        assert!(said.contains("does not know \"犬\" of the prompt"), "{said}");
        if kind != "Unigram" {
            let said = refused(&place, &[&generate[..], &["  "]].concat(), 2);
            assert!(said.contains("the prompt \"  \" has no token"), "{said}");
        }
        let report = place.read("run/evaluation.json");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let sampled = &report["metrics"]["sampled"][1];
        assert!(sampled["text"].as_str().is_some_and(|t| t.starts_with(' ')), "{sampled}");
    }
}

#[test]
fn prompts_are_what_is_typed() {
    let place = Place::new();
    place.write("tiny.txt", "ab-ba-aab".repeat(60));
    let args = ["train", "--data", "tiny.txt", "--model", "char-lstm", "--context", "4", "--max-steps", "2"];
    told(&place, &[&args[..], &["--out", "run"]].concat());
    let begun =
        |args: &[&str]| asked(&place, &[&["generate", "run", "--length", "3"], args].concat())["prompt"].clone();
    assert_eq!(begun(&[]), "a", "the vocabulary has no line break");
    assert_eq!(begun(&["--prompt", "-a"]), "-a");
    assert_eq!(begun(&["--prompt", "--"]), "--");
    assert_eq!(begun(&["--prompt="]), "a");
    let (_, said) = told(&place, &["generate", "run", "--prompt", "", "--length", "1"]);
    assert!(said.contains("the prompt is empty; the text begins with \"a\""), "{said}");
    let said = refused(&place, &["generate", "run", "--prompt", "abc"], 1);
    assert!(said.contains("the prompt: line 1, column 3: character 'c' (U+0063) is not in the vocabulary"), "{said}");
    told(&place, &["tokenizer", "tiny.txt", "--kind", "char", "--out", "v.json"]);
    let shown = asked(&place, &["tokenizer", "--show", "v.json", "--encode", "-a"]);
    assert_eq!(shown["decoded"], "-a");
    // A character may come in several tokens.
    place.write("bytes.txt", "é日👍".repeat(80));
    let args = ["train", "--data", "bytes.txt", "--model", "char-lstm", "--tokenizer", "byte", "--context", "9"];
    told(&place, &[&args[..], &["--max-steps", "2", "--out", "bytes"]].concat());
    let answer = asked(&place, &["generate", "bytes", "--prompt", "é", "--length", "5"]);
    assert_eq!(answer["prompt"], "é");
}
