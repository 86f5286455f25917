//! ONNX files: what they compute, what is refused before anything runs, broken and hostile
//! ones, and models that are imported and trained.

use std::collections::BTreeMap;
use std::path::Path;
use wgrad::device::Device;
use wgrad::onnx::proto::attribute_proto::AttributeType;
use wgrad::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use wgrad::onnx::{Data, ImportOptions, Model, Output, Tensor, Value};

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.into()), ..AttributeProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { r#type: Some(AttributeType::Int as i32), i: Some(i), ..attribute(name) }
}

fn ints(name: &str, v: &[i64]) -> AttributeProto {
    AttributeProto { r#type: Some(AttributeType::Ints as i32), ints: v.to_vec(), ..attribute(name) }
}

fn sub_graph(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto { r#type: Some(AttributeType::Graph as i32), g: Some(g), ..attribute(name) }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        name: Some(format!("the_{}", op.to_lowercase())),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: outputs.iter().map(|s| s.to_string()).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

/// An input or output; -1 is an axis of any length, called `batch`.
fn port(name: &str, elem: i32, shape: &[i64]) -> ValueInfoProto {
    use tensor_shape_proto::dimension::Value as Dim;
    let dim = |&d: &i64| tensor_shape_proto::Dimension {
        value: Some(if d < 0 { Dim::DimParam("batch".into()) } else { Dim::DimValue(d) }),
        ..Default::default()
    };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(elem), shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(kind), ..ValueInfoProto::default() }
}

fn graph(
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: &[&str],
    weights: Vec<TensorProto>,
) -> GraphProto {
    let out = |name: &&str| ValueInfoProto { name: Some(name.to_string()), ..ValueInfoProto::default() };
    GraphProto {
        name: Some("g".into()),
        node: nodes,
        input: inputs,
        output: outputs.iter().map(out).collect(),
        initializer: weights,
        ..GraphProto::default()
    }
}

fn file(g: GraphProto) -> Vec<u8> {
    let opset = OperatorSetIdProto { domain: None, version: Some(18) };
    let proto = ModelProto { ir_version: Some(10), graph: Some(g), opset_import: vec![opset], ..ModelProto::default() };
    prost_bytes(&proto)
}

fn prost_bytes(m: &ModelProto) -> Vec<u8> {
    use prost::Message;
    m.encode_to_vec()
}

fn floats(shape: &[usize], v: &[f32]) -> Value {
    Value::host(Tensor::floats(shape, v.to_vec()))
}

/// The outputs of a model on the CPU; the message where it fails.
fn run(bytes: &[u8], inputs: Vec<(&str, Value)>) -> Result<Vec<Tensor>, String> {
    let model = Model::of_bytes(bytes).map_err(|e| e.to_string())?;
    let inputs = inputs.into_iter().map(|(n, v)| (n.to_string(), v)).collect();
    let ran = model.run(&Device::Cpu, inputs).map_err(|e| e.to_string())?;
    let one = |(_, o): (String, Output)| match o {
        Output::Tensor(t) => (*t).clone(),
        _ => panic!("a tensor is expected"),
    };
    Ok(ran.outputs.into_iter().map(one).collect())
}

fn refused(g: GraphProto, inputs: Vec<(&str, Value)>, said: &[&str]) {
    let message = run(&file(g), inputs).expect_err("it is refused");
    for part in said {
        assert!(message.contains(part), "\"{message}\" says nothing of \"{part}\"");
    }
}

const FLOAT: i32 = 1;
const INT64: i32 = 7;

#[test]
fn shapes_that_values_decide() {
    // y has as many rows as x has elements above zero: known only when x is.
    let nodes = vec![
        node("Relu", &["x"], &["r"], vec![]),
        node("NonZero", &["r"], &["at"], vec![]),
        node("Squeeze", &["at"], &["flat"], vec![]),
        node("Gather", &["x", "flat"], &["y"], vec![]),
        node("Add", &["y", "y"], &["z"], vec![]),
    ];
    let g = graph(nodes, vec![port("x", FLOAT, &[-1])], &["z"], vec![]);
    let y = run(&file(g), vec![("x", floats(&[4], &[1.0, -2.0, 3.0, 0.0]))]).unwrap();
    assert_eq!(y[0].data, Data::F32(vec![2.0, 6.0]));
}

#[test]
fn integers_are_exact_or_refused() {
    let add = |a: i64, b: i64| {
        let ports = vec![port("a", INT64, &[1]), port("b", INT64, &[1])];
        let g = graph(vec![node("Add", &["a", "b"], &["y"], vec![])], ports, &["y"], vec![]);
        let one = |v| Value::host(Tensor::list(vec![v]));
        run(&file(g), vec![("a", one(a)), ("b", one(b))]).unwrap()[0].to_ints().unwrap()[0]
    };
    assert_eq!(add((1 << 60) + 1, 1), (1 << 60) + 2);
    let g = graph(
        vec![node("ReduceSum", &["a"], &["y"], vec![int("keepdims", 0)])],
        vec![port("a", INT64, &[2])],
        &["y"],
        vec![],
    );
    refused(g, vec![("a", Value::host(Tensor::list(vec![1 << 60, 1])))], &["the_reducesum", "1152921504606846976"]);
}

#[test]
fn loops_conditions_and_names_from_outside() {
    // Powers of x until the sum is above 10: x^1, x^2, ..
    let body = graph(
        vec![
            node("Mul", &["power", "x"], &["next"], vec![]),
            node("ReduceSum", &["next"], &["sum"], vec![int("keepdims", 0)]),
            node("Less", &["sum", "limit"], &["on"], vec![]),
            node("Identity", &["next"], &["row"], vec![]),
        ],
        vec![port("i", INT64, &[]), port("c", 9, &[]), port("power", FLOAT, &[2])],
        &["on", "next", "row"],
        vec![],
    );
    let nodes = vec![node("Loop", &["", "", "x"], &["last", "rows"], vec![sub_graph("body", body)])];
    let limit = Tensor::floats([], vec![10.0]).to_proto("limit");
    let g = graph(nodes, vec![port("x", FLOAT, &[2])], &["last", "rows"], vec![limit]);
    let y = run(&file(g), vec![("x", floats(&[2], &[1.0, 2.0]))]).unwrap();
    assert_eq!(y[0].data, Data::F32(vec![1.0, 16.0]));
    assert_eq!(y[1].shape, [3, 2]);
    assert_eq!(y[1].data, Data::F32(vec![1.0, 4.0, 1.0, 8.0, 1.0, 16.0]));
}

#[test]
fn what_is_not_supported_is_named_before_anything_runs() {
    let nodes = vec![
        node("Relu", &["x"], &["r"], vec![]),
        node("Frobnicate", &["r"], &["f"], vec![]),
        node("Wobble", &["f"], &["y"], vec![]),
    ];
    let g = graph(nodes, vec![port("x", FLOAT, &[1])], &["y"], vec![]);
    let said = Model::of_bytes(&file(g)).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("Frobnicate (node \"the_frobnicate\")") && said.contains("Wobble"), "{said}");
}

#[test]
fn inputs_are_what_the_model_declares() {
    let g = || {
        let ports = vec![port("x", FLOAT, &[-1, 3]), port("y", FLOAT, &[-1, 3])];
        graph(vec![node("Add", &["x", "y"], &["z"], vec![])], ports, &["z"], vec![])
    };
    let x = || ("x", floats(&[2, 3], &[1.0; 6]));
    refused(g(), vec![x()], &["\"y\" is missing", "x float [batch, 3]"]);
    refused(g(), vec![x(), ("y", floats(&[2, 2], &[1.0; 4]))], &["\"y\" has shape [2, 2]", "[batch, 3]"]);
    refused(g(), vec![x(), ("y", floats(&[1, 3], &[1.0; 3]))], &["axis \"batch\"", "\"x\" has 2"]);
    refused(g(), vec![x(), ("yy", floats(&[2, 3], &[1.0; 6]))], &["\"yy\"", "y"]);
    refused(g(), vec![x(), ("y", Value::host(Tensor::ints([2, 3], vec![0; 6])))], &["holds int64", "float"]);
    refused(g(), vec![x(), x()], &["given twice"]);
}

#[test]
fn graphs_that_cannot_be() {
    let x = || vec![port("x", FLOAT, &[2])];
    let given = || vec![("x", floats(&[2], &[1.0, 2.0]))];
    // A circle: a reads b, b reads a.
    let circle = vec![node("Add", &["x", "b"], &["a"], vec![]), node("Relu", &["a"], &["b"], vec![])];
    refused(graph(circle, x(), &["b"], vec![]), given(), &["the_add", "\"b\""]);
    refused(graph(vec![], x(), &["nothing"], vec![]), given(), &["\"nothing\""]);
    // Shapes whose product overflows, or that no memory holds.
    for (op, shape) in
        [("ConstantOfShape", vec![1 << 40, 1 << 40]), ("ConstantOfShape", vec![1 << 31]), ("Expand", vec![1 << 40, 2])]
    {
        let shape = Tensor::list(shape).to_proto("s");
        let inputs: &[&str] = if op == "Expand" { &["x", "s"] } else { &["s"] };
        refused(graph(vec![node(op, inputs, &["y"], vec![])], x(), &["y"], vec![shape]), given(), &["shape"]);
    }
    let tiled = Tensor::list(vec![1 << 40]).to_proto("r");
    refused(graph(vec![node("Tile", &["x", "r"], &["y"], vec![])], x(), &["y"], vec![tiled]), given(), &["the_tile"]);
    let padded = Tensor::list(vec![0, 1 << 33]).to_proto("p");
    refused(graph(vec![node("Pad", &["x", "p"], &["y"], vec![])], x(), &["y"], vec![padded]), given(), &["the_pad"]);
    // An initialiser of 2^40 elements without data.
    let huge = TensorProto { dims: vec![1 << 40], data_type: Some(FLOAT), ..Tensor::list(vec![]).to_proto("h") };
    refused(graph(vec![node("Add", &["x", "h"], &["y"], vec![])], x(), &["y"], vec![huge]), given(), &["\"h\""]);
    // A loop without an end.
    let body = graph(
        vec![node("Identity", &["c"], &["on"], vec![]), node("Identity", &["v"], &["w"], vec![])],
        vec![port("i", INT64, &[]), port("c", 9, &[]), port("v", INT64, &[1])],
        &["on", "w"],
        vec![],
    );
    let v = Tensor::list(vec![1]).to_proto("v0");
    let endless = node("Loop", &["", "", "v0"], &["y"], vec![sub_graph("body", body)]);
    refused(graph(vec![endless], x(), &["y"], vec![v]), given(), &["iterations"]);
    // A negative axis length, wrong attributes.
    refused(
        graph(vec![node("Softmax", &["x"], &["y"], vec![int("axis", 7)])], x(), &["y"], vec![]),
        given(),
        &["axis 7"],
    );
    refused(
        graph(vec![node("Transpose", &["x"], &["y"], vec![ints("perm", &[0, 1])])], x(), &["y"], vec![]),
        given(),
        &["perm"],
    );
    refused(
        graph(vec![node("Softmax", &["x"], &["y"], vec![ints("axis", &[0])])], x(), &["y"], vec![]),
        given(),
        &["attribute axis has type"],
    );
}

#[test]
fn deep_nesting_ends_with_an_error() {
    let nested = |depth: usize| {
        let mut inner = graph(vec![node("Relu", &["x"], &["y"], vec![])], vec![], &["y"], vec![]);
        for _ in 0..depth {
            let branches = vec![sub_graph("then_branch", inner), sub_graph("else_branch", GraphProto::default())];
            inner = graph(vec![node("If", &["c"], &["y"], branches)], vec![], &["y"], vec![]);
        }
        let c = Tensor::new(wgrad::onnx::Elem::Bool, [], Data::Int(vec![1])).to_proto("c");
        let g = GraphProto { input: vec![port("x", FLOAT, &[2])], initializer: vec![c], ..inner };
        run(&file(g), vec![("x", floats(&[2], &[1.0, -2.0]))])
    };
    assert_eq!(nested(20).unwrap()[0].data, Data::F32(vec![1.0, 0.0]));
    assert!(nested(60).is_err());
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("w.bin"), [1.0f32, 2.0].map(f32::to_le_bytes).concat()).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 8]).unwrap();
    let model = |location: &str, more: &[(&str, &str)]| {
        let entry = |(k, v): (&str, &str)| StringStringEntryProto { key: Some(k.into()), value: Some(v.into()) };
        let mut w = Tensor::floats([2], vec![0.0; 2]).to_proto("w");
        w.raw_data = None;
        w.data_location = Some(1);
        w.external_data = [("location", location)].into_iter().chain(more.iter().copied()).map(entry).collect();
        let g = graph(vec![node("Add", &["x", "w"], &["y"], vec![])], vec![port("x", FLOAT, &[2])], &["y"], vec![w]);
        let path = inside.join("m.onnx");
        std::fs::write(&path, file(g)).unwrap();
        Model::open(&path).map_err(|e| e.to_string())
    };
    let good = model("w.bin", &[]).unwrap();
    let ran = good.run(&Device::Cpu, vec![("x".into(), floats(&[2], &[1.0, 1.0]))]).unwrap();
    let Output::Tensor(t) = &ran.outputs[0].1 else { panic!() };
    assert_eq!(t.data, Data::F32(vec![2.0, 3.0]));
    assert!(model("w.bin", &[("offset", "0"), ("length", "8")]).is_ok());
    let secret = folder.path().join("secret");
    for location in ["../secret", secret.to_str().unwrap(), "x/../../secret", ""] {
        let said = model(location, &[]).unwrap_err();
        assert!(said.contains("below the folder"), "{said}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, inside.join("link")).unwrap();
        assert!(model("link", &[]).unwrap_err().contains("link out of the folder"));
    }
    for more in [("offset", "4"), ("length", "99"), ("offset", "99999999999"), ("offset", "-1"), ("length", "x")] {
        assert!(model("w.bin", &[more]).is_err(), "{more:?}");
    }
    assert!(model("missing.bin", &[]).is_err());
}

