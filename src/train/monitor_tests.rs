use super::*;
use crate::data::{Dataset, Normal, Samples, Targets};
use crate::device::Device;
use crate::error::Kind;
use crate::nn::{Description, Weights};
use crate::train::{Epoch, Progress, fit, model_for};
use toml::Table;

fn settings(text: &str) -> Result<Settings> {
    let mut table: Table = text.parse().expect("TOML");
    table.entry("train").or_insert_with(|| toml::Value::Table("epochs = 6\nbatch_size = 16".parse().unwrap()));
    Settings::read(table)
}

fn interface(classes: usize) -> Interface {
    Interface::of_images((0..classes).map(|c| format!("c{c}")).collect(), &[])
}

#[test]
fn every_figure_of_a_report_can_be_watched() {
    let of = |interface: &Interface| figures(interface).unwrap();
    let two = of(&interface(2));
    for key in
        ["loss", "accuracy", "f1", "precision", "recall", "roc_auc", "pr_auc", "mcc", "kappa", "log_loss", "brier"]
    {
        assert!(two.iter().any(|k| k == key), "{key}");
    }
    assert!(!two.iter().any(|k| k == "top_2" || k == "r2"));
    assert!(of(&interface(9)).iter().any(|k| k == "top_3"));
    let values = Interface { task: Task::Regression, ..interface(1) };
    for key in ["loss", "rmse", "mae", "r2", "mape", "median_ae", "max_error", "explained_variance", "bias"] {
        assert!(of(&values).iter().any(|k| k == key), "{key}");
    }
    assert!(of(&Interface { task: Task::Language, ..interface(5) }).iter().any(|k| k == "bits_per_byte"));
    for (name, up) in
        [("val_f1", true), ("val_r2", true), ("val_log_loss", false), ("val_rmse", false), ("loss", false)]
    {
        assert_eq!(more_is_better(name), Some(up), "{name}");
    }
}

#[test]
fn what_cannot_be_watched_is_refused_with_what_can() {
    let read = |monitor: &str| settings(&format!("[early_stopping]\nmonitor = \"{monitor}\""));
    let message = read("val_f2").unwrap_err().to_string();
    assert!(message.contains("did you mean \"val_f1\"?") && message.contains("val_roc_auc"), "{message}");
    let message = read("f1").unwrap_err().to_string();
    assert!(message.contains("expected \"val_f1\""), "{message}");
    let plateau = settings("[schedule]\nname = \"plateau\"\nmonitor = \"val_f2\"").unwrap_err().to_string();
    assert!(plateau.contains("[schedule]") && plateau.contains("did you mean \"val_f1\"?"), "{plateau}");
    let check = |monitor: &str, interface: &Interface, held_out: bool| {
        check_monitors(&read(monitor).unwrap(), interface, held_out).map_err(|e| e.to_string())
    };
    let values = Interface { task: Task::Regression, ..interface(1) };
    let message = check("val_f1", &values, true).unwrap_err();
    assert!(message.contains("which a regression does not have") && message.contains("val_r2"), "{message}");
    let message = check("val_f1", &interface(2), false).unwrap_err();
    assert!(message.contains("without a validation set") && message.contains("val_accuracy"), "{message}");
    let message = check("val_bias", &values, true).unwrap_err();
    assert!(message.contains("mode = \"min\" or \"max\""), "{message}");
    for (monitor, interface, held_out) in
        [("val_loss", &values, false), ("val_accuracy", &interface(2), false), ("val_top_2", &interface(3), true)]
    {
        check(monitor, interface, held_out).unwrap();
    }
}

#[derive(Default)]
struct Epochs(Vec<Epoch>);

impl Progress for Epochs {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<Scores>) {}
    fn end(&mut self, epoch: &Epoch) -> Result<()> {
        self.0.push(epoch.clone());
        Ok(())
    }
}

/// Points of two classes that overlap.
fn points(n: usize, seed: u32, label: impl Fn(f32) -> u32) -> Dataset {
    let mut r = crate::tensor::random::Random::new(seed, 0);
    let x: Vec<f32> = (0..3 * n).map(|_| r.normal()).collect();
    let labels = x.chunks(3).map(|x| label(x[0] + 0.7 * r.normal())).collect();
    let names = ["no", "yes"].map(String::from).to_vec();
    let targets = Targets::Classes { labels, names };
    Dataset { name: "points".into(), shape: vec![3], samples: Samples::Floats(x.into()), targets, origin: Default::default() }
}

fn session(train: &Dataset) -> Session {
    let interface = Interface::of(train, Normal::learn(train, Default::default()));
    let description = Description::parse("[[layer]]\ntype = \"Dense\"\nunits = \"classes\"").unwrap();
    let model = model_for(description, &[3], &interface).unwrap();
    Session::new(Device::Cpu, model, interface, Weights::new(0)).unwrap()
}

#[test]
fn an_epochs_figures_are_those_of_its_weights_and_change_none() {
    let label = |x: f32| u32::from(x > 0.5);
    let (train, val) = (points(90, 1, label), points(40, 2, label));
    for ema in ["", "ema = 0.9"] {
        let run = |stopping: &str| {
            let text = format!(
                "[train]\nepochs = 5\nbatch_size = 16\n{ema}\n[optimizer]\nname = \"adam\"\nlr = 0.05\n{stopping}"
            );
            let (mut session, mut epochs) = (session(&train), Epochs::default());
            fit(&mut session, &train, Some(&val), &settings(&text).unwrap(), &mut epochs).unwrap();
            (session, epochs.0)
        };
        let (mut watched, epochs) =
            run("[early_stopping]\nmonitor = \"val_f1\"\npatience = 9\n[schedule]\nname = \"plateau\"\nmonitor = \
             \"val_roc_auc\"\npatience = 99");
        let (mut plain, others) = run("[schedule]\nname = \"plateau\"\npatience = 99");
        let state = |session: &mut Session| session.raw_state().unwrap();
        assert_eq!(state(&mut watched), state(&mut plain), "looking changes nothing");
        assert!(others.iter().all(|e| e.val.as_ref().unwrap().figures.is_empty() && e.positive_class.is_none()));
        let last = epochs.last().unwrap();
        assert_eq!(last.positive_class.as_deref(), Some("yes"));
        let scores = last.val.clone().unwrap();
        let rated = watched.rate(Held::from(&val), &scores, Detail::Everything).unwrap().metrics.by_key();
        for key in ["f1", "roc_auc"] {
            assert_eq!(scores.get(key), Some(rated[key]), "{key}");
            assert_eq!(last.monitored(&format!("val_{key}")), Some(rated[key]));
        }
        let seen: Vec<f64> = epochs.iter().filter_map(|e| e.monitored("val_f1")).collect();
        assert!(seen.len() == 5 && seen.iter().any(|f| *f != seen[0]), "{seen:?}");
        assert!(last.to_string().contains("val_f1") && last.to_string().contains("(of \"yes\")"), "{last}");
    }
}

#[test]
fn what_is_undefined_is_refused_before_the_first_epoch() {
    let (train, val) = (points(60, 1, |x| u32::from(x > 0.0)), points(20, 2, |_| 1));
    let settings = settings("[early_stopping]\nmonitor = \"val_roc_auc\"").unwrap();
    let (mut session, mut epochs) = (session(&train), Epochs::default());
    let error = fit(&mut session, &train, Some(&val), &settings, &mut epochs).unwrap_err();
    assert_eq!((error.kind(), epochs.0.len()), (Kind::Data, 0));
    let message = error.to_string();
    assert!(message.contains("val_roc_auc") && message.contains("Every sample is of class \"yes\""), "{message}");
}
