use super::*;
use crate::data::{IGNORED, Normal, Samples, Targets};
use crate::nn::Description;
use crate::train::model_for;

#[test]
fn a_set_of_too_few_numbers_is_refused_and_breaks_nothing() {
    let set = |n: usize| {
        let targets = Targets::Values { values: vec![1.0, 2.0], names: vec!["y".into()] };
        Dataset {
            name: "set".into(),
            shape: vec![3],
            samples: Samples::Floats(vec![0.5; n].into()),
            targets,
            origin: Default::default(),
        }
    };
    let interface = Interface::of(&set(6), Normal::learn(&set(6), Default::default()));
    let description = Description::parse("[[layer]]\ntype = \"Dense\"\nunits = \"classes\"").unwrap();
    let model = model_for(description, &[3], &interface).unwrap();
    let mut session = Session::new(Device::Cpu, model, interface, Weights::new(0)).unwrap();
    for n in [0, 5, 7] {
        let set = set(n);
        let errors = [
            session.prepare_training(&set, &Settings::default()).unwrap_err(),
            session.scorer("test", &set, 2).err().unwrap(),
            session.predict(&set).unwrap_err(),
        ];
        let expected = format!("set: {n} elements for 2 samples of shape [3]; expected 6");
        errors.iter().for_each(|e| assert_eq!(e.to_string(), expected));
    }
    assert_eq!(session.predict(&set(6)).unwrap().len(), 2);
}

#[test]
fn positions_without_a_target_are_scored_nowhere_and_not_trained_on() {
    let all = [1, 2, 0, 2, 1, 0, 1, 1];
    let set = |labels: [u32; 8]| Dataset {
        name: "text".into(),
        shape: vec![4],
        samples: Samples::Tokens(vec![0, 1, 2, 0, 2, 1, 0, 1].into()),
        targets: Targets::Sequence {
            labels: labels.to_vec().into(),
            positions: 4,
            names: ["a", "b", "c"].map(String::from).to_vec(),
        },
        origin: Default::default(),
    };
    let interface = Interface::of(&set(all), Normal::default());
    let text = "[[layer]]\ntype = \"Embedding\"\noutput_dim = 4\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"";
    let model = model_for(Description::parse(text).unwrap(), &[4], &interface).unwrap().with_vocabulary(Some(3));
    let mut session = Session::new(Device::Cpu, model, interface, Weights::new(3)).unwrap();
    let answers = session.predict(&set(all)).unwrap();
    for left_out in [&[][..], &[0], &[3, 4], &[1, 2, 3, 5, 6, 7]] {
        let mut labels = all;
        left_out.iter().for_each(|&i: &usize| labels[i] = IGNORED);
        let set = set(labels);
        let scored: Vec<(usize, usize)> =
            (0..8).filter(|i| !left_out.contains(i)).map(|i| (i, labels[i] as usize)).collect();
        let row = |i: usize| &answers[3 * i..3 * i + 3];
        let mean = |f: &dyn Fn(usize, usize) -> f64| {
            scored.iter().map(|&(i, label)| f(i, label)).sum::<f64>() / scored.len() as f64
        };
        let loss = mean(&|i, label| -f64::from(row(i)[label]).ln());
        let accuracy = mean(&|i, label| f64::from(u8::from(row(i).iter().all(|p| *p <= row(i)[label]))));
        for batch in [1, 2] {
            let scorer = session.scorer("test", &set, batch).unwrap();
            let scores = session.score(&scorer).unwrap();
            assert!((scores.loss - loss).abs() < 1e-6, "{left_out:?}: {} {loss}", scores.loss);
            assert!((scores.accuracy.unwrap() - accuracy).abs() < 1e-6, "{left_out:?}: {scores:?} {accuracy}");
        }
        let trained = session.prepare_training(&set, &Settings::default()).map_err(|e| e.to_string());
        match left_out.is_empty() {
            true => assert_eq!(trained, Ok(())),
            false => assert!(trained.unwrap_err().contains("text: some positions have no target")),
        }
    }
}
