//! Text there and back, and vocabularies that went through files.

use super::*;

const TEXT: &str = "Héllo, wörld!\nÀ la carte\t日本 👍🏽\r\n";

fn all() -> Vec<Vocabulary> {
    vec![
        Vocabulary::characters(&[TEXT]).unwrap(),
        Vocabulary::bytes(),
        Vocabulary::train_bpe(&[TEXT.repeat(3)], 270).unwrap(),
    ]
}

fn message<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn a_text_comes_back_whole() {
    for v in all() {
        let ids = v.encode(TEXT).unwrap();
        assert!(ids.iter().all(|&id| (id as usize) < v.len()), "{v:?}");
        assert_eq!(v.decode(&ids), TEXT, "{v:?}");
        assert_eq!(v.encode_bytes(TEXT.as_bytes()).unwrap(), ids);
        assert!(v.is_lossless(TEXT).unwrap() && !v.is_empty());
        assert_eq!(v.encode("").unwrap(), [0u32; 0]);
        // Padding shifts the ids and changes nothing else.
        let padded = v.clone().padded();
        assert_eq!(padded.len(), v.len() + 2);
        assert_eq!(padded.encode(TEXT).unwrap(), ids.iter().map(|id| id + 2).collect::<Vec<u32>>());
        assert_eq!(padded.decode(&padded.encode(TEXT).unwrap()), TEXT);
        assert!(padded != v && padded == v.clone().padded() && v == v.clone());
    }
}

#[test]
fn characters_are_numbered_by_code_point() {
    let v = Vocabulary::characters(&["ba", "cÄa\n"]).unwrap();
    assert_eq!((v.len(), v.name(), v.describe().as_str()), (5, "char", "5 characters"));
    assert_eq!(v.encode("\nabcÄ").unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!((v.token(0).as_deref(), v.token(4).as_deref(), v.token(5)), (Some("\n"), Some("Ä"), None));
    assert_eq!(format!("{v:?}"), "Vocabulary(5 characters)");
    assert!(message(Vocabulary::characters(&[""])).contains("without a character"));
    assert!(Vocabulary::characters(&[] as &[&str]).is_err());
}

#[test]
fn a_character_never_seen_is_named_or_unknown() {
    let v = Vocabulary::characters(&["ab\n"]).unwrap();
    let text = message(v.encode("ab\naä€\n"));
    assert!(
        text.contains("line 2, column 2: character 'ä' (U+00E4) is not in the vocabulary of 3 characters"),
        "{text}"
    );
    assert!(text.contains("--tokenizer byte"), "{text}");
    let v = v.padded();
    assert_eq!(v.encode("aä€b").unwrap(), [3, UNKNOWN, UNKNOWN, 4]);
    assert_eq!(v.decode(&[3, UNKNOWN, UNKNOWN, 4, PAD, PAD]), "a\u{fffd}\u{fffd}b");
    assert_eq!((v.token(PAD).as_deref(), v.token(UNKNOWN).as_deref()), (Some("<pad>"), Some("<unknown>")));
}

#[test]
fn bytes_take_what_is_no_text() {
    let v = Vocabulary::bytes();
    assert_eq!((v.len(), v.name()), (256, "byte"));
    assert_eq!(v.encode_bytes(b"\xff\x00a").unwrap(), [255, 0, 97]);
    assert_eq!(v.decode(&[97, 255, 0xc3, 0xa9, 0xc3]), "a\u{fffd}é\u{fffd}");
    assert_eq!((v.token(97).as_deref(), v.token(255).as_deref()), (Some("a"), Some("<FF>")));
    // Ids that are no tokens are left out.
    assert_eq!(v.decode(&[97, 256, 4_000_000_000, 98]), "ab");
    assert!(message(Vocabulary::characters(&["a"]).unwrap().encode_bytes(b"a\xff")).contains("byte 1 is not UTF-8"));
}

#[test]
fn byte_pairs_take_any_text() {
    let v = Vocabulary::train_bpe(&["the cat, the hat, the bat"], 260).unwrap();
    assert_eq!((v.len(), v.name()), (260, "bpe"));
    assert!(v.describe().starts_with("260 tokens, byte pairs"), "{}", v.describe());
    for text in ["the bat", "日本語 \u{0}\u{1f600}", "  \n\n \t x", "don't", "\u{a0}\u{3000}"] {
        assert!(v.is_lossless(text).unwrap(), "{text:?}");
    }
    assert!(v.encode("the the").unwrap().len() < 7);
    assert_eq!(v.token(0).as_deref(), Some("!"));
    assert!((0..v.len() as u32).all(|id| v.token(id).is_some_and(|t| !t.is_empty())));
    for size in [0, 255, 1_000_001] {
        let text = message(Vocabulary::train_bpe(&["the"], size));
        assert!(text.contains(&format!("of {size} tokens: expected 256")), "{text}");
    }
    // Nothing to learn from is no error: the bytes are there.
    assert_eq!(Vocabulary::train_bpe(&[""], 300).unwrap().len(), 256);
}

#[test]
fn training_gives_the_same_every_time() {
    let text: String = (0..4000).map(|i| ["ab", "cab", "bca ", "a\n", "é "][(i * i + i / 3) % 5]).collect();
    let first = Vocabulary::train_bpe(&[&text], 400).unwrap();
    for _ in 0..3 {
        assert_eq!(Vocabulary::train_bpe(&[&text], 400).unwrap(), first);
    }
}

#[test]
fn long_texts_are_cut_where_it_changes_nothing() {
    // Blank lines, carriage returns and spaces around line ends.
    let text: String =
        (0..40_000).map(|i| ["word", " the", "\n", "\n\n", " \n ", "\r\n", "x\ny"][(i * 7 + i / 5) % 7]).collect();
    let v = Vocabulary::train_bpe(&[&text], 300).unwrap();
    let ids = v.encode(&text).unwrap();
    assert_eq!(v.decode(&ids), text);
    let Kind::Pieces(pieces) = &v.kind else { panic!("pieces") };
    let whole: tokenizers::Tokenizer = pieces.json().parse().unwrap();
    assert_eq!(ids, whole.encode(text.as_str(), false).unwrap().get_ids());
}

#[test]
fn what_is_saved_is_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    for v in all().into_iter().flat_map(|v| [v.clone(), v.padded()]) {
        v.save(&path).unwrap();
        let read = Vocabulary::load(&path).unwrap();
        assert!(read == v, "{v:?}");
        assert_eq!(read.encode(TEXT).unwrap(), v.encode(TEXT).unwrap());
        // In a checkpoint, too.
        let text = serde_json::to_string(&v).unwrap();
        assert!(serde_json::from_str::<Vocabulary>(&text).unwrap() == v, "{text}");
        // Byte pairs are written as others read them.
        let ours = std::fs::read_to_string(&path).unwrap().contains(MARK);
        assert_eq!(ours, v.name() != "bpe" || v.is_padded());
    }
    let error = message(all()[0].save(&dir.path().join("no/tokenizer.json")));
    assert!(error.contains("writing ") && error.contains("no/tokenizer.json"), "{error}");
}

