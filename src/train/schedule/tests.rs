//! Unit tests of the schedules: tables, tables of TOML, and mistakes. That the
//! rates are PyTorch's is in `tests/schedules.rs`.

use super::*;

fn read(text: &str) -> Result<Schedule> {
    let mut keys = Keys::new(text.parse().expect("TOML"), "[schedule]");
    let schedule = Schedule::read(&mut keys)?;
    keys.finish()?;
    Ok(schedule)
}

#[test]
fn every_schedule_survives_its_table() {
    for text in [
        "",
        "name = \"linear\"\nend_factor = 0.1\nwarmup_steps = 7",
        "name = \"cosine\"\nmin_lr = 0.001\nwarmup_epochs = 0.5",
        "name = \"cosine\"\nt0 = 3\nt_mult = 2",
        "name = \"step\"\nstep_epochs = 3\ngamma = 0.5",
        "name = \"multi_step\"\nmilestones = [2, 5]",
        "name = \"exponential\"\ngamma = 0.9",
        "name = \"polynomial\"\npower = 2",
        "name = \"one_cycle\"\npct_start = 0.25\nanneal = \"linear\"\ndiv_factor = 10\nthree_phase = true",
        "name = \"inverse_sqrt\"\nwarmup_steps = 4000",
        "name = \"range\"\nlr_min = 1e-6\nlr_max = 1.0",
        "name = \"plateau\"\nmode = \"max\"\npatience = 3\nmonitor = \"val_accuracy\"\nrelative = false\nmin_lr = 1e-5",
    ] {
        let schedule = read(text).expect(text);
        assert_eq!(read(&schedule.to_table().to_string()).expect(text), schedule, "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    let error = |text: &str| read(text).expect_err(text).to_string();
    assert!(error("name = \"cosin\"").contains("did you mean \"cosine\"?"));
    assert!(error("name = \"step\"").contains("\"step_epochs\" is missing"));
    assert!(error("name = \"multi_step\"\nmilestones = [5, 2]").contains("ascending epochs"));
    assert!(error("name = \"multi_step\"").contains("ascending epochs"));
    assert!(error("gamma = 0.5").contains("unknown key \"gamma\""));
    assert!(error("warmup_steps = 3\nwarmup_epochs = 1.0").contains("expected one of them"));
    assert!(error("name = \"range\"\nlr_min = 1\nlr_max = 0.5").contains("lr_min = 1 and lr_max = 0.5"));
    assert!(error("name = \"plateau\"\nmode = \"mix\"").contains("unknown mode \"mix\""));
}

#[test]
fn a_table_holds_every_rate_once_and_is_never_huge() {
    assert_eq!(Schedule::default().table(0.5, usize::MAX / 2, 10), Rates { rates: vec![0.5], stride: 1 });
    let warm = Schedule { warmup: Warmup::Steps(3), ..Schedule::default() };
    assert_eq!(warm.table(0.5, 1000, 10).rates, [0.125, 0.25, 0.375, 0.5]);
    let cosine = Schedule { shape: Shape::Cosine, ..Schedule::default() };
    let Rates { rates, stride } = cosine.table(1.0, 5_000_000, 1000);
    assert_eq!((rates.len(), stride), (1_000_000, 5));
    for at in [0, 1, 4_999, 123_456, 999_999] {
        let exact = cosine.rate(at * stride, 5_000_000, 1000, 1.0);
        assert_eq!(rates[at], exact as f32);
    }
    let steps = read("name = \"step\"\nstep_epochs = 2").expect("valid");
    assert_eq!(steps.table(1.0, 40, 10).rates.len(), 21, "the last of two rates needs one entry");
}

#[test]
fn later_updates_keep_the_last_rate_and_hostile_numbers_do_no_harm() {
    for text in [
        "name = \"cosine\"\nt0 = 9223372036854775807\nt_mult = 9223372036854775807",
        "name = \"step\"\nstep_epochs = 9223372036854775807",
        "name = \"multi_step\"\nmilestones = [9223372036854775807]",
        "name = \"one_cycle\"\npct_start = 1",
        "name = \"one_cycle\"\npct_start = 0",
        "name = \"one_cycle\"\nthree_phase = true",
        "name = \"range\"",
        "name = \"inverse_sqrt\"",
        "warmup_steps = 9223372036854775807",
        "warmup_epochs = 1000000\nname = \"linear\"",
        "name = \"polynomial\"\nmin_lr = 1000",
    ] {
        let schedule = read(text).expect(text);
        for total in [0, 1, 2, 3, 1000] {
            let last = schedule.rate(total.max(1) - 1, total, 7, 0.1);
            assert_eq!(schedule.rate(usize::MAX, total, 7, 0.1), last, "{text}");
            for step in 0..total {
                let rate = schedule.rate(step, total, 0, 0.1);
                assert!(rate.is_finite() && rate >= 0.0, "{text}: {rate} at {step} of {total}");
            }
        }
    }
}

#[test]
fn a_plateau_resumes_from_its_file() {
    let rule = PlateauRule { patience: 1, ..PlateauRule::default() };
    let mut plateau = Plateau::new(rule, "val_loss", 0.1);
    assert_eq!([1.0, 0.9, 0.95].map(|m| plateau.observe(m)), [None; 3]);
    let text = serde_json::to_string(&plateau).expect("it prints");
    let mut again: Plateau = serde_json::from_str(&text).expect("it reads");
    assert_eq!(again, plateau);
    assert_eq!((again.observe(f64::NAN), plateau.observe(0.9)), (Some(0.1), Some(0.1)));
    assert_eq!(again.factor(), 0.1);
}

#[test]
fn a_metrics_name_says_which_way_is_better() {
    let falls = |monitor: &str| {
        let rule = PlateauRule { patience: 0, ..PlateauRule::default() };
        let mut plateau = Plateau::new(rule, monitor, 1.0);
        plateau.observe(1.0);
        plateau.observe(2.0).is_some()
    };
    assert!(falls("val_loss") && falls("val_mae") && !falls("val_accuracy") && !falls("val_f1_macro"));
}
