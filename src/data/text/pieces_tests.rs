//! Tokenizers as other programs write them, whole and damaged.

use super::*;

fn json(model: Value, rest: Value) -> Value {
    let mut all = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null, "model": model,
    });
    if let (Value::Object(all), Value::Object(rest)) = (&mut all, rest) {
        all.extend(rest);
    }
    all
}

fn bpe(vocab: Value, merges: Value) -> Value {
    json!({ "type": "BPE", "vocab": vocab, "merges": merges })
}

fn word_piece() -> Value {
    let vocab = json!({ "[UNK]": 0, "play": 1, "##ing": 2, "##s": 3, "it": 4, "[CLS]": 5, "[SEP]": 6 });
    let model = json!({
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": vocab,
    });
    json(
        model,
        json!({
            "normalizer": { "type": "Lowercase" },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
            "truncation": { "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 },
            "padding": {
                "strategy": { "Fixed": 64 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "[UNK]",
            },
            "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 6], "cls": ["[CLS]", 5] },
        }),
    )
}

fn message(value: Value) -> String {
    Pieces::parse(&value.to_string()).err().expect("an error").to_string()
}

#[test]
fn other_models_work_too() {
    let p = Pieces::parse(&word_piece().to_string()).unwrap();
    assert_eq!((p.size(), p.describe()), (7, "word pieces (WordPiece)"));
    // Neither cut off at two tokens nor filled up to 64, nothing put around it.
    assert_eq!(p.encode("Playing plays it zzz").unwrap(), [1, 2, 1, 3, 4, 0]);
    assert_eq!(p.decode(&[1, 2, 1, 3, 4]), "playing plays it");
    // What was taken out stays out.
    let again = Pieces::parse(p.json()).unwrap();
    assert_eq!(again.json(), p.json());

    let model = json!({ "type": "WordLevel", "vocab": { "a": 0, "b": 7, "?": 3 }, "unk_token": "?" });
    let p = Pieces::parse(&json(model, json!({ "pre_tokenizer": { "type": "Whitespace" } })).to_string()).unwrap();
    assert_eq!((p.size(), p.encode("a b c").unwrap(), p.token(5)), (8, vec![0, 7, 3], None));
    assert_eq!(p.decode(&[0, 5, 7]), "a b");

    let model = json!({
        "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -1.0], ["b", -2.0], ["▁", -3.0]],
    });
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let value = json(model, json!({ "pre_tokenizer": metaspace, "decoder": metaspace }));
    let p = Pieces::parse(&value.to_string()).unwrap();
    assert_eq!(p.decode(&p.encode("ab a").unwrap()), "ab a");
}

#[test]
fn random_merges_are_switched_off() {
    let mut model = bpe(json!({ "a": 0, "b": 1, "ab": 2 }), json!([["a", "b"]]));
    model["dropout"] = json!(0.5);
    let p = Pieces::parse(&json(model, json!({})).to_string()).unwrap();
    assert!((0..50).all(|_| p.encode("abababab").unwrap() == [2, 2, 2, 2]));
}

#[test]
fn damaged_tokenizers_are_errors() {
    let vocab = || json!({ "a": 0, "b": 1, "ab": 2 });
    let merge = |merges: Value| message(json(bpe(vocab(), merges), json!({})));
    for merges in [json!([["a", "x"]]), json!([["ab", "ab"]]), json!(["ab"]), json!([7]), json!([["a", "b", "a"]])] {
        assert!(merge(merges.clone()).contains("merge 1 is"), "{merges}");
    }
    let mut prefixed = bpe(json!({ "a": 0, "é": 1, "aé": 2 }), json!([["a", "é"]]));
    prefixed["continuing_subword_prefix"] = json!("#");
    assert!(message(json(prefixed, json!({}))).contains("merge 1 is"));
    for model in [
        json!({ "type": "BPE" }),
        json!({ "type": "Nonsense", "vocab": {} }),
        json!({}),
        bpe(json!({ "a": -1 }), json!([])),
        bpe(json!({ "a": "x" }), json!([])),
        bpe(json!([]), json!({})),
        json!({ "type": "Unigram", "unk_id": 9, "vocab": [["a", 0.0]] }),
        json!({ "type": "WordPiece", "unk_token": "[UNK]", "vocab": { "a": 0 } }),
    ] {
        let text = message(json(model.clone(), json!({})));
        assert!(text.contains("tokenizer"), "{model}: {text}");
    }
    assert!(message(json(bpe(json!({}), json!([])), json!({}))).contains("without a token"));
    assert!(message(json(bpe(json!({ "a": 4_294_967_295u32 }), json!([])), json!({}))).contains("at most"));
    let table = |text: &str| json!({ "normalizer": { "type": "Precompiled", "precompiled_charsmap": text } });
    for text in ["", "////fw==", "not base64"] {
        assert!(message(json(bpe(vocab(), json!([])), table(text))).contains("damaged"), "{text}");
    }
    let rest = json!({ "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "(" }, "behavior": "Isolated", "invert": false } });
    assert!(message(json(bpe(vocab(), json!([])), rest)).contains("tokenizer"));
    assert!(message(json!({ "model": 3 })).contains("without an object"));
}

#[test]
fn a_text_is_cut_in_front_of_lines_only() {
    let text = "aa\nbb\n\ncc\n dd \nee\r\nff\ngg";
    for least in 0..30 {
        let parts = parts(text, least);
        assert_eq!(parts.concat(), text);
        assert!(parts[1..].iter().all(|part| part.starts_with('\n') && part.len() > 1), "{parts:?}");
        assert!(parts[..parts.len() - 1].iter().all(|part| part.len() >= least));
        // Each part is cut into the words that it has in the whole.
        let words: Vec<String> = parts.iter().flat_map(|part| byte_level::words(part).unwrap()).collect();
        assert_eq!(words, byte_level::words(text).unwrap(), "{parts:?}");
    }
    assert_eq!(parts(text, 0), ["aa", "\nbb\n", "\ncc\n dd ", "\nee\r", "\nff", "\ngg"]);
    assert_eq!(parts("\nx\n\u{a0}", 0), ["\nx\n\u{a0}"]);
    assert!(parts("", 0).is_empty());
}

#[test]
fn a_huge_line_is_no_trouble() {
    let line = "a".repeat(3_000_000);
    let p = Pieces::train(&[&line], 280).unwrap();
    let ids = p.encode(&line).unwrap();
    assert!(ids.len() < 20_000, "{}", ids.len());
    assert_eq!(p.decode(&ids), line);
    assert_eq!(p.decode(&p.encode(&" ".repeat(500_000)).unwrap()).len(), 500_000);
}
