//! Files of other formats: their structure, what is refused, and what is left behind. Whether
//! other programs compute the same with them, `tests/onnx/*.py` finds out.

use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use wgrad::data::{Interface, Normal};
use wgrad::error::Result;
use wgrad::graph::TensorId;
use wgrad::nn::layers::{Layer, register};
use wgrad::nn::{Build, Description, Model, Table, Weights};
use wgrad::onnx::export::{self, Format, Options};
use wgrad::onnx::proto::tensor_shape_proto::dimension::Value;
use wgrad::onnx::proto::{GraphProto, ModelProto, ValueInfoProto, type_proto};
use wgrad::tensor::Shape;
use wgrad::train::checkpoint::{About, Loaded};

/// A model with drawn weights, as a checkpoint would give it.
fn made(text: &str, input: &[usize], vocabulary: Option<usize>) -> (Model, Loaded) {
    let description = Description::parse(text).unwrap();
    let model =
        Model::new(description, Some(Shape::from(input.to_vec())), Some(3)).unwrap().with_vocabulary(vocabulary);
    let mut weights = Weights::new(1);
    model.inspect(1, &mut weights).unwrap();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let channels = input[0];
    let normal = Normal { scale: vec![0.5; channels], shift: vec![-1.0; channels] };
    let interface = Interface { normal, ..Interface::of_images(classes, &[]) };
    let model_text = toml::to_string(&model.description.to_table()).unwrap();
    let about = About {
        model: model_text,
        input: input.to_vec(),
        interface,
        config: String::new(),
        progress: None,
        moment: None,
    };
    (model, Loaded { weights, about, state: BTreeMap::new() })
}

fn layers(all: &[&str]) -> String {
    all.iter().map(|l| format!("[[layer]]\n{}\n", l.replace("; ", "\n"))).collect()
}

fn cnn() -> (Model, Loaded) {
    let text = layers(&[
        "type = \"Conv2D\"; filters = 4; kernel_size = 3; activation = \"relu\"",
        "type = \"BatchNormalization\"",
        "type = \"Flatten\"",
        "type = \"Dense\"; units = \"classes\"; activation = \"softmax\"",
    ]);
    made(&text, &[1, 6, 6], None)
}

fn text_model() -> (Model, Loaded) {
    let text = layers(&[
        "type = \"Embedding\"; output_dim = 8",
        "type = \"PositionalEmbedding\"",
        "type = \"TransformerBlock\"; heads = 2; causal = true",
        "type = \"LSTM\"; units = 5; return_sequences = true",
        "type = \"Dense\"; units = \"vocabulary\"",
    ]);
    made(&text, &[12], Some(7))
}

fn graph(model: &ModelProto) -> &GraphProto {
    model.graph.as_ref().unwrap()
}

fn ops(model: &ModelProto) -> Vec<&str> {
    graph(model).node.iter().map(|n| n.op_type.as_deref().unwrap()).collect()
}

fn weights(model: &ModelProto) -> BTreeSet<&str> {
    graph(model).initializer.iter().filter_map(|t| t.name.as_deref()).filter(|n| n.contains('.')).collect()
}

/// An input or output, such as `input: batch, 1, 6, 6`.
fn shown(value: &ValueInfoProto) -> String {
    let Some(type_proto::Value::TensorType(of)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        panic!("no tensor: {value:?}")
    };
    let dims = of.shape.iter().flat_map(|s| &s.dim).map(|d| match &d.value {
        Some(Value::DimValue(n)) => n.to_string(),
        Some(Value::DimParam(name)) => name.clone(),
        None => "?".into(),
    });
    format!("{}: {}", value.name.as_deref().unwrap(), dims.collect::<Vec<_>>().join(", "))
}

fn properties(model: &ModelProto) -> BTreeMap<&str, &str> {
    model.metadata_props.iter().map(|p| (p.key.as_deref().unwrap(), p.value.as_deref().unwrap())).collect()
}

fn onnx(of: &(Model, Loaded), opset: i64) -> Result<ModelProto> {
    export::onnx(&of.0, &of.1, &Options { opset, ..Options::default() })
}

