//! One answer at a time, as a server is asked: the time of a call, and of the program
//! alone that it runs.
//!
//!     cargo bench --bench predict -- [MODEL] [DEVICE] [CxHxW] [ROWS]

use std::time::Instant;
use wgrad::data::{Interface, Samples};
use wgrad::device::Device;
use wgrad::nn::{Description, Model, Weights};
use wgrad::train::Session;

/// Calls per round, and rounds: the median round counts.
const CALLS: usize = 500;
const ROUNDS: usize = 9;

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let shape: Vec<usize> = arg(2, "1x28x28").split('x').map(|n| n.parse().expect("CxHxW")).collect();
    let rows: usize = arg(3, "1").parse().expect("ROWS is a number");
    let name = arg(0, "mlp");
    let model = Model::new(Description::named(&name)?, Some(shape.clone().into()), Some(10))?;
    let classes = (0..10).map(|i| i.to_string()).collect();
    let interface = Interface::of_images(classes, &vec![(0.5, 0.25); shape[0]]);
    let device = Device::open(&arg(1, "cpu"))?;
    let mut session = Session::new(device.clone(), model, interface, Weights::new(1))?;
    let samples = Samples::Bytes(vec![100; rows * shape.iter().product::<usize>()].into());
    let (mut calls, mut programs) = (vec![], vec![]);
    for round in 0..ROUNDS + 1 {
        let begun = Instant::now();
        for _ in 0..CALLS {
            session.predict_samples(&samples, &shape)?;
        }
        let call = begun.elapsed().as_secs_f64() / CALLS as f64;
        let timeline = session.time_prediction(&samples, &shape, CALLS)?;
        let alone = timeline.runs.iter().map(|r| r.wall()).sum::<f64>() / CALLS as f64 / 1e9;
        // The first round warms up.
        if round > 0 {
            calls.push(call);
            programs.push(alone);
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (call, alone) = (median(&mut calls), median(&mut programs));
    println!(
        "{name}, {rows} row(s) on {}: {:.1} us a call, {:.1} us its program, ratio {:.2}",
        device.info().name,
        1e6 * call,
        1e6 * alone,
        call / alone
    );
    Ok(())
}
