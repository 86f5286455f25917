//! Texts that are larger than the memory that they may take.

use super::support::device::on_both;
use super::support::noise::noise;
use super::support::place::Place;
use super::{Test, compare, gzip, json, message, works};
use libtest_mimic::{Failed, Trial};
use std::fs;

/// The trials.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = on_both("texts::same_bits", same_bits).into();
    let single: [(&str, Test); 3] = [
        ("resumed_and_scored", resumed_and_scored),
        ("what_is_compressed_or_no_text_is_refused", what_is_compressed_or_no_text_is_refused),
        ("an_audit_looks_at_places", an_audit_looks_at_places),
    ];
    trials.extend(single.map(|(name, test)| Trial::test(format!("texts::{name}"), test)));
    trials
}

const MODEL: &str = "[[layer]]\ntype = \"Embedding\"\noutput_dim = 8\n[[layer]]\ntype = \"LSTM\"\nunits = 8\n\
                     return_sequences = true\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";
const TRAIN: &str = "--model model.toml --context 16 --epochs 1 --batch-size 8 --lr 0.01 --seed 3 --val-split 0.1 \
                     --max-steps 40";
/// Memory in which the text has no room; it is read in pieces of 16 KiB.
const SMALL: &str = "--data-memory 256KiB";

/// Two files, the first of which does not end in a line break; one has a mark.
fn place() -> Place {
    let place = Place::new();
    place.write("model.toml", MODEL);
    let word = |i: usize| {
        ["the", "sea", "wörter", "日本", "run", "fast,", "and", "then\n", "\n\nNew"]
            [(noise(i).abs() * 997.0) as usize % 9]
    };
    let text = |from: usize, n: usize| (from..from + n).map(|i| word(i).to_string() + " ").collect::<String>();
    place.write("text/a.txt", text(0, 6_000) + "end");
    place.write("text/b.txt", "\u{feff}".to_string() + &text(9_000, 15_000));
    place
}

fn same_bits(on_gpu: bool) -> Result<(), Failed> {
    let place = place();
    let all = ["", "--set data.stride=5", "--tokenizer byte", "--tokenizer bpe --vocabulary-size 300"];
    for (i, more) in all.iter().take(if on_gpu { 2 } else { 4 }).enumerate() {
        let words = format!("train --data text {TRAIN} {more}");
        let held = works(&place, on_gpu, &format!("{words} --out held-{i}"));
        assert!(!held.contains("piece by piece"), "{held}");
        let read = works(&place, on_gpu, &format!("{words} --out read-{i} {SMALL}"));
        assert!(read.contains("piece by piece"), "{read}");
        compare(&place, &format!("held-{i}"), &format!("read-{i}"))?;
    }
    Ok(())
}

fn resumed_and_scored() -> Result<(), Failed> {
    let place = place();
    works(&place, false, &format!("train --data text {TRAIN} --out held"));
    let words = format!("train --data text {TRAIN} --out parts {SMALL}").replace("--max-steps 40", "--max-steps 15");
    works(&place, false, &words);
    works(&place, false, &format!("train --resume --out parts --set train.max_steps=40 {SMALL}"));
    compare(&place, "held", "parts")?;
    for more in ["", "--stride 5"] {
        let words = format!("eval held --data text/a.txt {more}");
        let [held, read] = ["1GiB", "64KiB"].map(|memory| json(&place, &format!("{words} --data-memory {memory}")));
        for key in ["test", "tokens", "samples"] {
            assert_eq!(held[key], read[key], "{key} {more}");
        }
    }
    Ok(())
}

fn what_is_compressed_or_no_text_is_refused() -> Result<(), Failed> {
    let place = place();
    let words = format!("train --data text {TRAIN} --out run {SMALL}");
    let text = fs::read(place.path("text/b.txt"))?;
    place.write("text/c.txt.gz", gzip(&text));
    let told = message(&place, &words);
    assert!(
        told.contains("c.txt.gz is gzipped") && told.contains("gunzip") && told.contains("raise --data-memory"),
        "{told}"
    );
    fs::remove_file(place.path("text/c.txt.gz"))?;
    let mut broken = text;
    let at = 50_000 + text_of(&broken[50_000..]);
    broken[at] = 0xff;
    place.write("text/b.txt", broken);
    let told = message(&place, &words);
    assert!(
        told.contains(&format!("b.txt: byte {at} is 0xff, which is not UTF-8")) && told.contains("--tokenizer byte"),
        "{told}"
    );
    Ok(())
}

/// Where the first character of one byte stands.
fn text_of(bytes: &[u8]) -> usize {
    bytes.iter().position(u8::is_ascii_alphabetic).expect("a letter")
}

fn an_audit_looks_at_places() -> Result<(), Failed> {
    let place = Place::new();
    let line = |i: usize| format!("line {i} of a text that is read here and there\n");
    place.write("long.txt", (0..60_000).map(line).collect::<String>());
    let [held, some] = ["1GiB", "1MiB"].map(|memory| json(&place, &format!("data long.txt --data-memory {memory}")));
    let [whole, part] = [&held, &some].map(|audit| audit["bytes"].as_u64().expect("a number"));
    assert!(part * 2 < whole && part > 500_000, "{part} of {whole}");
    let warning = some["warnings"][0].as_str().expect("a warning");
    assert!(
        warning.contains("from 16 places evenly over the text") && warning.contains("raise --data-memory"),
        "{warning}"
    );
    Ok(())
}
