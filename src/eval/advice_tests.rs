use super::*;
use crate::tensor::random::{Random, stream};

/// A run with these losses; accuracies follow where they are given.
fn run(n: usize, train: impl Fn(f64) -> f64, val: Option<&dyn Fn(f64) -> f64>, noise: f64) -> Vec<EpochRecord> {
    let mut r = Random::new(n as u32, stream::CASES);
    let mut noisy = |v: f64| v * (1.0 + noise * f64::from(r.normal()));
    (1..=n)
        .map(|epoch| {
            let e = epoch as f64;
            EpochRecord {
                epoch,
                train: EpochScores::new(noisy(train(e))).with("accuracy", 0.95),
                val: val.map(|v| EpochScores::new(noisy(v(e))).with("accuracy", 0.93)),
                lr: Some(0.001),
                ..EpochRecord::default()
            }
        })
        .collect()
}

fn falling(e: f64) -> f64 {
    0.1 + 2.0 * (-e / 4.0).exp()
}

#[test]
fn a_rising_validation_loss_is_overfitting() {
    let rising = |e: f64| 0.3 + 2.0 * (-e / 3.0).exp() + 0.02 * (e - 7.0).max(0.0);
    for noise in [0.0, 0.02] {
        let said = advise(&run(20, falling, Some(&rising), noise));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("Overfitting: the validation loss rises since epoch "), "{said:?}");
        assert!(said[0].contains("stop at epoch "), "{said:?}");
    }
}

#[test]
fn noise_is_not_overfitting() {
    // Level within noise, at many seeds and lengths.
    let level = |e: f64| 0.3 + 2.0 * (-e / 2.0).exp();
    for n in 12..60 {
        let said = advise(&run(n, |e| level(e) * 0.95, Some(&level), 0.03));
        assert!(!said.iter().any(|s| s.starts_with("Overfitting") || s.starts_with("Unstable")), "{n}: {said:?}");
    }
}

#[test]
fn a_loss_that_falls_asks_for_more() {
    let said = advise(&run(6, |e| 2.0 - 0.2 * e, Some(&|e| 2.05 - 0.2 * e), 0.0));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("Still improving: the validation loss was falling at the end (1.25 -> 0.850"),
        "{said:?}"
    );
    assert!(advise(&run(3, |e| 2.0 / e, None, 0.0))[0].contains("training loss was falling"));
}

#[test]
fn jumps_are_unstable() {
    let jumping = |e: f64| if (e as usize).is_multiple_of(3) { 1.5 } else { 0.5 };
    let said = advise(&run(12, jumping, Some(&jumping), 0.0));
    assert!(said[0].starts_with("Unstable: the training loss jumps (0.500 -> 1.50 in epoch "), "{said:?}");
    assert!(said[0].contains("4 times in all") && said[0].contains("(0.00100 then)"), "{said:?}");
    let mut broken = run(4, falling, None, 0.0);
    broken[2].train = EpochScores::new(f64::NAN);
    assert!(advise(&broken)[0].contains("not a finite number in epoch 3"));
}

#[test]
fn a_loss_that_never_falls_is_underfitting() {
    let mut epochs = run(12, |e| 2.2 + 0.05 / e, Some(&|e| 2.25 + 0.05 / e), 0.002);
    for e in &mut epochs {
        e.train = e.train.clone().with("accuracy", 0.2);
        e.val = e.val.clone().map(|v| v.with("accuracy", 0.19));
    }
    let said = advise(&epochs);
    assert!(said[0].starts_with("Underfitting") && said[0].contains("an accuracy of 20.0 %"), "{said:?}");
}

#[test]
fn a_long_level_stretch_is_a_plateau() {
    let level = |e: f64| 0.3 + 2.0 * (-e).exp();
    let said = advise(&run(30, level, Some(&level), 0.0));
    assert!(said[0].starts_with("Plateau: the validation loss has stayed at 0.300 since epoch "), "{said:?}");
    assert!(said[0].contains("let the learning rate fall"), "{said:?}");
}

#[test]
fn ten_steps_are_no_plateau() {
    let level = |e: f64| 0.3 + 2.0 * (-e).exp();
    let of = |steps: u64| {
        let mut epochs = run(30, level, Some(&level), 0.0);
        (1..).zip(&mut epochs).for_each(|(i, e)| e.step = i * steps / 30);
        advise(&epochs)
    };
    assert!(of(30)[0].starts_with("Only 30 steps: too few") && of(30)[0].contains("--epochs"), "{:?}", of(30));
    assert!(of(300)[0].starts_with("Plateau"), "{:?}", of(300));
}

#[test]
fn validation_below_training_is_explained() {
    let said = advise(&run(20, |e| falling(e) * 1.5, Some(&falling), 0.01));
    assert!(said.iter().any(|s| s.contains("is below the training loss") && s.contains("dropout")), "{said:?}");
}

#[test]
fn memorising_shows_in_accuracy() {
    let mut epochs = run(10, |e| 0.02 + (-e).exp(), Some(&|e| 0.9 + (-e).exp()), 0.0);
    for e in &mut epochs {
        e.train = e.train.clone().with("accuracy", 0.999);
        e.val = e.val.clone().map(|v| v.with("accuracy", 0.75));
    }
    let said = advise(&epochs);
    assert!(said[0].starts_with("A gap: accuracy is 99.9 % on training data and 75.0 %"), "{said:?}");
}

#[test]
fn few_epochs_are_no_curve() {
    assert_eq!(advise(&[]), ["No epochs: too few to judge the curves."]);
    assert_eq!(advise(&run(2, falling, None, 0.0)), ["Only 2 epochs: too few to judge the curves."]);
}
