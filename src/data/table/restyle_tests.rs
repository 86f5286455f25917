use super::super::{ReadOptions, TableOptions};
use super::*;
use crate::data::Samples;

fn table(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

/// What was learned of rows of a column `x` with a target that varies.
fn learned(cells: &[&str]) -> Fitted {
    let rows: String = cells.iter().enumerate().map(|(i, c)| format!("{c};{}.5\n", i * 7 % 20)).collect();
    let table = table(&format!("x;y\n{rows}"));
    Fitted::fit(&table, &table.all_rows(), &TableOptions::default()).unwrap()
}

/// The features of new rows, and what is said.
fn features(fitted: &Fitted, cells: &[&str]) -> Result<(Vec<f32>, String)> {
    let table = table(&format!("x;z\n{}", cells.iter().map(|c| format!("{c};1\n")).collect::<String>()));
    let found = fitted.apply_features(&table, &table.all_rows())?;
    Ok((found.values, found.restyled.join("; ")))
}

#[test]
fn ones_and_zeros_with_a_point_are_booleans() {
    let fitted = learned(&["True", "False"].repeat(10));
    let plain = features(&fitted, &["True", "False", "True"]).unwrap().0;
    let (floats, said) = features(&fitted, &["1.0", "0.0", "1.0"]).unwrap();
    assert_eq!(floats, plain);
    assert!(said.contains("\"1.0\" here is what training wrote as \"True\""), "{said}");
    assert_eq!(features(&fitted, &["1", "0", "1"]).unwrap().0, plain);
    let refused = features(&fitted, &["maybe", "maybe", "True"]).unwrap_err().to_string();
    assert!(refused.contains("2 of 3 cells are no words for yes and no"), "{refused}");
}

#[test]
fn percentages_give_the_features_of_shares() {
    let shares: Vec<String> = (1..21).map(|i| format!("0.{:02}", i * 4)).collect();
    let shares: Vec<&str> = shares.iter().map(String::as_str).collect();
    let fitted = learned(&shares);
    let (values, said) = features(&fitted, &["12.3%", "50%"]).unwrap();
    let plain = features(&fitted, &["0.123", "0.5"]).unwrap().0;
    assert!(values.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
    assert!(said.contains("divided by 100"), "{said}");
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Fitted>(&text).unwrap(), fitted);
}

#[test]
fn whole_columns_of_a_file_share_their_mark() {
    let rows: String = (0..20).map(|i| format!("{};{}.25;{}.5\n", 100 * i + 7, i, i % 7)).collect();
    let train = table(&format!("n;price;y\n{rows}"));
    let fitted = Fitted::fit(&train, &train.all_rows(), &TableOptions::default()).unwrap();
    let new = table("n;price\n1.908;12,25\n312;3,5\n");
    let found = fitted.apply_features(&new, &new.all_rows()).unwrap();
    assert_eq!(found.values, [1908.0, 12.25, 312.0, 3.5]);
    // Alone it could be either, which is said.
    let alone = table("n;price\n1.908;12\n312;3\n");
    let found = fitted.apply_features(&alone, &alone.all_rows()).unwrap();
    assert!(found.restyled.iter().any(|s| s.contains("it could be 1908")), "{:?}", found.restyled);
    assert!(matches!(fitted.apply(&train, &[0, 1]).unwrap().dataset.samples, Samples::Floats(_)));
}
