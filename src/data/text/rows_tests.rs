//! Texts cut and filled up.

use super::*;

fn vocabulary() -> Vocabulary {
    Vocabulary::characters(&["abc"]).unwrap().padded()
}

#[test]
fn rows_are_filled_up_and_cut() {
    let e = encode_texts(&vocabulary(), &["ab", "", "abcab", "x"], Some(3)).unwrap();
    assert_eq!((e.count, e.max_len, e.cut, e.empty), (4, 3, 1, 1));
    assert_eq!(e.rows, [2, 3, 0, 1, 0, 0, 2, 3, 4, 1, 0, 0]);
    assert_eq!(
        e.notes(),
        ["1 text of 4 (25.0 %) longer than 3 tokens and cut there", "1 text of 4 empty: read as one unknown token"]
    );
    let e = encode_texts(&vocabulary(), &["abc"], Some(3)).unwrap();
    assert!(e.notes().is_empty());
}

#[test]
fn the_usual_length_holds_most_texts() {
    let of = |lengths: &[usize]| usual_length(&lengths.iter().map(|&n| vec![0; n]).collect::<Vec<_>>());
    assert_eq!((of(&[]), of(&[0]), of(&[1]), of(&[8]), of(&[9])), (8, 8, 8, 8, 16));
    assert_eq!(of(&[10_000]), 512);
    let mut lengths: Vec<usize> = vec![10; 95];
    lengths.extend([1000; 5]);
    assert_eq!(of(&lengths), 16);
    lengths.push(1000);
    assert_eq!(of(&lengths), 512);
    let texts: Vec<String> = (1..=100).map(|n| "a".repeat(n)).collect();
    let e = encode_texts(&vocabulary(), &texts, None).unwrap();
    assert_eq!((e.max_len, e.cut, e.rows.len()), (96, 4, 9600));
}

#[test]
fn what_cannot_be_is_refused() {
    let message = |r: Result<EncodedTexts>| r.unwrap_err().to_string();
    assert!(message(encode_texts(&vocabulary(), &["a"], Some(0))).contains("at least 1"));
    assert!(message(encode_texts(&Vocabulary::bytes(), &["a"], None)).contains("padding"));
    let many = vec!["a"; 50_000];
    assert!(message(encode_texts(&vocabulary(), &many, Some(100_000))).contains("18.6 GiB"));
    let none: [&str; 0] = [];
    assert_eq!(encode_texts(&vocabulary(), &none, None).unwrap().rows, [0u32; 0]);
}
