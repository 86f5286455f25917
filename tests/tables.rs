//! Real tables, from the raw files: what an audit says of them, and that a
//! linear model on the cleaned features is as good as it should be. They are
//! looked for in `WGRAD_DATA`.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use wgrad::data::dataset::folds;
use wgrad::data::table::{Applied, Fitted, ReadOptions, Table, TableAudit, TableOptions};
use wgrad::data::{Samples, Targets};
use wgrad::nn::Keys;

fn main() {
    let folder = std::env::var_os("WGRAD_DATA").map(|d| PathBuf::from(d).join("tabular"));
    if folder.is_none() {
        eprintln!("tests of real tables are ignored: set WGRAD_DATA to a folder that holds tabular/");
    }
    let trial = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        let at = folder.clone();
        Trial::test(name, move || test(&at.expect("not ignored"))).with_ignored_flag(folder.is_none())
    };
    let trials = vec![
        trial("real_tables_are_looked_at", real_tables_are_looked_at),
        trial("titanic_from_the_raw_file", titanic_from_the_raw_file),
        trial("wine_from_the_raw_file", wine_from_the_raw_file),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn options(text: &str) -> TableOptions {
    TableOptions::read(&mut Keys::new(text.parse().unwrap(), "[data]")).unwrap()
}

fn real(folder: &Path, name: &str) -> Table {
    Table::open(&folder.join(name), &ReadOptions::default()).unwrap()
}

fn floats(applied: &Applied) -> &[f32] {
    match &applied.dataset.samples {
        Samples::Floats(v) => v,
        _ => panic!("floats expected"),
    }
}

fn real_tables_are_looked_at(folder: &Path) -> Result<(), Failed> {
    for (name, target, rows, duplicates) in
        [("titanic.csv", "Survived", 891, 0), ("winequality-red.csv", "last", 1599, 240), ("iris.csv", "last", 150, 3)]
    {
        let t = real(folder, name);
        let audit = TableAudit::new(&t, &options(&format!("target = \"{target}\""))).unwrap();
        println!("{}", audit.lines().join("\n"));
        assert_eq!((audit.rows, audit.duplicates.len()), (rows, duplicates), "{name}");
        assert!(audit.target.is_some());
        // Strong features are none that give the target away.
        assert!(audit.leaks.is_empty(), "{name}: {:?}", audit.leaks);
    }
    Ok(())
}

/// Trains a linear model by gradient descent on normalised features; returns
/// what it says about others.
fn linear(fitted: &Fitted, train: &Applied, test: &Applied, targets: &[f32], logistic: bool) -> Vec<f32> {
    let width = fitted.features.len();
    let rows = |a: &Applied| -> Vec<f32> {
        let at = |(i, x): (usize, &f32)| x * fitted.scale[i % width] + fitted.shift[i % width];
        floats(a).iter().enumerate().map(at).collect()
    };
    let (x, held) = (rows(train), rows(test));
    let (mut w, mut b) = (vec![0.0f32; width], 0.0);
    let say = |w: &[f32], b: f32, x: &[f32]| b + w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
    for _ in 0..2000 {
        let (mut dw, mut db) = (vec![0.0f32; width], 0.0);
        for (x, y) in x.chunks(width).zip(targets) {
            let out = say(&w, b, x);
            let error = if logistic { 1.0 / (1.0 + (-out).exp()) } else { out } - y;
            dw.iter_mut().zip(x).for_each(|(d, x)| *d += error * x);
            db += error;
        }
        let n = targets.len() as f32;
        w.iter_mut().zip(dw).for_each(|(w, d)| *w -= 0.1 * (d / n + 1e-3 * *w));
        b -= 0.1 * db / n;
    }
    held.chunks(width).map(|x| say(&w, b, x)).collect()
}

fn titanic_from_the_raw_file(folder: &Path) -> Result<(), Failed> {
    let t = real(folder, "titanic.csv");
    let options = options("target = \"Survived\"");
    let whole = Fitted::fit(&t, &t.all_rows(), &options).unwrap();
    let said = whole.describe().join("\n");
    println!("{said}");
    for part in ["PassengerId: dropped (identifier)", "Name: text, of which the frequent word", "mr, miss, mrs, master"]
    {
        assert!(said.contains(part), "{part}");
    }
    let labels = whole.apply(&t, &t.all_rows()).unwrap().dataset.labels().unwrap().to_vec();
    let mut right = 0;
    for fold in folds("titanic", &labels, 5, 0).unwrap() {
        let (fitted, train) = Fitted::fit_apply(&t, &fold.kept, &options).unwrap();
        let test = fitted.apply(&t, &fold.held).unwrap();
        let targets: Vec<f32> = train.dataset.labels().unwrap().iter().map(|&l| l as f32).collect();
        let out = linear(&fitted, &train, &test, &targets, true);
        right += out.iter().zip(test.dataset.labels().unwrap()).filter(|(o, l)| (**o > 0.0) == (**l == 1)).count();
    }
    let accuracy = right as f64 / 891.0;
    println!("accuracy {accuracy}");
    assert!(accuracy >= 0.81, "{accuracy}");
    Ok(())
}

fn wine_from_the_raw_file(folder: &Path) -> Result<(), Failed> {
    let t = real(folder, "winequality-red.csv");
    assert!(!t.has_header);
    let options = options("task = \"regression\"");
    let mut squares = 0.0;
    for fold in folds("wine", &vec![0; t.rows()], 5, 0).unwrap() {
        let (fitted, train) = Fitted::fit_apply(&t, &fold.kept, &options).unwrap();
        let test = fitted.apply(&t, &fold.held).unwrap();
        let values = |a: &Applied| match &a.dataset.targets {
            Targets::Values { values, .. } => values.clone(),
            Targets::Classes { .. } | Targets::Sequence { .. } => panic!("numbers expected"),
        };
        let targets: Vec<f32> =
            values(&train).iter().map(|y| y * fitted.target_scale()[0] + fitted.target_shift()[0]).collect();
        let mut out = linear(&fitted, &train, &test, &targets, false);
        fitted.denormalise(&mut out);
        squares += out.iter().zip(values(&test)).map(|(o, y)| f64::from(o - y).powi(2)).sum::<f64>();
    }
    let rmse = (squares / t.rows() as f64).sqrt();
    println!("rmse {rmse}");
    assert!(rmse < 0.67, "{rmse}");
    Ok(())
}
