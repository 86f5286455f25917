//! Files as they come.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn message(dir: &TempDir, name: &str) -> String {
    let path = dir.path().join(name);
    Corpus::open(&path).and_then(|c| c.text().map(String::from)).expect_err("an error").to_string()
}

#[test]
fn a_text_stays_as_it_is() {
    let mut gz = GzEncoder::new(vec![], Compression::fast());
    gz.write_all("packed é\n".as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let dir = folder(&[("a.txt", b"\xef\xbb\xbfone\r\ntwo\r\n"), ("b.txt.gz", &gz)]);
    let open = |name: &str| Corpus::open(&dir.path().join(name)).unwrap();
    assert_eq!(open("a.txt").text().unwrap(), "one\r\ntwo\r\n");
    assert_eq!(open("b.txt.gz").text().unwrap(), "packed é\n");
    assert_eq!(open("a.txt").name, dir.path().join("a.txt").display().to_string());
}

#[test]
fn files_of_a_folder_follow_by_name() {
    let dir = folder(&[
        ("2.txt", b"b"),
        ("1.TXT", b"\xef\xbb\xbfa"),
        ("3.text", b"c\n"),
        ("0.md", b"m"),
        (".x.txt", b"h"),
        ("d.bin", b""),
    ]);
    let corpus = Corpus::open(dir.path()).unwrap();
    assert_eq!((corpus.text().unwrap(), corpus.files.len()), ("a\nb\nc\n", 3));
    let markdown = folder(&[("0.md", b"# m"), ("d.bin", b"")]);
    assert_eq!(Corpus::open(markdown.path()).unwrap().text().unwrap(), "# m");
    let both = [dir.path().join("2.txt"), markdown.path().to_path_buf()];
    let corpus = Corpus::open_all(&both).unwrap();
    assert_eq!(corpus.text().unwrap(), "b\n# m");
    assert!(corpus.name.ends_with("2.txt and 1 more"), "{}", corpus.name);
    let none = folder(&[("d.bin", b"")]);
    assert!(Corpus::open(none.path()).unwrap_err().to_string().contains("holds no text; expected files that end in"));
    assert!(Corpus::open_all(&[]).is_err());
}

#[test]
fn what_is_no_text_says_where() {
    let dir = folder(&[
        ("latin.txt", b"\xef\xbb\xbfone\ntw\xe9o"),
        ("cut.txt", b"a\xe6\x97"),
        ("wide.txt", b"\xff\xfea\0b\0"),
        ("empty.txt", b""),
        ("mark.txt", b"\xef\xbb\xbf"),
        ("blank.txt", b" \n\r\n\t"),
        ("bad.gz.txt", b"\x1f\x8b\x08nothing"),
    ]);
    let text = message(&dir, "latin.txt");
    assert!(text.contains("latin.txt, line 2, byte 9: 0xe9 is not UTF-8"), "{text}");
    assert!(text.contains("--tokenizer byte"), "{text}");
    assert!(message(&dir, "cut.txt").contains("line 1, byte 1: 0xe6"));
    assert!(message(&dir, "wide.txt").contains("UTF-16"));
    assert!(message(&dir, "empty.txt").ends_with("empty.txt is empty; expected text"));
    assert!(message(&dir, "mark.txt").contains("is empty"));
    assert!(message(&dir, "blank.txt").contains("nothing but white space"));
    assert!(message(&dir, "bad.gz.txt").contains("gzip"));
    assert!(message(&dir, "no.txt").contains("no.txt"));
    // Bytes are there all the same.
    assert_eq!(Corpus::open(&dir.path().join("cut.txt")).unwrap().bytes(), b"a\xe6\x97");
}

#[test]
fn the_file_at_fault_is_named_among_many() {
    let dir = folder(&[("1.txt", b"fine"), ("2.txt", b""), ("3.txt", b"\xef\xbb\xbfok\n\xff"), ("4.txt", b"\xfe")]);
    let text = Corpus::open(dir.path()).unwrap().text().unwrap_err().to_string();
    assert!(text.contains("3.txt, line 2, byte 6: 0xff"), "{text}");
}

#[test]
fn nul_is_a_character_like_others() {
    let dir = folder(&[("nul.txt", b"a\0b")]);
    assert_eq!(Corpus::open(&dir.path().join("nul.txt")).unwrap().text().unwrap(), "a\0b");
}