/// A small network: convolution, batch norm, pooling, two dense layers, softmax.
fn network() -> Vec<u8> {
    let mut seed = 1u32;
    let mut draw = |name: &str, shape: &[usize], scale: f32| {
        let n = shape.iter().product::<usize>();
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 8) as f32 / (1 << 24) as f32 - 0.5) * scale
        };
        Tensor::floats(shape, (0..n).map(|_| next()).collect()).to_proto(name)
    };
    let weights = vec![
        draw("conv.weight", &[4, 1, 3, 3], 1.0),
        draw("conv.bias", &[4], 0.1),
        Tensor::floats([4], vec![1.0; 4]).to_proto("bn.weight"),
        draw("bn.bias", &[4], 0.1),
        Tensor::floats([4], vec![0.1; 4]).to_proto("bn.running_mean"),
        Tensor::floats([4], vec![0.5; 4]).to_proto("bn.running_var"),
        draw("fc1.weight", &[16, 4 * 14 * 14], 0.1),
        draw("fc1.bias", &[16], 0.1),
        draw("fc2.weight", &[10, 16], 0.5),
        draw("fc2.bias", &[10], 0.1),
        Tensor::list(vec![0, -1]).to_proto("flat"),
    ];
    let bn = ["c", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
    let pool = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    let nodes = vec![
        node("Conv", &["input", "conv.weight", "conv.bias"], &["c"], vec![ints("pads", &[1; 4])]),
        node("BatchNormalization", &bn, &["b"], vec![]),
        node("Relu", &["b"], &["r"], vec![]),
        node("MaxPool", &["r"], &["p"], pool),
        node("Reshape", &["p", "flat"], &["f"], vec![]),
        node("Gemm", &["f", "fc1.weight", "fc1.bias"], &["g"], vec![int("transB", 1)]),
        node("Relu", &["g"], &["h"], vec![]),
        node("Gemm", &["h", "fc2.weight", "fc2.bias"], &["logits"], vec![int("transB", 1)]),
        node("Softmax", &["logits"], &["answers"], vec![]),
    ];
    file(graph(nodes, vec![port("input", FLOAT, &[-1, 1, 28, 28])], &["answers"], weights))
}

