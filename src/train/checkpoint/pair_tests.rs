use super::*;
use crate::data::{Dataset, Interface, Normal, Samples, Targets};
use crate::nn::Weights;
use crate::tensor::HostTensor;
use crate::train::checkpoint::{About, Progressed, encode, encode_model};
use std::collections::{BTreeMap, HashMap};

/// A model with attention, whose names were others once.
const MODEL_TEXT: &str =
    "[[layer]]\ntype = \"TransformerBlock\"\nheads = 1\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

fn about(step: usize) -> About {
    let set = Dataset {
        name: "set".into(),
        shape: vec![2, 2],
        samples: Samples::Floats(vec![0.5; 8].into()),
        targets: Targets::Classes { labels: vec![0, 1], names: ["a", "b"].map(String::from).to_vec() },
        origin: Default::default(),
    };
    let interface = Interface::of(&set, Normal { scale: vec![1.0; 2], shift: vec![0.0; 2] });
    let progress = Some(Progressed { step, ..Progressed::default() });
    About { model: MODEL_TEXT.into(), input: vec![2, 2], interface, config: String::new(), progress, moment: None }
}

fn filled(value: usize) -> HostTensor {
    HostTensor::f32([3], vec![value as f32; 3])
}

fn weights(value: usize) -> Weights {
    let mut weights = Weights::new(0);
    weights.set("dense1.weight", filled(value));
    weights
}

/// The checkpoint after so many steps.
fn after(step: usize) -> Files {
    encode(&weights(step), &BTreeMap::from([("adam.m".to_string(), filled(step))]), &about(step)).unwrap()
}

/// The step of the weights and that of the state, which must be one.
fn stands(folder: &Path) -> usize {
    let loaded = load(&folder.join(MODEL)).unwrap();
    let step = loaded.about.progress.unwrap().step;
    assert_eq!(
        (&**loaded.weights.get("dense1.weight").unwrap(), &loaded.state["adam.m"]),
        (&filled(step), &filled(step))
    );
    step
}

/// A folder with checkpoint 1, in which 2 has been written up to a step.
fn cut_after(steps: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    after(1).write(folder.path()).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    if steps >= 1 {
        put(NEXT, &after(2).training);
    }
    if steps >= 2 {
        put(MODEL, &after(2).model);
    }
    if steps >= 3 {
        complete(folder.path()).unwrap();
    }
    folder
}

#[test]
fn wherever_writing_ends_a_pair_is_left_and_the_next_one_is_written() {
    for (steps, wanted) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        let folder = cut_after(steps);
        assert_eq!(stands(folder.path()), wanted, "after step {steps}");
        // A reader who comes while the next is being written, too.
        for more in 0..3 {
            let folder = cut_after(steps);
            settle(folder.path()).unwrap();
            std::fs::write(folder.path().join(NEXT), &after(3).training).unwrap();
            if more > 0 {
                std::fs::write(folder.path().join(MODEL), &after(3).model).unwrap();
            }
            if more > 1 {
                complete(folder.path()).unwrap();
            }
            assert_eq!(stands(folder.path()), if more > 0 { 3 } else { wanted }, "after steps {steps} and {more}");
        }
        after(3).write(folder.path()).unwrap();
        assert_eq!(stands(folder.path()), 3);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "something is left over");
        let folder = cut_after(steps);
        let run = folder.path().join("checkpoints");
        std::fs::create_dir(&run).unwrap();
        std::fs::rename(cut_after(steps).keep(), run.join("last")).unwrap();
        std::fs::create_dir(run.join("step-00000009")).unwrap();
        std::fs::write(run.join("step-00000009").join(NEXT), &after(9).training).unwrap();
        remove_unfinished(&run).unwrap();
        assert_eq!((stands(&run.join("last")), std::fs::read_dir(run.join("last")).unwrap().count()), (wanted, 2));
        assert!(!run.join("step-00000009").exists(), "a checkpoint without a model is left over");
    }
}

#[test]
fn a_model_that_cannot_be_written_leaves_the_checkpoint_before() {
    let folder = tempfile::tempdir().unwrap();
    after(1).write(folder.path()).unwrap();
    let kept = std::fs::read(folder.path().join(TRAINING)).unwrap();
    std::fs::remove_file(folder.path().join(MODEL)).unwrap();
    std::fs::create_dir(folder.path().join(MODEL)).unwrap();
    let message = after(2).write(folder.path()).unwrap_err().to_string();
    assert!(message.contains("writing") && message.contains(MODEL), "{message}");
    assert!(!folder.path().join(NEXT).exists());
    assert_eq!(std::fs::read(folder.path().join(TRAINING)).unwrap(), kept);
}