#[test]
fn a_graph_has_the_names_of_the_model() {
    let model = onnx(&cnn(), 18).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (Some(10), Some(18)));
    // The softmax at the end is the reader's, as in PyTorch.
    assert_eq!(ops(&model), ["Conv", "Relu", "BatchNormalization", "Flatten", "Gemm"]);
    let names = ["bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.weight", "conv1.bias", "conv1.weight"];
    assert_eq!(weights(&model), BTreeSet::from_iter(names.into_iter().chain(["dense1.bias", "dense1.weight"])));
    let graph = graph(&model);
    assert_eq!(graph.input.iter().map(shown).collect::<Vec<_>>(), ["input: batch, 1, 6, 6"]);
    assert_eq!(graph.output.iter().map(shown).collect::<Vec<_>>(), ["output: batch, 3"]);
    assert_eq!(graph.node[0].name.as_deref(), Some("/conv1/Conv"));
    let said = properties(&model);
    assert_eq!((said["task"], said["output"], said["classes"]), ("classification", "logits", "[\"a\",\"b\",\"c\"]"));
    assert!(said["normalization"].contains("\"scale\":[0.5]") && said["wgrad_version"] == env!("CARGO_PKG_VERSION"));
}

#[test]
fn positions_are_symbolic_where_the_model_allows_it() {
    let old = onnx(&text_model(), 18).unwrap();
    assert_eq!(graph(&old).input.iter().map(shown).collect::<Vec<_>>(), ["input: batch, sequence"]);
    assert_eq!(graph(&old).output.iter().map(shown).collect::<Vec<_>>(), ["output: batch, sequence, 7"]);
    assert!(ops(&old).contains(&"Erf") && ops(&old).contains(&"Softmax") && ops(&old).contains(&"LSTM"));
    assert!(weights(&old).contains("lstm1.weight_ih_l0_iofc"), "{:?}", weights(&old));
    let new = onnx(&text_model(), 23).unwrap();
    assert!(ops(&new).contains(&"Gelu") && ops(&new).contains(&"Attention") && !ops(&new).contains(&"Softmax"));
    // A row of all positions needs all of them.
    let text = layers(&["type = \"Embedding\"; output_dim = 2", "type = \"Flatten\"", "type = \"Dense\"; units = 3"]);
    let flat = onnx(&made(&text, &[12], Some(7)), 18).unwrap();
    assert_eq!(graph(&flat).input.iter().map(shown).collect::<Vec<_>>(), ["input: batch, 12"]);
}

#[test]
fn preprocessing_takes_pictures_and_gives_classes() {
    let (model, loaded) = cnn();
    let options = Options { preprocessing: true, ..Options::default() };
    let made = export::onnx(&model, &loaded, &options).unwrap();
    assert_eq!(graph(&made).input.iter().map(shown).collect::<Vec<_>>(), ["image: batch, 1, height, width"]);
    let outputs: Vec<String> = graph(&made).output.iter().map(shown).collect();
    assert_eq!(outputs, ["probabilities: batch, 3", "label: batch"]);
    assert_eq!((properties(&made)["output"], properties(&made)["preprocessing"]), ("probabilities", "included"));
}

