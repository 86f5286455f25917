//! Piece by piece, the text is that of all ids together.

use super::*;
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
    let v = load(serde_json::json!({
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
    let parts = streamed(&v, &[0, byte(0xff), byte(0xff), byte(0xff), byte(0xff), 1, 2]);
    assert!(parts.concat().starts_with("The\u{fffd}") && parts.concat().ends_with(" cats"), "{parts:?}");
    assert_eq!(streamed(&v, &[0, byte(0xe6)]).concat(), v.decode(&[0, byte(0xe6)]));
}
