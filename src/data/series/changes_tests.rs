use super::tests::{days, fails, floats, made, noise, options, table, values};
use super::*;

#[test]
fn what_a_forecast_is_the_change_from_is_chosen_on_the_training_rows() {
    // Numbers that, unlike those of `noise`, have nothing to do with one another.
    let white = |i: usize| {
        let mut x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(12_345);
        for _ in 0..2 {
            x = (x ^ (x >> 16)).wrapping_mul(0x045d_9f3b);
        }
        f64::from(x ^ (x >> 16)) / f64::from(1u32 << 31) - 1.0
    };
    let auto = SeriesOptions { difference: Difference::Auto, ..options(8, 1) };
    let chosen = |value: &dyn Fn(usize) -> f64, season: Season| {
        let rows: Vec<Vec<f64>> = (0..150).map(|i| vec![value(i)]).collect();
        let p = made(&days(&rows), &SeriesOptions { season, ..auto.clone() }).unwrap();
        let note = p.notes.iter().find(|n| n.contains("data.difference")).expect("it is said").clone();
        assert!(note.contains(&p.fitted.kind().shown()), "{note}");
        (p.fitted.kind(), p.fitted.lag)
    };
    // A level that stays, one that wanders off, and a season of 12 that grows, which a window
    // of 8 does not see.
    assert_eq!(chosen(&|i| 50.0 + white(i), Season::None), (Difference::None, None));
    let walk: Vec<f64> = (0..150)
        .scan(0.0, |at, i| {
            *at += 1.0 + white(i);
            Some(*at)
        })
        .collect();
    assert_eq!(chosen(&|i| walk[i], Season::None), (Difference::Last, None));
    let shape = |i: usize| [5.0, -3.0, 8.0, 0.0, -9.0, 2.0, 7.0, -6.0, 1.0, 9.0, -4.0, -8.0][i % 12];
    let seasonal = |i: usize| walk[i] + 20.0 * shape(i);
    assert_eq!(chosen(&seasonal, Season::Rows(12)).1, Some(12));
    assert_eq!(chosen(&seasonal, Season::None).1, None);
    // Rows behind those of training change nothing.
    let later = |i: usize| if i < 90 { walk[i] } else { white(i) };
    assert_eq!(chosen(&later, Season::None).0, Difference::Last);
}

#[test]
fn seasons_that_are_taken_off_come_back() {
    let rows: Vec<Vec<f64>> =
        (0..60).map(|i| vec![noise(i), (i % 4) as f64 * 10.0 + i as f64 + noise(i + 70)]).collect();
    let text = days(&rows);
    for (difference, horizon) in
        [Difference::Season, Difference::Both].into_iter().flat_map(|d| [1, 3, 6].map(|h| (d, h)))
    {
        let o = SeriesOptions { difference, season: Season::Rows(4), ..options(5, horizon) };
        let p = made(&text, &o).unwrap();
        let (test, naive) = (p.test.unwrap(), p.naive.test.unwrap());
        // The first window forecasts row 48 from rows 43 to 47, each beside that four before.
        let change = |i: usize| rows[i][1] - rows[i - 4][1];
        let from = if difference == Difference::Both { change(47) } else { 0.0 };
        let seen: Vec<f32> = (43..48).map(|i| (change(i) - from) as f32).collect();
        let own: Vec<f32> = floats(&test)[..10].iter().skip(1).step_by(2).copied().collect();
        assert!(own.iter().zip(&seen).all(|(a, b)| (a - b).abs() < 1e-4), "{own:?} {seen:?}");
        assert_eq!(floats(&test)[0], rows[43][0] as f32, "other inputs stay");
        assert!((values(&test)[0] - (change(48) - from) as f32).abs() < 1e-4);
        let mut answers = values(&test).to_vec();
        naive.restore(&mut answers);
        assert!(answers.iter().zip(&naive.truth).all(|(a, b)| (a - b).abs() < 1e-3), "{difference:?} {horizon}");
        // No change at all is what the season alone forecasts.
        let panel = p.fitted.read(&table(&text), false).unwrap();
        let asked = p.fitted.to_forecast(&panel, false).unwrap();
        let mut none = vec![0.0; horizon];
        asked.restore(&mut none);
        let season = |h: usize| rows[60 + h - 1 - 4 * h.div_ceil(4)][1];
        let level = |h: usize| match difference {
            Difference::Both => rows[59][1] - rows[59 - 4 * h.div_ceil(4)][1],
            _ => 0.0,
        };
        assert!((1..=horizon).all(|h| (f64::from(none[h - 1]) - season(h) - level(h)).abs() < 1e-3), "{none:?}");
        // Every row of the test is forecast, and none of training lacks its season.
        assert_eq!(naive.windows, 12 + 1 - horizon);
        assert_eq!(p.train.len(), 36 + 1 - horizon - p.fitted.reach());
    }
    let short = made(&text, &SeriesOptions { difference: Difference::Both, season: Season::Rows(30), ..options(8, 1) });
    assert!(short.unwrap_err().to_string().contains("36 training rows; expected at least 39"));
    let none = SeriesOptions { difference: Difference::Season, season: Season::None, ..options(5, 1) };
    fails(&text, &none, &["difference = \"season\"", "no season was found", "season"]);
}

#[test]
fn a_season_is_found_behind_growth() {
    // Growth that is no straight line hides quarters from the values.
    let shape = [1.0, 1.05, 1.15, 0.85];
    let rows: Vec<Vec<f64>> = (0..100).map(|i| vec![1.08f64.powi(i) * shape[i as usize % 4]]).collect();
    let p = made(&days(&rows), &options(8, 1)).unwrap();
    assert_eq!(p.fitted.season, Some(4));
}