#[test]
fn files_are_whole_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (model, loaded) = cnn();
    let written = export::write(&at("m.onnx"), &model, &loaded, &Options::default()).unwrap();
    assert_eq!(written, [at("m.onnx")]);
    let seen = export::written(&at("m.onnx")).unwrap();
    assert_eq!((seen.inputs, seen.outputs, seen.nodes), (vec!["input".into()], vec!["output".into()], 5));
    // As if its weights were too many for one file.
    let options = Options { large: 100, ..Options::default() };
    let written = export::write(&at("large.onnx"), &model, &loaded, &options).unwrap();
    assert_eq!(written, [at("large.onnx"), at("large.onnx.data")]);
    export::written(&at("large.onnx")).unwrap();
    let large = ModelProto::decode(&std::fs::read(at("large.onnx")).unwrap()[..]).unwrap();
    let dense = graph(&large).initializer.iter().find(|t| t.name.as_deref() == Some("dense1.weight")).unwrap();
    let of =
        |key: &str| dense.external_data.iter().find(|e| e.key.as_deref() == Some(key)).unwrap().value.clone().unwrap();
    let (first, length): (usize, usize) = (of("offset").parse().unwrap(), of("length").parse().unwrap());
    let bytes = std::fs::read(at("large.onnx.data")).unwrap();
    assert_eq!(&bytes[first..first + length], loaded.weights.get("dense1.weight").unwrap().bytes());
    assert_eq!((of("location"), first % 4096), ("large.onnx.data".into(), 0));
    std::fs::write(at("large.onnx.data"), &bytes[..bytes.len() - 1]).unwrap();
    let message = export::written(&at("large.onnx")).unwrap_err().to_string();
    assert!(message.contains("ends beyond") && message.contains("export it again"), "{message}");
    for format in [Format::Safetensors, Format::Pytorch, Format::Keras] {
        let name = format!("{}.{}", format.name(), format.ending());
        export::write_as(format, &at(&name), &model, &loaded, &Options::default()).unwrap();
    }
    let names: BTreeSet<String> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into()).collect();
    let wanted = ["m.onnx", "large.onnx", "large.onnx.data", "safetensors.safetensors", "pytorch.py", "keras.py"];
    let wanted = wanted.into_iter().chain(["pytorch.safetensors", "keras.safetensors"]);
    assert_eq!(names, wanted.map(String::from).collect());
    let module = std::fs::read_to_string(at("pytorch.py")).unwrap();
    for line in
        ["self.conv1 = nn.Conv2d(1, 4, kernel_size=3)", "self.dense1 = nn.Linear(64, 3)", "return self.dense1(x)"]
    {
        assert!(module.contains(line), "{line} is missing in\n{module}");
    }
}

/// A layer of another crate, of ops that ONNX knows, or of one that it does not.
#[derive(Debug, Clone)]
struct Own {
    known: bool,
}

impl Layer for Own {
    fn kind(&self) -> &'static str {
        if self.known { "OwnScale" } else { "OwnLoss" }
    }

    fn short(&self) -> &'static str {
        "own"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = cx.g.flip(inputs[0], 1)?;
        if self.known {
            return cx.g.affine(x, 2.0, 1.0);
        }
        let error = cx.g.mse(x, inputs[0], None)?;
        cx.g.add(x, error)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::new()
    }
}