#[test]
fn an_imported_model_answers_as_the_file_and_learns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, network()).unwrap();
    let imported = wgrad::onnx::import(&path, &ImportOptions::default()).unwrap();
    let names: Vec<String> = imported.weights.iter().map(|(n, _)| n.to_string()).collect();
    for name in ["body.conv.weight", "body.bn.running_var", "body.fc1.bias", "fc2.weight", "fc2.bias"] {
        assert!(names.iter().any(|n| n == name), "{name} is not among {names:?}");
    }
    let run_folder = wgrad::run::folder::write_imported(&folder.path().join("run"), &imported).unwrap();
    let pixels: Vec<u8> = (0..3 * 28 * 28u32).map(|i| (i * 7 % 256) as u8).collect();
    let unit: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    let expected =
        run(&network(), vec![("input", floats(&[3, 1, 28, 28], &unit))]).unwrap().remove(0).to_f64().unwrap();
    unsafe { std::env::set_var("WGRAD_DEVICE", "cpu") };
    let mut predictor = wgrad::run::predictor::Predictor::open(&run_folder).unwrap();
    let answers = predictor.pixels(&pixels).unwrap();
    for (i, answer) in answers.iter().enumerate() {
        let row = &expected[i * 10..][..10];
        let best = (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(answer.class().unwrap(), best.to_string(), "sample {i}");
    }
    let trained = wgrad::run::trainer::Trainer::new()
        .model(run_folder.join("model.toml").to_str().unwrap())
        .data("builtin:digits")
        .settings(|s| s.max_steps = Some(30))
        .init(&run_folder)
        .device("cpu")
        .out(folder.path().join("tuned"))
        .fit()
        .unwrap();
    assert!(trained.figure("accuracy").unwrap() > 0.5, "{:?}", trained.figure("accuracy"));
}