#[test]
fn files_that_are_no_vocabulary_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |content: &[u8], part: &str| {
        let path = dir.path().join("t.json");
        std::fs::write(&path, content).unwrap();
        let text = message(Vocabulary::load(&path));
        assert!(text.contains("t.json") && text.contains(part), "{part}: {text}");
    };
    fails(b"", "expected a tokenizer.json");
    fails(b"\xff\xfe", "is no text");
    fails(b"{", "expected a tokenizer.json");
    fails(b"[1, 2]", "without an object \"model\"");
    fails(b"{\"a\": 1}", "without an object \"model\"");
    fails(b"{\"wgrad_vocabulary\": 2}", "found version 2");
    fails(b"{\"wgrad_vocabulary\": 1}", "damaged");
    fails(b"{\"wgrad_vocabulary\": 1, \"kind\": \"word\", \"padded\": false}", "damaged");
    fails(b"{\"wgrad_vocabulary\": 1, \"kind\": \"char\", \"characters\": \"ba\", \"padded\": false}", "not sorted");
    fails(b"{\"wgrad_vocabulary\": 1, \"kind\": \"char\", \"characters\": \"aa\", \"padded\": false}", "twice");
    fails(b"{\"wgrad_vocabulary\": 1, \"kind\": \"char\", \"characters\": \"\", \"padded\": false}", "none");
    fails("[".repeat(100_000).as_bytes(), "recursion");
    assert!(message(Vocabulary::load(dir.path())).contains("not a regular file"));
    assert!(message(Vocabulary::load(&dir.path().join("no.json"))).contains("no.json"));
}

#[test]
fn a_text_begins_with_what_there_is() {
    let begins = |texts: &str| Vocabulary::characters(&[texts]).unwrap().beginning();
    assert_eq!(begins("ab\n").as_deref(), Some("\n"));
    assert_eq!(begins(" .ba").as_deref(), Some("a"));
    assert_eq!(begins(" .").as_deref(), Some(" "));
    assert_eq!(begins("日本").as_deref(), Some("日"));
    assert_eq!(Vocabulary::bytes().beginning().as_deref(), Some("\n"));
    assert_eq!(Vocabulary::train_bpe(&["abc"], 256).unwrap().beginning().as_deref(), Some("\n"));
    let words = |vocab: Value| {
        let model = json!({ "type": "WordLevel", "vocab": vocab, "unk_token": "?" });
        let all = json!({ "model": model, "pre_tokenizer": { "type": "Whitespace" }, "added_tokens": [
            { "id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true },
        ] });
        Vocabulary::parse(&all.to_string()).unwrap()
    };
    let v = words(json!({ "?": 0, "<s>": 1, "!": 2, "cat": 3 }));
    assert_eq!(v.beginning().as_deref(), Some("cat"));
    assert_eq!(v.unknown_in("cat dog! 日本 cat").unwrap(), ["dog", "日本"]);
    assert_eq!(words(json!({ "?": 0, "<s>": 1 })).beginning(), None);
    assert_eq!(Vocabulary::characters(&["ab"]).unwrap().unknown_in("axbé ").unwrap(), ["x", "é", " "]);
    // A tokenizer without an unknown token leaves out what it does not know.
    let model = json!({ "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] });
    let v = Vocabulary::parse(&json!({ "model": model }).to_string()).unwrap();
    assert_eq!(
        (v.encode("a€b€€").unwrap(), v.unknown_in("a€b€€").unwrap()),
        (vec![0, 1], vec!["€".into(), "€€".into()])
    );
    assert!(Vocabulary::bytes().unknown_in("é").unwrap().is_empty());
}
