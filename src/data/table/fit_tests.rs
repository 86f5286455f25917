use super::super::{Issue, ReadOptions};
use super::*;
use crate::data::{Samples, Targets};
use crate::keys::Keys;

fn table(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

fn options(text: &str) -> TableOptions {
    TableOptions::read(&mut Keys::new(text.parse().unwrap(), "[data]")).unwrap()
}

fn fit(table: &Table, text: &str) -> Fitted {
    Fitted::fit(table, &table.all_rows(), &options(text)).unwrap()
}

fn floats(applied: &Applied) -> &[f32] {
    match &applied.dataset.samples {
        Samples::Floats(v) => v,
        _ => panic!("floats expected"),
    }
}

/// Twelve people: an identifier, a number with a gap, a category, a target.
fn people() -> Table {
    let mut text = "id,age,sex,alive\n".to_string();
    for i in 0..12 {
        let age = if i == 3 { String::new() } else { (20 + i).to_string() };
        text += &format!("{},{age},{},{}\n", 100 + i, ["m", "f"][i % 2], ["no", "yes"][i % 2]);
    }
    table(&text)
}

#[test]
fn a_raw_table_becomes_a_data_set() {
    let people = people();
    let (fitted, applied) = Fitted::fit_apply(&people, &people.all_rows(), &TableOptions::default()).unwrap();
    assert_eq!(fitted.features, ["age", "age missing", "sex=f", "sex=m"]);
    assert_eq!(fitted.outputs(), ["no", "yes"]);
    assert_eq!(applied.dataset.shape, [4]);
    assert_eq!(&floats(&applied)[..4], [20.0, 0.0, 0.0, 1.0]);
    // The median of 20, 21, 22, 24 ... 31.
    assert_eq!(&floats(&applied)[12..16], [26.0, 1.0, 1.0, 0.0]);
    assert_eq!(applied.dataset.labels().unwrap()[..3], [0, 1, 0]);
    assert_eq!((applied.kept.len(), applied.dropped.len()), (12, 0));
    // Numbers are standardised, zeros and ones stay.
    let age: Vec<f32> = floats(&applied).iter().step_by(4).map(|x| x * fitted.scale[0] + fitted.shift[0]).collect();
    assert!(age.iter().sum::<f32>().abs() < 1e-4, "{age:?}");
    assert!((age.iter().map(|x| x * x).sum::<f32>() - 12.0).abs() < 1e-3, "{age:?}");
    assert_eq!((&fitted.scale[1..], &fitted.shift[1..]), (&[1.0; 3][..], &[0.0; 3][..]));
    let said = fitted.describe();
    assert!(said.iter().any(|s| s.starts_with("id: dropped (identifier): it only tells rows apart")), "{said:#?}");
    assert!(said.iter().any(|s| s.contains("1 missing of 12 become the median 26, and are marked")), "{said:#?}");
}

#[test]
fn only_training_rows_are_learned_from() {
    let people = people();
    let train: Vec<usize> = (0..8).collect();
    let fitted = Fitted::fit(&people, &train, &TableOptions::default()).unwrap();
    let mut other = people.clone();
    // Of the other rows only what a column holds is looked at, and which classes there are.
    for column in &mut other.columns {
        let cell = |i: usize| match column.name.as_str() {
            "id" => format!("{}", 9000 + i),
            "age" => "77777".into(),
            "sex" => "f".into(),
            _ => "yes".into(),
        };
        let own = |i: usize| if i < 8 { column.cells.to_owned_at(i) } else { Some(cell(i)) };
        column.cells = (0..column.cells.len()).map(own).collect();
    }
    assert_eq!(fitted, Fitted::fit(&other, &train, &TableOptions::default()).unwrap());
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Fitted>(&text).unwrap(), fitted);
}

/// Rows sorted by class, in which a part of the row numbers looks like a measurement.
#[test]
fn kinds_are_those_of_the_whole_file() {
    let row = |i: usize| format!("{},{},{}\n", i + 1, (i * 37 % 11) as f64 / 2.0, if i < 100 { "a" } else { "b" });
    let rows = table(&("row number,x,kind\n".to_string() + &(0..189).map(row).collect::<String>()));
    for part in [3, 5] {
        let some: Vec<usize> = (0..189).filter(|i| i % 5 != 0 && i % part != 1).collect();
        let fitted = Fitted::fit(&rows, &some, &TableOptions::default()).unwrap();
        assert_eq!(fitted.features, ["x"]);
    }
    // A class that no training row has keeps its output.
    let first: Vec<usize> = (0..40).chain(100..140).collect();
    let three = table(
        &("x,kind\n".to_string()
            + &(0..189)
                .map(|i| {
                    format!("{}.5,{}\n", i * 7 % 31, ["a", "b", "c"][usize::from(i >= 100) + usize::from(i >= 140)])
                })
                .collect::<String>()),
    );
    let fitted = Fitted::fit(&three, &first, &TableOptions::default()).unwrap();
    assert_eq!(fitted.outputs(), ["a", "b", "c"]);
    assert!(fitted.notes.iter().any(|n| n.contains("no training row has the class c")), "{:?}", fitted.notes);
}