#[test]
fn damaged_files_are_errors() {
    let good = network();
    let input = || vec![("input", floats(&[1, 1, 28, 28], &[0.5; 784]))];
    assert!(run(&good, input()).is_ok());
    for cut in (0..good.len()).step_by(97) {
        let _ = run(&good[..cut], input());
    }
    // Bytes of the structure, which stands at both ends around the weights, turned one at a time.
    let ends = (0..600).chain(good.len() - 1200..good.len());
    for at in ends {
        for bit in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            let _ = run(&bytes, input());
        }
    }
}

#[test]
fn imports_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let import = |g: GraphProto, axes: &[(&str, usize)]| {
        let path = folder.path().join("m.onnx");
        std::fs::write(&path, file(g)).unwrap();
        let axes: BTreeMap<String, usize> = axes.iter().map(|(n, l)| (n.to_string(), *l)).collect();
        wgrad::onnx::import(Path::new(&path), &ImportOptions { axes, ..ImportOptions::default() })
            .map_err(|e| e.to_string())
    };
    let w = || Tensor::floats([3, 2], vec![0.5; 6]).to_proto("fc.weight");
    let gemm = || vec![node("Gemm", &["x", "fc.weight"], &["y"], vec![int("transB", 1)])];
    let two = vec![port("x", FLOAT, &[-1, 2]), port("z", FLOAT, &[-1, 2])];
    assert!(import(graph(gemm(), two, &["y"], vec![w()]), &[]).unwrap_err().contains("2 inputs (x, z)"));
    // The size of a batch in the graph.
    let fixed = Tensor::list(vec![1, 2]).to_proto("s");
    let mut nodes = vec![node("Reshape", &["x0", "s"], &["x"], vec![])];
    nodes.extend(gemm());
    let g = graph(nodes, vec![port("x0", FLOAT, &[1, 2])], &["y"], vec![w(), fixed]);
    let said = import(g, &[]).unwrap_err();
    assert!(said.contains("the_reshape") || said.contains("batch"), "{said}");
}
