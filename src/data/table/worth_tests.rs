use super::super::{Fitted, ReadOptions, TableOptions};
use super::*;
use crate::keys::Keys;

/// Rows of a number that says a part of the class, names with a title that says
/// the rest, and titles of books that say nothing.
fn rows(n: usize) -> Table {
    const NOUNS: [&str; 6] = ["house", "river", "night", "garden", "war", "king"];
    let mut text = "x,name,book,class\n".to_string();
    for i in 0..n as u64 {
        let (a, b, c) = (hash(i) % 10, hash(i + 1_000_000) % 2, hash(i + 2_000_000) % 6);
        let title = ["Dr.", "Prof."][b as usize];
        let class = if 10 * b + a + hash(i + 3_000_000) % 8 > 12 { "high" } else { "low" };
        text += &format!("{a}.5,{title} Natalie{i} Quentin{i},The {} of the N{i},{class}\n", NOUNS[c as usize]);
    }
    Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

fn options(text: &str) -> TableOptions {
    TableOptions::read(&mut Keys::new(text.parse().unwrap(), "[data]")).unwrap()
}

fn fit(table: &Table, rows: &[usize], text: &str) -> Fitted {
    Fitted::fit(table, rows, &options(text)).unwrap()
}

#[test]
fn words_stay_where_they_help_and_go_where_they_do_not() {
    let table = rows(400);
    let all = table.all_rows();
    let fitted = fit(&table, &all, "");
    let mut features = fitted.features.clone();
    features.sort();
    assert_eq!(features, ["name=dr", "name=prof", "x"]);
    let said = fitted.describe().join("\n");
    for part in [
        "name: its words help on held-out training rows (a ridge regression explains",
        "[clean] drop = [\"name\"] leaves them out",
        "book: dropped (text): its words do not help on held-out training rows",
        "[clean.columns.\"book\"] text = \"tokens\" keeps them",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    // Both can be decided otherwise, and the words that join others are never taken.
    let books = fit(&table, &all, "[clean.columns.book]\ntext = \"tokens\"\n[clean.columns.name]\ntext = \"drop\"");
    assert!(books.features.contains(&"book=house".to_string()), "{:?}", books.features);
    assert!(!books.features.iter().any(|f| f.contains("name") || f == "book=the" || f == "book=of"));
}

#[test]
fn only_training_rows_decide() {
    let table = rows(400);
    let part: Vec<usize> = (0..300).collect();
    let mut other = table.clone();
    for column in &mut other.columns[1..] {
        // In the other rows the books tell the class.
        let cell = |i: usize| match column.name.as_str() {
            "name" => format!("Dr. Natalie{i} Quentin{i}"),
            "book" => format!("The {} of the N{i}", ["house", "river"][i % 2]),
            _ => ["high", "low"][i % 2].to_string(),
        };
        let own = |i: usize| if i < 300 { column.cells.to_owned_at(i) } else { Some(cell(i)) };
        column.cells = (0..400).map(own).collect();
    }
    assert_eq!(fit(&table, &part, ""), fit(&other, &part, ""));
}

#[test]
fn values_that_recur_are_taken_whole() {
    let names = ["Ann Lee", "Bo Li", "Ann Smith", "Bo Berg", "Cy Lee", "Di Li", "Di Smith", "Ed Berg"];
    let mut text = "x,director,y\n".to_string();
    for i in 0..300u64 {
        // A third of the names are there once; of the others each has its own level.
        let who = hash(i) as usize % 12;
        let name = names.get(who).map_or(format!("Only {i}"), |n| (*n).to_string());
        let level = [9, 1, 1, 9, 5, 5, 1, 9, 4, 5, 6, 7][who] as f64;
        text += &format!("{}.5,{name},{}\n", hash(i + 500) % 9, level + (hash(i + 900) % 100) as f64 / 100.0);
    }
    let table = Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
    let fitted = fit(&table, &table.all_rows(), "");
    assert!(fitted.features.contains(&"director=Ann Lee".to_string()), "{:?}", fitted.features);
    assert!(!fitted.features.contains(&"director=ann".to_string()), "{:?}", fitted.features);
    assert_eq!(fitted.columns[1].kind, Kind::Category);
    assert!(fitted.notes.iter().any(|n| n.contains("director: its values help")), "{:?}", fitted.notes);
    let words = fit(&table, &table.all_rows(), "[clean.columns.director]\ntext = \"tokens\"");
    assert!(words.features.contains(&"director=only".to_string()), "{:?}", words.features);
}

#[test]
fn missing_cells_are_no_merit_of_the_text() {
    let mut text = "x,book,y\n".to_string();
    for i in 0..400u64 {
        let (there, noun) = (!hash(i).is_multiple_of(3), ["house", "river", "night"][hash(i + 70) as usize % 3]);
        let book = if there { format!("The {noun} of {i}") } else { String::new() };
        text += &format!("{}.5,{book},{}\n", hash(i + 500) % 9, if there { 5 } else { 1 } + hash(i + 900) % 4);
    }
    let table = Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
    let fitted = fit(&table, &table.all_rows(), "task = \"regression\"");
    assert_eq!(fitted.features, ["x", "book=(missing)"]);
    let said = fitted.describe().join("\n");
    assert!(said.contains("book: text, of which missing cells are marked (1 feature)"), "{said}");
    assert!(said.contains("that cells are missing helps and is marked"), "{said}");
}

#[test]
fn text_alone_is_used_and_few_rows_decide_nothing() {
    let table = rows(400);
    let alone = fit(&table, &table.all_rows(), "[clean]\ndrop = [\"x\", \"name\"]");
    assert!(alone.features.contains(&"book=house".to_string()), "{:?}", alone.features);
    assert!(alone.notes.iter().any(|n| n.contains("no other column is left")), "{:?}", alone.notes);
    let few = rows(30);
    let fitted = fit(&few, &few.all_rows(), "");
    assert!(fitted.features.iter().any(|f| f.starts_with("book=")), "{:?}", fitted.features);
    assert!(fitted.notes.iter().any(|n| n.contains("30 rows are too few")), "{:?}", fitted.notes);
}

#[test]
fn a_ridge_regression_is_the_solution_of_its_equations() {
    // Of x1 = (1, 2, 3), x2 = (1, 0, 1), y = (1, 2, 4), by hand: the lower half and the answers.
    let sums = vec![14.0, 0.0, 17.0, 4.0, 2.0, 5.0];
    let [a, b] = ridge(sums, 2, 1, 1.0)[..] else { panic!("two weights") };
    assert!((15.0 * a + 4.0 * b - 17.0).abs() < 1e-12 && (4.0 * a + 3.0 * b - 5.0).abs() < 1e-12, "{a} {b}");
    assert!(ridge(vec![], 0, 1, 1.0).is_empty());
}
