//! Piece by piece, the text is that of all ids together.

use super::*;
use serde_json::json;
use std::path::Path;

fn streamed(v: &Vocabulary, ids: &[u32]) -> Vec<String> {
    let mut decoder = v.decoder();
    let mut parts: Vec<String> = ids.iter().map(|&id| decoder.push(id)).collect();
    parts.push(decoder.finish());
    parts
}

const TEXT: &str = "a é 日本\n👍🏽!";

#[test]
fn no_piece_ends_within_a_character() {
    let bpe = Vocabulary::train_bpe(&["abc"], 256).unwrap();
    for v in [Vocabulary::bytes(), bpe, Vocabulary::characters(&[TEXT]).unwrap()] {
        for v in [v.clone(), v.padded()] {
            let ids = v.encode(TEXT).unwrap();
            let parts = streamed(&v, &ids);
            assert_eq!(parts.concat(), TEXT, "{v:?}");
            assert!(!parts.concat().contains('\u{fffd}'));
        }
    }
    let parts = streamed(&Vocabulary::bytes(), &[0xe6, 0x97, 0xa5, 0x61]);
    assert_eq!(parts, ["", "", "日", "a", ""]);
}

#[test]
fn any_bytes_decode_as_a_whole() {
    // All short sequences of bytes that begin, continue or break characters.
    let bytes = [0x61, 0xc3, 0xa9, 0xe6, 0x97, 0xf0, 0x9f, 0xff, 0x80];
    let v = Vocabulary::bytes();
    for n in 0..bytes.len().pow(4) {
        let ids: Vec<u32> = (0..4).map(|k| bytes[n / bytes.len().pow(k) % bytes.len()]).collect();
        assert_eq!(streamed(&v, &ids).concat(), v.decode(&ids), "{ids:?}");
    }
}

#[test]
fn unknown_and_foreign_ids_do_not_stop_it() {
    let v = Vocabulary::bytes().padded();
    let ids = [2 + 0xc3, 1, 0, 2 + 0x61, 9999, 2 + 0xc3];
    assert_eq!(streamed(&v, &ids).concat(), v.decode(&ids));
    assert_eq!(v.decode(&ids), "\u{fffd}\u{fffd}a\u{fffd}");
    assert_eq!(streamed(&v, &[]), [""]);
}

#[test]
fn a_word_behind_others_has_its_blank() {
    let vocab = ["the", "cat", "sun", "##s", "?"].iter().zip(0..).map(|(w, i)| (w.to_string(), json!(i)));
    let vocab: serde_json::Map<String, serde_json::Value> = vocab.collect();
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let pieces = json!([["<unk>", 0.0], ["▁the", -1.0], ["▁cat", -1.0], ["▁sun", -1.0], ["s", -2.0]]);
    for (tokenizer, plural) in [
        (
            json!({ "pre_tokenizer": { "type": "Whitespace" },
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "?" } }),
            None,
        ),
        (
            json!({ "pre_tokenizer": { "type": "Whitespace" },
            "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
            "model": { "type": "WordPiece", "vocab": vocab, "unk_token": "?", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100 } }),
            Some(3),
        ),
        (
            json!({ "pre_tokenizer": metaspace, "decoder": metaspace,
            "model": { "type": "Unigram", "vocab": pieces, "unk_id": 0 } }),
            Some(4),
        ),
    ] {
        let v = load(tokenizer);
        let prompt = v.encode("the cat").unwrap();
        let sun = v.encode("sun").unwrap()[0];
        let mut decoder = v.decoder();
        decoder.follow(&prompt);
        assert_eq!(decoder.push(sun), " sun", "{v:?}");
        assert_eq!(plural.map_or("s".into(), |id| decoder.push(id)), "s");
        assert_eq!(decoder.finish(), "");
        // Without a text in front of it there is none.
        assert_eq!(streamed(&v, &[sun]).concat(), "sun");
    }
    // A character that begins in the one text and ends in the other is whole.
    let v = Vocabulary::bytes();
    let mut decoder = v.decoder();
    let parts = [0xe6, 0x97, 0xa5].map(|id| decoder.push(id));
    assert_eq!(parts, ["", "", "日"]);
}

fn load(json: serde_json::Value) -> Vocabulary {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.json");
    std::fs::write(&path, json.to_string()).unwrap();
    Vocabulary::load(Path::new(&path)).unwrap()
}

#[test]
fn tokens_that_depend_on_their_neighbours() {
    let mut vocab = serde_json::Map::new();
    let bytes = (0..256).map(|b| format!("<0x{b:02X}>"));
    for (id, token) in ["▁The", "▁cat", "s", "▁"].into_iter().map(String::from).chain(bytes).enumerate() {
        vocab.insert(token, id.into());
    }
    let v = load(json!({
        "version": "1.0",
        "pre_tokenizer": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": { "type": "BPE", "byte_fallback": true, "vocab": vocab, "merges": [] },
    }));
    let byte = |b: u32| 4 + b;
    let ids = [0, 1, 2, 1, byte(0xe6), byte(0x97), byte(0xa5), byte(0xe6), byte(0x9c), byte(0xac), 2];
    assert_eq!(v.decode(&ids), "The cats cat日本s");
    assert_eq!(streamed(&v, &ids), ["The", " cat", "s", " cat", "", "", "日", "", "", "本", "s", ""]);
    // Bytes that never become a character do not hold up what follows.
    for bad in [1, 4, 15, 16, 17, 40] {
        let ids = [&[0][..], &vec![byte(0xff); bad], &[1, 2]].concat();
        let parts = streamed(&v, &ids);
        assert_eq!(parts.concat(), v.decode(&ids), "{parts:?}");
        assert_eq!(parts[parts.len() - 2..], ["s", ""]);
    }
    assert_eq!(streamed(&v, &[0, byte(0xe6)]).concat(), v.decode(&[0, byte(0xe6)]));
    // A character that was shown stays, whatever the bytes behind it are.
    let ids = [0, byte(0xe6), byte(0x97), byte(0xa5), byte(0xff), 1, 2];
    assert_eq!(streamed(&v, &ids).concat(), "The日\u{fffd} cats");
    // In a long text the tokens at hand change, and cut no character.
    let long: Vec<u32> = (0..100).flat_map(|_| [byte(0xe6), byte(0x97), byte(0xa5)]).chain([1, 3, 3, 1]).collect();
    let parts = streamed(&v, &long);
    assert_eq!(parts.concat(), v.decode(&long));
    assert_eq!(parts.iter().filter(|part| *part == "日").count(), 100);
    let mut decoder = v.decoder();
    decoder.follow(&long[..3 * 70]);
    let rest: String = long[3 * 70..].iter().map(|&id| decoder.push(id)).collect();
    assert_eq!(rest, "日".repeat(30) + " cat   cat");
}
