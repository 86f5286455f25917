//! Texts with classes from tables and folders, and what is wrong with some.

use super::super::super::table::ReadOptions;
use super::*;
use tempfile::TempDir;

fn table(text: &str) -> Table {
    let options = ReadOptions { missing_values: vec![], ..ReadOptions::default() };
    Table::parse("t.csv", text.as_bytes(), &options).unwrap()
}

fn columns<'a>(text: Option<&'a str>, target: Option<&'a str>) -> TableColumns<'a> {
    TableColumns { text, target }
}

fn read(text: &str, c: TableColumns) -> Result<LabelledTexts> {
    from_table(&table(text), c, &["?".to_string()])
}

const MAIL: &str =
    "id,message,kind,note\n1,\"see you, then\",ham,x\n2,None,spam,y\n3,,ham,z\n4,win a prize,?,x\n5,a,,y\n";

#[test]
fn columns_are_found_or_named() {
    let t = read(MAIL, columns(None, Some("kind"))).unwrap();
    assert_eq!(t.texts, ["see you, then", "None", ""]);
    assert_eq!((t.labels, t.classes), (vec![0, 1, 0], vec!["ham".to_string(), "spam".into()]));
    assert_eq!(t.notes[0], "texts from column \"message\", classes from column \"kind\"");
    assert_eq!(t.notes[1], "2 rows without a class in column \"kind\" left out");
    let t = read(MAIL, columns(Some("4"), Some("3"))).unwrap();
    assert_eq!(t.texts, ["x", "y", "z"]);
    // Without a target the last column that is not the text.
    assert_eq!(read("kind,text\nb,some words\na,more words\n", columns(None, None)).unwrap().classes, ["a", "b"]);
    assert_eq!(read("text,kind\nsome words,b\nmore words,a\n", columns(None, None)).unwrap().labels, [1, 0]);
    let t = table(MAIL);
    assert_eq!(texts_of(&t, None).unwrap()[3], "win a prize");
    assert_eq!(texts_of(&t, Some("note")).unwrap()[0], "x");
}

#[test]
fn classes_of_numbers_stand_by_value() {
    let text: String = ["10", "9", "1", "10", "9"].iter().map(|n| format!("some text {n},{n}\n")).collect();
    let t = read(&format!("text,stars\n{text}"), columns(None, None)).unwrap();
    assert_eq!((t.classes, t.labels), (vec!["1".to_string(), "9".into(), "10".into()], vec![2, 1, 0, 2, 1]));
}

