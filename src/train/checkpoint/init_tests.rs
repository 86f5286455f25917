use super::*;
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// A tensor of a file: name, type, shape, bytes.
type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn model() -> Model {
    let text = "input = [4]\n[[layer]]\ntype = \"Dense\"\nunits = 3\n[[layer]]\ntype = \"BatchNormalization\"\n\
                [[layer]]\ntype = \"Dense\"\nname = \"head\"\nunits = 2\n";
    Model::new(Description::parse(text).unwrap(), None, None).unwrap()
}

fn f32s(name: &'static str, shape: &[usize], value: f32) -> Tensor {
    (name, Dtype::F32, shape.to_vec(), value.to_le_bytes().repeat(shape.iter().product()))
}

fn saved(tensors: &[Tensor]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(MODEL);
    let view = |(name, dtype, shape, bytes): &'_ Tensor| (*name, *dtype, shape.clone(), bytes.clone());
    let kept: Vec<_> = tensors.iter().map(view).collect();
    let views = kept.iter().map(|(n, d, s, b)| (*n, TensorView::new(*d, s.clone(), b).unwrap()));
    std::fs::write(&file, safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()).unwrap();
    (folder, file)
}

fn of(tensors: &[Tensor], map: &str) -> Result<Initial> {
    let (_folder, file) = saved(tensors);
    let map = if map.is_empty() { NameMap::default() } else { NameMap::parse(map).unwrap() };
    initial(&model(), &file, &map, 3)
}

fn message(tensors: &[Tensor], map: &str) -> String {
    of(tensors, map).unwrap_err().to_string()
}

#[test]
fn floats_of_every_width_are_read() {
    let half = f16::from_f32(0.75).to_le_bytes();
    let brain = bf16::from_f32(0.75).to_le_bytes();
    for (dtype, bytes) in [
        (Dtype::F32, 0.75f32.to_le_bytes().to_vec()),
        (Dtype::F16, half.to_vec()),
        (Dtype::BF16, brain.to_vec()),
        (Dtype::F64, 0.75f64.to_le_bytes().to_vec()),
    ] {
        let found = of(&[("head.bias", dtype, vec![2], bytes.repeat(2))], "").unwrap();
        assert_eq!(found.weights.get("head.bias").unwrap().as_f32(), [0.75, 0.75], "{dtype:?}");
        assert_eq!(found.matches.matched, [["head.bias".to_string(), "head.bias".into(), format!("{dtype:?}")]]);
        // The rest is what the seed draws.
        let mut drawn = Weights::new(3);
        model().inspect(1, &mut drawn).unwrap();
        assert_eq!(found.weights.get("dense1.weight"), drawn.get("dense1.weight"));
        assert_eq!(found.weights.names().count(), drawn.names().count());
    }
}

#[test]
fn the_table_says_what_became_of_each_tensor() {
    let tensors = [
        f32s("net.dense1.weight", &[3, 4], 1.0),
        f32s("net.bn1.running_var", &[3], 2.0),
        f32s("net.head.weight", &[10, 3], 1.0),
        ("net.bn1.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]),
        ("net.head.bias", Dtype::I8, vec![2], vec![0; 2]),
        f32s("other\u{1b}[2J.weight", &[5], f32::NAN),
    ];
    let found = of(&tensors, "net.=").unwrap();
    assert_eq!(found.weights.get("bn1.running_var").unwrap().as_f32(), [2.0; 3]);
    let table = found.matches.to_string();
    for row in [
        "2 of 8 tensors matched, 6 drawn anew, 2 of the file left over",
        "dense1.weight    F32  from net.dense1.weight",
        "head.bias    [2] I8 in the file, [2] of floats here  from net.head.bias",
        "head.weight  [10, 3] F32 in the file, [2, 3] of floats here  from net.head.weight",
        "missing in the file, drawn anew:\n    bn1.bias",
        "left over in the file:\n    net.bn1.num_batches_tracked",
        "[] I64",
        "other\\u{1b}[2J.weight",
    ] {
        assert!(table.contains(row), "{row:?} is missing in\n{table}");
    }
    assert!(!table.contains("more would match"), "{table}");
    // As it would be without the map: one that is better is proposed.
    let found = of(&[&tensors[..], &[f32s("head.bias", &[2], 0.0)]].concat(), "").unwrap().matches;
    assert_eq!((found.matched.len(), found.hint.as_deref()), (1, Some("net.=")));
    assert!(found.to_string().ends_with("more would match with --init-map \"net.=\""));
}

#[test]
fn what_is_of_no_use_is_refused() {
    let found = message(&[f32s("module.head.bias", &[2], 1.0), f32s("x", &[7], 1.0)], "");
    for part in [
        "no weight that this model has too",
        "it holds module.head.bias [2], x [7]; the model has bn1.bias [3], ",
        "and 2 more; try --init-map \"module.=\"",
    ] {
        assert!(found.contains(part), "{found}");
    }
    let found = message(&[f32s("bias", &[2], 1.0)], "");
    assert!(found.contains("--init-map \"=head.\""), "{found}");
    let found = message(&[f32s("head.bias", &[2], f32::NAN)], "");
    assert!(found.contains("\"head.bias\" holds values that are no finite numbers of 32 bits"), "{found}");
    let wide = ("head.bias", Dtype::F64, vec![2], 1e300f64.to_le_bytes().repeat(2));
    assert!(message(&[wide], "").contains("no finite numbers of 32 bits"));
    let twice = [f32s("head.bias", &[2], 1.0), f32s("ema.head.bias", &[2], 1.0)];
    let found = message(&twice, "ema.=");
    assert!(found.contains("\"ema.head.bias\" and \"head.bias\" of") && found.contains("both become"), "{found}");
    let found = message(&twice, "encoder.=");
    assert!(found.contains("--init-map \"encoder.=\": no tensor of") && found.contains("ema.head.bias [2]"), "{found}");
    assert!(message(&[], "").contains("it holds nothing"));
}

#[test]
fn files_of_other_kinds_and_folders_are_told_apart() {
    let (folder, file) = saved(&[f32s("head.bias", &[2], 1.0)]);
    let of = |path: &Path| initial(&model(), path, &NameMap::default(), 0);
    assert_eq!(of(folder.path()).unwrap().matches.matched.len(), 1);
    std::fs::write(&file, b"PK\x03\x04 and so on").unwrap();
    let found = of(&file).unwrap_err().to_string();
    assert!(found.contains("torch.save") && found.contains("save_file"), "{found}");
    std::fs::remove_file(&file).unwrap();
    let found = of(folder.path()).unwrap_err().to_string();
    assert!(found.contains("holds no checkpoints/last/model.safetensors and no model.safetensors"), "{found}");
    assert!(of(&file).unwrap_err().to_string().contains("reading"));
}