#[test]
fn two_files_of_different_moments_are_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join(MODEL);
    let message = |folder: &Path| load(&folder.join(MODEL)).unwrap_err().to_string();
    after(1).write(folder.path()).unwrap();
    std::fs::write(folder.path().join(TRAINING), after(2).training).unwrap();
    let found = message(folder.path());
    assert!(found.contains("is of another moment of training") && found.contains("--init"), "{found}");
    // The weights alone are what they are.
    assert_eq!(**load_model(&model).unwrap().weights.get("dense1.weight").unwrap(), filled(1));
    std::fs::write(folder.path().join(TRAINING), &after(1).training[..40]).unwrap();
    let found = message(folder.path());
    assert!(found.contains("training.safetensors is not a usable checkpoint"), "{found}");
    std::fs::remove_file(folder.path().join(TRAINING)).unwrap();
    let found = message(folder.path());
    assert!(found.contains("there is no training.safetensors beside it"), "{found}");
    // What is given as the model and is none.
    std::fs::write(&model, after(1).training).unwrap();
    let found = message(folder.path());
    assert!(found.contains("no weights; expected the model.safetensors beside it"), "{found}");
}

#[test]
fn a_moment_is_that_of_its_content() {
    assert_eq!(after(1), after(1));
    let moment = |files: &Files| {
        let folder = tempfile::tempdir().unwrap();
        files.write(folder.path()).unwrap();
        let of = [MODEL, TRAINING].map(|name| moment(&folder.path().join(name)).unwrap());
        assert_eq!(of[0], of[1]);
        of[0].clone()
    };
    let state = |value| BTreeMap::from([("adam.m".to_string(), filled(value))]);
    let of = |w: usize, s: usize, step: usize| moment(&encode(&weights(w), &state(s), &about(step)).unwrap());
    let all = std::collections::BTreeSet::from([of(1, 1, 1), of(2, 1, 1), of(1, 2, 1), of(1, 1, 2), of(2, 2, 1)]);
    assert_eq!(all.len(), 5);
    // A file of weights alone has none.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    std::fs::write(&file, encode_model(&weights(1), &about(1)).unwrap()).unwrap();
    assert_eq!(super::moment(&file), None);
    assert_eq!(load(&file).unwrap().about.progress, None);
}

#[test]
fn the_model_is_weights_alone_and_the_state_is_without_them() {
    let names = |bytes: &[u8]| -> Vec<String> {
        let all = safetensors::SafeTensors::deserialize(bytes).unwrap();
        all.names().into_iter().map(String::from).collect()
    };
    assert_eq!(names(&after(1).model), ["dense1.weight"]);
    assert_eq!(names(&after(1).training), ["adam.m"]);
}

/// One file with everything, and names that PyTorch does not have.
#[test]
fn checkpoints_of_earlier_versions_load() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints/last.safetensors");
    std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let data: Vec<u8> = filled(7).bytes().to_vec();
    let view = || safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![3], &data).unwrap();
    let names = ["block1.ln_1.weight", "block1.attn.in_proj.bias", "dense1.weight", "train.adam.m"];
    let said = serde_json::to_string(&about(5)).unwrap();
    assert!(!said.contains("moment"), "{said}");
    let metadata = Some(HashMap::from([("wgrad".to_string(), said)]));
    std::fs::write(&file, safetensors::serialize(names.map(|n| (n, view())), metadata).unwrap()).unwrap();
    assert_eq!(find(folder.path(), "last"), Some(file.clone()));
    let loaded = load(&file).unwrap();
    let names: Vec<&str> = loaded.weights.names().collect();
    assert_eq!(names, ["block1.norm1.weight", "block1.self_attn.in_proj_bias", "dense1.weight"]);
    assert_eq!(loaded.state, BTreeMap::from([("adam.m".to_string(), filled(7))]));
    assert_eq!(loaded.about.progress.unwrap().step, 5);
    // A newer one of the same name comes first.
    after(6).write(&folder.path().join("checkpoints/last")).unwrap();
    assert_eq!(find(folder.path(), "last"), Some(folder.path().join(LAST)));
}