/// `-1,631` could be minus one thousand six hundred; what training saw says that it is not.
#[test]
fn new_rows_with_other_decimal_marks_mean_the_same() {
    let number = |i: usize| (i * 37 % 101) as f64 / 25.0 - 2.0;
    let rows = |write: &dyn Fn(f64) -> String| {
        let row = |i: usize| format!("\"{}\",{}\n", write(number(i)), ["a", "b"][i % 2]);
        table(&("x,kind\n".to_string() + &(0..101).map(row).collect::<String>()))
    };
    for digits in [1, 2, 3, 4] {
        let point = rows(&|x| format!("{x:.digits$}"));
        let comma = rows(&|x| format!("{x:.digits$}").replace('.', ","));
        for (trained, new) in [(&point, &comma), (&comma, &point)] {
            let fitted = fit(trained, "");
            let [own, other] = [trained, new].map(|t| fitted.apply(t, &t.all_rows()).unwrap());
            assert_eq!(floats(&own), floats(&other), "{digits} digits");
            assert_eq!((own.restyled.len(), other.restyled.len()), (0, 1), "{:?}", other.restyled);
        }
    }
    // Where training had groups of thousands, so may new rows.
    let prices = table(
        &("x,kind\n".to_string()
            + &(0..40).map(|i| format!("\"{},500\",{}\n", 1 + i, ["a", "b"][i % 2])).collect::<String>()),
    );
    let new = table("x,kind\n\"900,250\",a\n");
    let applied = fit(&prices, "").apply(&new, &[0]).unwrap();
    assert_eq!((floats(&applied), applied.restyled.len()), (&[900_250.0][..], 0));
}

#[test]
fn columns_are_matched_by_name() {
    let people = people();
    let fitted = fit(&people, "");
    let new = table("alive,extra,sex,age\nyes,1,f,30\nno,2,x,inf\nperhaps,3,m,4\n,4,m,5\n");
    let applied = fitted.apply(&new, &new.all_rows()).unwrap();
    assert_eq!(floats(&applied), [30.0, 0.0, 1.0, 0.0, 26.0, 1.0, 0.0, 0.0]);
    assert_eq!(applied.kept, [0, 1]);
    let dropped: Vec<(usize, &str)> = applied.dropped.iter().map(|d| (d.row, d.reason.as_str())).collect();
    assert_eq!(
        dropped,
        [
            (4, "the target \"alive\" is \"perhaps\", a class without training rows"),
            (5, "the target \"alive\" is missing")
        ]
    );
    let found: Vec<(&str, Issue, usize)> =
        applied.notes.iter().map(|n| (n.column.as_str(), n.issue, n.cells)).collect();
    assert_eq!(found, [("age", Issue::Missing, 1), ("age", Issue::Infinite, 1), ("sex", Issue::NewCategory, 1)]);
    assert!(
        applied.lines().iter().any(|l| l.contains("sex: 1 cell: categories that no training row has: \"x\" (line 3)"))
    );
    let unlabelled = table("sex,age\nf,30\n");
    let features = fitted.apply_features(&unlabelled, &[0]).unwrap();
    assert_eq!((features.values, features.kept), (vec![30.0, 0.0, 1.0, 0.0], vec![0]));
    let message = fitted.apply_features(&table("sex,aged\nf,30\n"), &[0]).unwrap_err().to_string();
    assert!(message.contains("unknown column \"age\"; did you mean \"aged\"?"), "{message}");
    assert!(fitted.apply(&unlabelled, &[0]).unwrap_err().to_string().contains("\"alive\""));
    assert!(fitted.apply(&new, &[9]).unwrap_err().to_string().contains("no row 9"));
}

