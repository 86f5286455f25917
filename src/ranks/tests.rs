use super::*;
use crate::tensor::random::{Random, stream};
use std::thread::scope;

/// Runs each rank on a thread and gives what each has found.
fn on<R: Send>(n: usize, run: impl Fn(&dyn Collective) -> R + Sync) -> Vec<R> {
    let run = &run;
    scope(|scope| {
        let started: Vec<_> = Threads::ranks(n).into_iter().map(|t| scope.spawn(move || run(&t))).collect();
        started.into_iter().map(|t| t.join().expect("no panic")).collect()
    })
}

/// Numbers of very different sizes, whose sum depends on the order.
fn numbers(rank: usize, n: usize) -> Vec<f32> {
    let mut r = Random::new(rank as u32, stream::CASES);
    (0..n).map(|_| r.normal() * 10f32.powi(r.below(12) as i32 - 6)).collect()
}

/// Lengths of parts: odd ones, and empty ones at either end.
fn lengths(ranks: usize) -> Vec<Vec<usize>> {
    let odd = |r: usize| 2 * r + 1;
    vec![
        (0..ranks).map(odd).collect(),
        (0..ranks).map(|r| if r == 0 { 0 } else { 100_001 }).collect(),
        (0..ranks).map(|r| if r + 1 == ranks { 0 } else { 7 }).collect(),
        vec![0; ranks],
    ]
}

#[test]
fn sums_are_those_of_the_tree_over_the_ranks() {
    for ranks in 1..=5 {
        for lengths in lengths(ranks) {
            for present in 1..=ranks {
                let total = lengths.iter().sum();
                let wanted = tree::sum((0..present).map(|r| numbers(r, total)).collect());
                let found =
                    on(ranks, |c| c.reduce_scatter(&numbers(c.rank(), total), &lengths, present).expect("summed"));
                let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found.concat()), bits(&wanted), "{present} of {ranks} ranks, {lengths:?}");
            }
        }
    }
}

#[test]
fn parts_come_to_their_places() {
    for ranks in 1..=4 {
        for lengths in lengths(ranks) {
            let found = on(ranks, |c| {
                let mut all = vec![-1.0; lengths.iter().sum()];
                all[part(&lengths, c.rank())].fill(c.rank() as f32);
                c.all_gather(&mut all, &lengths).expect("gathered");
                let pieces = c.all_to_all(&all, &lengths).expect("sent");
                assert!(pieces.iter().all(|p| *p == vec![c.rank() as f32; lengths[c.rank()]]));
                all
            });
            let wanted: Vec<f32> = (0..ranks).flat_map(|r| vec![r as f32; lengths[r]]).collect();
            assert!(found.iter().all(|all| *all == wanted), "{lengths:?}");
        }
    }
}

#[test]
fn bytes_of_any_length_reach_all() {
    for ranks in 1..=4 {
        let found = on(ranks, |c| {
            c.barrier().expect("all came");
            let gathered = c.gather(&vec![c.rank() as u8; c.rank()]).expect("gathered");
            let mut bytes = vec![c.rank() as u8; 3];
            c.broadcast(ranks - 1, &mut bytes).expect("sent");
            (gathered, bytes)
        });
        let wanted: Vec<Vec<u8>> = (0..ranks).map(|r| vec![r as u8; r]).collect();
        assert!(found.iter().all(|(gathered, bytes)| *gathered == wanted && *bytes == [ranks as u8 - 1; 3]));
    }
}

#[test]
fn many_operations_in_a_row_stay_in_step() {
    let found = on(3, |c| {
        (0..500u32).map(|i| c.gather(&i.to_le_bytes()).expect("gathered").concat()).all(|all| all[..4] == all[8..])
    });
    assert_eq!(found, [true; 3]);
}

#[test]
fn a_rank_that_fails_or_ends_ends_all() {
    let failed = on(3, |c| match c.rank() {
        1 => {
            c.fail("the disk is full");
            String::new()
        }
        _ => c.barrier().expect_err("rank 1 does not come").to_string(),
    });
    assert_eq!(failed[0], "rank 1 failed: the disk is full");
    assert_eq!(failed[0], failed[2]);
    // One that is gone without a word.
    let ended = on(3, |c| match c.rank() {
        2 => String::new(),
        _ => c.gather(&[]).and_then(|_| c.gather(&[])).expect_err("rank 2 does not come").to_string(),
    });
    assert!(ended[0].contains("rank 2 has ended") || ended[0].contains("rank 1 has ended"), "{ended:?}");
}

#[test]
fn ranks_that_do_not_do_the_same_are_told() {
    let found = on(2, |c| match c.rank() {
        0 => c.barrier().map_err(|e| e.to_string()),
        _ => c.gather(&[]).map(drop).map_err(|e| e.to_string()),
    });
    assert_eq!(found[0], Err("rank 0 came to barrier and rank 1 to gather: ranks have to do the same".into()));
    assert!(found[1].is_err());
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for lengths in [vec![], vec![3], vec![1, 1], vec![usize::MAX, 4]] {
        let e = Alone.all_to_all(&[0.0, 1.0], &lengths).expect_err("they do not fit").to_string();
        assert!(e.contains("expected one length per rank"), "{e}");
        assert!(Alone.all_gather(&mut [0.0, 1.0], &lengths).is_err());
    }
    assert_eq!(Alone.reduce_scatter(&[0.5, 1.0], &[2], 1).unwrap(), [0.5, 1.0]);
}
