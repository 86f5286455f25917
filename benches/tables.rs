//! Reading tables: how long it takes to read a file, to audit it, and to learn from its
//! rows and make features of them, with the memory that takes at most.
//!
//!     cargo bench --bench tables -- FILE.csv TARGET [read|audit|fit]
//!
//! `audit` and `fit` include reading.

use std::path::Path;
use std::time::Instant;
use wgrad::data::table::{Fitted, Table, TableAudit, TableOptions};

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [file, target, rest @ ..] = &args[..] else {
        eprintln!("usage: cargo bench --bench tables -- FILE.csv TARGET [read|audit|fit]");
        return Ok(());
    };
    let options = TableOptions { target: vec![target.clone()], ..TableOptions::default() };
    let begun = Instant::now();
    let table = Table::open(Path::new(file), &options.read_options())?;
    let mut done = vec![("read", begun.elapsed())];
    match rest.first().map_or("read", String::as_str) {
        "audit" => drop(TableAudit::new(&table, &options)?),
        "fit" => drop(Fitted::fit_apply(&table, &table.all_rows(), &options)?),
        _ => {}
    }
    done.push((rest.first().map_or("read", String::as_str), begun.elapsed()));
    let (what, time) = done.pop().expect("it was put in");
    println!(
        "{{\"what\": \"{what}\", \"rows\": {}, \"columns\": {}, \"read_s\": {:.3}, \"s\": {:.3}, \"peak_mib\": {}}}",
        table.rows(),
        table.columns.len(),
        done[0].1.as_secs_f64(),
        time.as_secs_f64(),
        peak().map_or("null".into(), |mib| format!("{mib:.0}"))
    );
    Ok(())
}

/// The most memory that this process had, in MiB, where Linux tells.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