#[test]
fn gaps_are_filled_as_asked() {
    let text = "x,c,y\n1,a,1.5\n2,a,2.5\n,b,3.5\n2,,4.5\n7,a,5.5\n";
    let t = table(text);
    let first = |clean: &str| {
        let (fitted, applied) =
            Fitted::fit_apply(&t, &t.all_rows(), &options(&format!("[clean]\nindicator = false\n{clean}"))).unwrap();
        (applied.dataset.len(), floats(&applied).iter().skip(2 * fitted.features.len()).step_by(99).copied().next())
    };
    assert_eq!(first("missing = \"median\""), (5, Some(2.0)));
    assert_eq!(first("missing = \"mean\""), (5, Some(3.0)));
    assert_eq!(first("missing = \"mode\""), (5, Some(2.0)));
    assert_eq!(first("missing = \"constant\"\nfill = -1"), (5, Some(-1.0)));
    let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &options("[clean]\nmissing = \"drop\"")).unwrap();
    assert_eq!((fitted.rows, applied.kept.clone()), (3, vec![0, 1, 4]));
    assert_eq!(applied.dropped.iter().map(|d| d.row).collect::<Vec<_>>(), [4, 5]);
    let e = Fitted::fit(&t, &t.all_rows(), &options("[clean.columns.x]\nmissing = \"constant\"\nfill = \"many\""));
    assert!(e.unwrap_err().to_string().contains("column \"x\" of t.csv: fill = \"many\"; expected a number"));
    let constant = fit(&t, "[clean]\nmissing = \"constant\"\nfill = 0");
    assert_eq!(constant.features, ["x", "x missing", "c=a", "c=b", "c=0", "c missing"]);
}

#[test]
fn categories_become_places_or_an_order() {
    let mut text = "size,y\n".to_string();
    for i in 0..60 {
        text += &format!("{},{}\n", ["low", "high", "mid", "high"][i % 4], i as f32 * 0.5);
    }
    text += "rare,1.5\n";
    let t = table(&text);
    let fitted = fit(&t, "[clean]\nmin_count = 5");
    assert_eq!(fitted.features, ["size=high", "size=low", "size=mid", "size=(other)"]);
    let few = fit(&t, "[clean]\nmax_categories = 1");
    assert_eq!(few.features, ["size=high", "size=(other)"]);
    let ordinal = options(
        "[clean]\nmin_count = 5\n[clean.columns.size]\ncategories = \"ordinal\"\norder = [\"low\", \"mid\", \"high\"]",
    );
    let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &ordinal).unwrap();
    assert_eq!(fitted.features, ["size"]);
    assert_eq!((&floats(&applied)[..4], floats(&applied)[60]), (&[1.0, 3.0, 2.0, 3.0][..], 0.0));
}

#[test]
fn outliers_are_clipped_and_numbers_normalised_as_asked() {
    let mut text = "x,y\n".to_string();
    for i in 0..101 {
        text += &format!("{},{}\n", if i == 100 { 1e6 } else { f64::from(i) + 0.5 }, f64::from(i) * 1.5);
    }
    let t = table(&text);
    let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &options("[clean]\noutliers = \"clip\"")).unwrap();
    assert_eq!(*floats(&applied).last().unwrap(), 75.5 + 75.0);
    assert!(applied.lines()[0].contains("x: 1 cell: outliers"), "{:?}", applied.lines());
    assert!((fitted.scale[0] * 150.5 + fitted.shift[0]) > 2.0);
    let last = |text: &str| {
        let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &options(text)).unwrap();
        [0, 50].map(|i| floats(&applied)[i] * fitted.scale[0] + fitted.shift[0])
    };
    assert_eq!(last("normalize = \"none\""), [0.5, 50.5]);
    assert_eq!(last("normalize = \"robust\""), [-1.0, 0.0]);
    let [low, mid] = last("normalize = \"minmax\"\n[clean]\noutliers = \"clip\"\nclip_quantiles = [0.0, 0.99]");
    assert_eq!(low, 0.0);
    assert!((mid - 50.0 / 99.0).abs() < 1e-3, "{mid}");
}

#[test]
fn dates_are_taken_apart() {
    let mut text = "when,y\n".to_string();
    for i in 1..=28 {
        text += &format!("2020-0{}-{i:02},{}\n", 1 + i % 2, f64::from(i) * 1.5);
    }
    let t = table(&text);
    let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &TableOptions::default()).unwrap();
    assert_eq!(fitted.features, ["when.month", "when.day", "when.weekday", "when.days"]);
    assert_eq!(floats(&applied)[..4], [2.0, 1.0, 5.0, 18293.0]);
    assert_eq!(fit(&t, "[clean]\ndates = \"days\"").features, ["when.days"]);
}

#[test]
fn large_numbers_keep_their_digits() {
    let mut text = "t,y\n".to_string();
    for i in 0..40 {
        text += &format!("{}.5,{}\n", 1_600_000_000 + i % 7, f64::from(i) * 1.5);
    }
    let t = table(&text);
    let (_, applied) = Fitted::fit_apply(&t, &t.all_rows(), &TableOptions::default()).unwrap();
    let x = floats(&applied);
    assert_eq!((x[1] - x[0], x[6] - x[0]), (1.0, 6.0));
}

