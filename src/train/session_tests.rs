use super::*;
use crate::data::{Normal, Samples, Targets};
use crate::nn::Description;
use crate::train::model_for;

#[test]
fn a_set_of_too_few_numbers_is_refused_and_breaks_nothing() {
    let set = |n: usize| {
        let targets = Targets::Values { values: vec![1.0, 2.0], names: vec!["y".into()] };
        Dataset {
            name: "set".into(),
            shape: vec![3],
            samples: Samples::Floats(vec![0.5; n]),
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
