use super::super::{ReadOptions, TableAudit};
use super::*;
use crate::tensor::Random;

fn found(text: &str) -> Vec<Leak> {
    with(text, |_| {})
}

fn with(text: &str, change: impl Fn(&mut TableOptions)) -> Vec<Leak> {
    let table = Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
    let mut options = TableOptions::default();
    change(&mut options);
    leaks(&table, &options).unwrap()
}