#[test]
fn the_task_follows_the_target_and_says_so() {
    let of = |cells: &[&str], text: &str| {
        let rows: String =
            cells.iter().cycle().take(60).enumerate().map(|(i, c)| format!("{}.5,{c}\n", i * i)).collect();
        let t = table(&format!("x,y\n{rows}"));
        Fitted::fit(&t, &t.all_rows(), &options(text))
    };
    let quality = of(&["3", "4", "5.0", "6", "5"], "").unwrap();
    assert_eq!(quality.outputs(), ["3", "4", "5", "6"]);
    assert!(quality.notes[0].contains("taken for classes; set task = \"regression\""), "{:?}", quality.notes);
    let values = of(&["3", "4", "5", "6"], "task = \"regression\"").unwrap();
    let (scale, shift) = (values.target_scale()[0], values.target_shift()[0]);
    let mut y = [3.0 * scale + shift, 6.0 * scale + shift];
    assert!((y[0] + y[1]).abs() < 1e-5);
    values.denormalise(&mut y);
    assert!((y[0] - 3.0).abs() < 1e-5 && (y[1] - 6.0).abs() < 1e-5);
    assert!(matches!(of(&["1.5", "2", "3"], "").unwrap().goal, Goal::Values(_)));
    let fails = |cells: &[&str], text: &str, part: &str| {
        let message = of(cells, text).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    fails(&["a"], "", "all 60 rows have the class \"a\"; expected two classes");
    fails(&["2.5"], "", "it is 2.5 in all training rows");
    fails(&[""], "", "all 60 cells are missing");
    fails(&["a", "b"], "task = \"regression\"", "0 of 60 cells are numbers, others are like \"a\"");
    let names: Vec<String> = (0..60).map(|i| format!("n{i}")).collect();
    fails(&names.iter().map(String::as_str).collect::<Vec<_>>(), "", "names rows rather than classes");
    fails(&["1", "2"], "target = \"z\"", "unknown column \"z\"");
    fails(&["1", "2"], "target = [\"x\", \"y\"]\ntask = \"classification\"", "expected one for classification");
    fails(&["1", "2"], "[clean]\ndrop = [\"x\"]", "no column of t.csv is left to learn from");
    fails(&["1", "2"], "[clean.columns.X]\nmissing = \"mean\"", "did you mean \"x\"?");
    let single: Vec<&str> = (0..60).map(|i| if i == 7 { "one" } else { ["a", "b"][i % 2] }).collect();
    assert!(
        of(&single, "").unwrap().notes.iter().any(|n| n.contains("1 of 3 classes have a single training row (one)"))
    );
}

#[test]
fn several_targets_are_predicted_together() {
    let rows: String = (0..20).map(|i| format!("{}.5,{},{}\n", i * i, i, i * 2)).collect();
    let t = table(&format!("x,a,b\n{rows}"));
    let (fitted, applied) = Fitted::fit_apply(&t, &t.all_rows(), &options("target = [\"b\", 2]")).unwrap();
    assert_eq!((fitted.outputs(), &fitted.features[..]), (vec!["b", "a"], &["x".to_string()][..]));
    let Targets::Values { values, names } = &applied.dataset.targets else { panic!("numbers expected") };
    assert_eq!((&values[..4], names.len()), (&[0.0, 0.0, 2.0, 1.0][..], 2));
}

#[test]
fn equal_training_rows_are_kept_once_if_asked() {
    let t = table("x,y\n1.5,a\n1.5,a\n2.5,b\n1.5,b\n2.5,b\n");
    let all = t.all_rows();
    assert_eq!(Fitted::fit_apply(&t, &all, &TableOptions::default()).unwrap().1.kept, all);
    let (fitted, applied) = Fitted::fit_apply(&t, &all, &options("[clean]\ndrop_duplicates = true")).unwrap();
    assert_eq!((fitted.rows, applied.kept), (3, vec![0, 2, 3]));
    assert_eq!(applied.dropped.iter().map(|d| d.row).collect::<Vec<_>>(), [3, 6]);
    assert_eq!(fitted.apply(&t, &all).unwrap().kept, all, "test rows are never dropped for that");
}

#[test]
fn a_type_can_be_said() {
    let people = people();
    let fitted = fit(&people, "[clean.columns.id]\ntype = \"number\"\n[clean.columns.age]\ntype = \"category\"");
    assert_eq!(fitted.features[0], "id");
    assert!(fitted.features.contains(&"age=20".to_string()));
    assert_eq!(fitted.columns[1].kind, Kind::Category);
    let e = Fitted::fit(&people, &people.all_rows(), &options("[clean.columns.sex]\ntype = \"number\"")).unwrap_err();
    assert!(e.to_string().contains("column \"sex\" of t.csv: no cell is a finite number"), "{e}");
}
