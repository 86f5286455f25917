//! Which tokens are in which sample.

use super::*;

fn tokens(n: u32) -> Vec<u32> {
    (0..n).collect()
}

#[test]
fn samples_follow_each_other() {
    let w = TokenWindows::new(3, None).unwrap().cut("text", &tokens(11)).unwrap();
    assert_eq!((w.count, w.width, w.left), (3, 4, 1));
    assert_eq!(w.rows, [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9]);
    let w = TokenWindows::new(3, Some(1)).unwrap().cut("text", &tokens(6)).unwrap();
    assert_eq!((w.count, w.left), (3, 0));
    assert_eq!(w.rows, [0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5]);
    let w = TokenWindows::new(1, Some(5)).unwrap().cut("text", &tokens(12)).unwrap();
    assert_eq!((w.rows, w.left), (vec![0, 1, 5, 6, 10, 11], 0));
}

#[test]
fn the_counts_are_those_of_a_count() {
    for context in 1..6 {
        for stride in 1..7 {
            let windows = TokenWindows::new(context, Some(stride)).unwrap();
            for n in 0..40 {
                let starts = (0..n).step_by(stride).filter(|s| s + context < n).count();
                assert_eq!(windows.count(n), starts, "{context} {stride} {n}");
                if let Ok(w) = windows.cut("t", &tokens(n as u32)) {
                    assert_eq!((w.count, w.rows.len()), (starts, starts * (context + 1)));
                    assert_eq!(w.rows.last(), Some(&((n - w.left - 1) as u32)));
                    assert!(w.left < stride);
                }
            }
        }
    }
}

#[test]
fn the_end_is_held_out() {
    let windows = TokenWindows::new(2, None).unwrap();
    let (train, val) = windows.split("text", &tokens(100), 0.1).unwrap();
    let val = val.unwrap();
    assert_eq!((train.rows.iter().max(), val.rows.iter().min()), (Some(&88), Some(&90)));
    assert_eq!((train.count, val.count), (44, 4));
    assert_eq!(windows.split("text", &tokens(100), 0.0).unwrap().1, None);
    // As nanoGPT cuts tiny Shakespeare.
    assert_eq!((1_115_394f64 * (1.0 - 0.1)) as usize, 1_003_854);
}

#[test]
fn too_few_tokens_say_how_many_are_needed() {
    let windows = TokenWindows::new(8, None).unwrap();
    let message = |r: Result<(Windows, Option<Windows>)>| r.unwrap_err().to_string();
    assert!(windows.cut("text", &tokens(9)).is_ok());
    let text = windows.cut("text", &tokens(8)).unwrap_err().to_string();
    assert!(text.contains("text holds 8 tokens; expected at least 9, a context of 8 and"), "{text}");
    let text = message(windows.split("text", &tokens(50), 0.1));
    assert!(
        text.contains("the validation part of text (10.0 % of 50 tokens) holds 5 tokens; expected at least 9"),
        "{text}"
    );
    let text = message(windows.split("text", &tokens(10), 0.9));
    assert!(text.contains("the training part of text") && text.contains("1 token;"), "{text}");
    for share in [1.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(message(windows.split("text", &tokens(50), share)).contains("from 0, below 1"));
    }
    for (context, stride) in [(0, None), (4, Some(0)), (usize::MAX, None)] {
        assert!(TokenWindows::new(context, stride).unwrap_err().to_string().contains("expected a number of tokens"));
    }
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let all = tokens(300_000);
    let text = TokenWindows::new(100_000, Some(1)).unwrap().cut("text", &all).unwrap_err().to_string();
    assert!(text.contains("200000 samples of 100001 tokens take 74.5 GiB, more than the budget of"), "{text}");
}