#[test]
fn layers_of_other_crates_are_written_by_their_ops() {
    register("OwnScale", |_| Ok(std::sync::Arc::new(Own { known: true }))).unwrap();
    register("OwnLoss", |_| Ok(std::sync::Arc::new(Own { known: false }))).unwrap();
    let with = |kind: &str| made(&layers(&[&format!("type = \"{kind}\""), "type = \"Dense\"; units = 3"]), &[4], None);
    assert_eq!(ops(&onnx(&with("OwnScale"), 18).unwrap()), ["Slice", "Mul", "Add", "Gemm"]);
    let message = onnx(&with("OwnLoss"), 18).unwrap_err().to_string();
    assert!(message.contains("layer \"own1\"") && message.contains("no op of ONNX"), "{message}");
    let (model, loaded) = with("OwnScale");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.py");
    for format in [Format::Pytorch, Format::Keras] {
        let message = export::write_as(format, &path, &model, &loaded, &Options::default()).unwrap_err().to_string();
        assert!(message.contains("layer \"own1\" (OwnScale)") && message.contains("export as ONNX"), "{message}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let message = |opset| onnx(&cnn(), opset).unwrap_err().to_string();
    assert!(message(17).contains("opset 17: expected 18 to 23") && message(24).contains("opset 24"));
    let (model, mut loaded) = cnn();
    loaded.weights = Weights::new(1);
    loaded.weights.set("conv1.weight", wgrad::tensor::HostTensor::f32([4, 1, 3, 3], vec![0.0; 36]));
    let missing = export::onnx(&model, &loaded, &Options::default()).unwrap_err().to_string();
    assert!(missing.contains("the weights lack"), "{missing}");
    let refused = |args: &[&str], code: i32, parts: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(args).env("WGRAD_DEVICE", "cpu").output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(parts.iter().all(|p| said.contains(p)) && !said.contains("internal error"), "{args:?}: {said}");
    };
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("no run").to_string_lossy().into_owned();
    refused(&["export", &run], 1, &["no run"]);
    let file = folder.path().join("weights.safetensors").to_string_lossy().into_owned();
    let (model, loaded) = cnn();
    export::write_as(Format::Safetensors, Path::new(&file), &model, &loaded, &Options::default()).unwrap();
    refused(
        &["export", &file, "--format", "onxx"],
        1,
        &["unknown format \"onxx\"", "onnx, safetensors, pytorch, keras"],
    );
    refused(&["export", &file, "--opset", "99"], 2, &["opset 99", "18 to 23"]);
    refused(&["export", &file, "--format", "keras", "--opset", "18"], 2, &["--opset", "--format onnx"]);
    refused(&["export", &file, "--train"], 2, &["--train", "--format web"]);
    refused(&["export", &file, "--format", "keras", "--precision", "f16"], 2, &["--precision", "--format web"]);
    refused(&["export", &file, "--format", "safetensors"], 2, &["over those", "--out"]);
    std::fs::write(folder.path().join("training.safetensors"), "").unwrap();
    let beside = folder.path().join("other.py").to_string_lossy().into_owned();
    refused(&["export", &file, "--format", "keras", "--out", &beside], 2, &["a checkpoint lies there", "--out"]);
    refused(&["export", &file, "--format", "pytorch", "--out", "m.pt"], 2, &["m.pt", "ends in .py"]);
    let run = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(["export", &file, "--json"]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        (said["status"].as_str(), said["opset"].as_i64(), said["nodes"].as_i64()),
        (Some("ok"), Some(18), Some(5))
    );
    assert!(folder.path().join("weights.onnx").is_file());
}

/// A recurrence of an imported file has its gates in another order, by ops of its own.
#[test]
fn imported_recurrences_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (kind, more, op) in [
        ("LSTM", "units = 5", "LSTM"),
        ("GRU", "units = 4; bidirectional = true", "GRU"),
        ("SimpleRNN", "units = 6; return_sequences = true\n[[layer]]\ntype = \"Flatten\"", "RNN"),
    ] {
        let text = layers(&[&format!("type = \"{kind}\"; {more}"), "type = \"Dense\"; units = \"classes\""]);
        let (model, loaded) = made(&text, &[7, 3], None);
        let axes = [("sequence".to_string(), 7)].into();
        let options = wgrad::onnx::ImportOptions { axes, ..Default::default() };
        let files = [format!("{op}.onnx"), format!("{op}-again.onnx")].map(|name| at.join(name));
        export::write(&files[0], &model, &loaded, &Options::default()).unwrap();
        let imported = wgrad::onnx::import(&files[0], &options).unwrap();
        let run = wgrad::run::folder::write_imported(&at.join(op), &imported).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_wgrad"))
            .args(["export", "--format", "onnx", "--out"])
            .args([&files[1], &run])
            .output()
            .unwrap();
        assert!(done.status.success(), "{kind}: {}", String::from_utf8_lossy(&done.stderr));
        let bytes = std::fs::read(&files[1]).unwrap();
        assert!(ops(&ModelProto::decode(&bytes[..]).unwrap()).contains(&op), "{kind}");
        let x: Vec<f32> = (0..4 * 7 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
        let answers = files.map(|path| {
            let model = wgrad::onnx::Model::open(&path).unwrap();
            let x = wgrad::onnx::Value::host(wgrad::onnx::Tensor::floats([4, 7, 3], x.clone()));
            let name = model.inputs()[0].name.clone();
            let ran = model.run(&wgrad::device::Device::open("cpu").unwrap(), vec![(name, x)]).unwrap();
            match &ran.outputs[0].1 {
                wgrad::onnx::Output::Tensor(t) => t.to_f64().unwrap(),
                other => panic!("{other:?}"),
            }
        });
        let far = answers[0].iter().zip(&answers[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(answers[0].len() == 12 && far < 1e-6, "{kind}: {far}");
    }
}