#[test]
fn tables_without_texts_or_classes_say_so() {
    let fails = |text: &str, c: TableColumns, part: &str| {
        let message = read(text, c).unwrap_err().to_string();
        assert!(message.contains("t.csv") && message.contains(part), "{part}: {message}");
    };
    fails("a\nx\ny\n", columns(None, None), "has one column");
    fails("a,b\n1,2\n3,4\n", columns(None, None), "no column of texts");
    fails("a,b\n1,x\n3,y\n", columns(None, Some("b")), "no column of texts");
    fails(MAIL, columns(None, Some("knd")), "did you mean \"kind\"?");
    fails(MAIL, columns(Some("mesage"), None), "did you mean \"message\"?");
    fails(MAIL, columns(Some("kind"), Some("kind")), "both text and target");
    fails("text,kind\nsome words,a\nmore words,a\n", columns(None, None), "found one class, \"a\"");
    fails("text,kind\nsome words,?\nmore words,?\n", columns(None, None), "found no class");
    let rows: String = (0..40).map(|i| format!("some words {i},label {i}\n")).collect();
    fails(&format!("text,kind\n{rows}"), columns(None, None), "40 different classes in 40 rows");
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

#[test]
fn quotes_that_are_part_of_a_message_stay() {
    let text = "ham\t\"Quoted at its start\nspam\tWIN, \"now\"\nham\tends with \"\nham\tplain text\n";
    let dir =
        folder(&[("sms.txt", text.as_bytes()), ("csv.tsv", b"kind\ttext\na\t\"two\tcells\"\nb\t\"two\nlines\"\n")]);
    let options = TableOptions::default();
    let t = open_table(&dir.path().join("sms.txt"), &options).unwrap();
    assert_eq!((t.rows(), t.has_header, t.lines.clone()), (4, false, vec![1, 2, 3, 4]));
    let texts = from_table(&t, columns(None, None), &options.missing_values).unwrap();
    assert_eq!(texts.texts, ["\"Quoted at its start", "WIN, \"now\"", "ends with \"", "plain text"]);
    assert_eq!(texts.labels, [0, 1, 0, 0]);
    // Where quotes do their work they are read.
    let t = open_table(&dir.path().join("csv.tsv"), &options).unwrap();
    assert!(t.columns[1].cells.present().eq(["two\tcells", "two\nlines"]));
    assert!(open_table(&dir.path().join("no.tsv"), &options).is_err());
}

#[test]
fn a_folder_per_class() {
    let dir = folder(&[
        ("pos/2.txt", b"\xef\xbb\xbfgood"),
        ("pos/10.TXT", "très bon".as_bytes()),
        ("neg/a.text", b""),
        ("neg/.hidden.txt", b"no"),
        ("none/x.bin", b"no"),
        ("README.txt", b"about"),
    ]);
    let set = open_folder(dir.path()).unwrap();
    assert_eq!(set.train.texts, ["", "très bon", "good"]);
    assert_eq!(
        (&set.train.labels[..], &set.train.classes[..]),
        (&[0, 1, 1][..], &["neg".to_string(), "pos".into()][..])
    );
    assert!(set.val.is_none() && set.test.is_none());
    assert!(
        set.train.notes.len() == 1 && set.train.notes[0].contains("none holds no .txt file"),
        "{:?}",
        set.train.notes
    );
}

#[test]
fn splits_share_their_classes() {
    let dir = folder(&[
        ("train/a/1.txt", b"one"),
        ("train/c/1.txt", b"two"),
        ("test/a/1.txt", b"three"),
        ("test/b/1.txt", b"four"),
        ("valid/c/1.txt", b"five"),
        ("docs/x.md", b"no"),
    ]);
    let set = open_folder(dir.path()).unwrap();
    let test = set.test.unwrap();
    assert_eq!((&test.labels[..], &test.classes[..]), (&[0, 1][..], &["a".to_string(), "b".into(), "c".into()][..]));
    assert_eq!((set.train.labels, set.val.unwrap().labels), (vec![0, 2], vec![2]));
    assert_eq!(test.notes, ["class \"c\" has no test text"]);
    let only = open_test_folder(dir.path()).unwrap();
    assert_eq!((only.texts, only.labels), (test.texts, vec![0, 1]));
    // Evaluation does not read what it does not need.
    std::fs::write(dir.path().join("train/a/1.txt"), b"\xff").unwrap();
    assert!(open_test_folder(dir.path()).is_ok() && open_folder(dir.path()).is_err());
}

#[test]
fn folders_that_cannot_be_learned_from_say_why() {
    let fails = |files: &[(&str, &[u8])], parts: &[&str]| {
        let dir = folder(files);
        let message = open_folder(dir.path()).unwrap_err().to_string();
        assert!(parts.iter().all(|p| message.contains(p)), "{parts:?}: {message}");
    };
    fails(&[("a/1.txt", b"x")], &["one class, \"a\""]);
    fails(&[("x.bin", b"x")], &["found no class"]);
    fails(&[("test/a/1.txt", b"x"), ("test/b/1.txt", b"x")], &["no training texts", "/train"]);
    fails(&[("val/a/1.txt", b"x"), ("valid/b/1.txt", b"x")], &["two folders of validation texts"]);
    let bad: Vec<(String, &[u8])> = (0..7).map(|i| (format!("b/{i}.txt"), &b"ab\xff"[..])).collect();
    let mut files: Vec<(&str, &[u8])> = bad.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    files.push(("a/1.txt", b"fine"));
    fails(&files, &["7 of the texts", "b/0.txt, line 1, byte 2: 0xff", "b/4.txt", "and 2 more"]);
    assert!(open_folder(Path::new("/nowhere/at/all")).is_err());
}
