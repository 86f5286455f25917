//! Packages for web pages, carried out with wgpu, give the program's own answers.

mod support;

#[path = "web/player.rs"]
mod player;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use libtest_mimic::{Arguments, Failed, Trial};
use player::{Package, Player};
use serde_json::{Value, json};
use support::device::{announce, gpu_trial};
use wgrad::data::text::Vocabulary;
use wgrad::data::{Dataset, Input, Interface, Normal, Samples, Targets, Task};
use wgrad::deploy::generate::Generator;
use wgrad::deploy::web::{self, Options};
use wgrad::device::Device;
use wgrad::nn::{Description, Weights};
use wgrad::plan::Target;
use wgrad::tensor::random::{Random, stream};
use wgrad::tensor::{HostTensor, pack_bytes};
use wgrad::train::checkpoint::Loaded;
use wgrad::train::{Planned, Session, model_for};

const PICTURES: &str = "
[[layer]]
type = \"Conv2D\"
filters = 6
kernel_size = 3
use_bias = false
[[layer]]
type = \"BatchNormalization\"
[[layer]]
type = \"Activation\"
activation = \"relu\"
[[layer]]
type = \"MaxPooling2D\"
[[layer]]
type = \"Flatten\"
[[layer]]
type = \"Dropout\"
rate = 0.2
[[layer]]
type = \"Dense\"
units = \"classes\"
";

const ROWS: &str = "
[[layer]]
type = \"Dense\"
units = 9
activation = \"gelu\"
[[layer]]
type = \"Dense\"
units = \"classes\"
";

const TEXTS: &str = "
[[layer]]
type = \"Embedding\"
output_dim = 8
[[layer]]
type = \"GRU\"
units = 7
[[layer]]
type = \"Dense\"
units = \"classes\"
";

const WRITER: &str = "
[[layer]]
type = \"Embedding\"
output_dim = 8
[[layer]]
type = \"MultiHeadAttention\"
heads = 2
causal = true
[[layer]]
type = \"Dense\"
units = \"classes\"
";

fn main() {
    let args = Arguments::from_args();
    announce();
    let on_gpu =
        [("pictures", predicts(PICTURES, pictures)), ("rows", predicts(ROWS, rows)), ("texts", predicts(TEXTS, texts))];
    let mut trials: Vec<Trial> =
        on_gpu.into_iter().map(|(name, run)| gpu_trial(format!("predict::{name}"), move |_| run())).collect();
    trials.push(gpu_trial("train".into(), |_| trains()));
    trials.push(gpu_trial("decode".into(), |_| decodes()));
    trials.push(gpu_trial("halves".into(), |_| halves()));
    trials.push(Trial::test("pages_are_whole", pages_are_whole));
    trials.push(Trial::test("plans_fit_what_they_name", plans_fit));
    trials.push(Trial::test("what_pages_cannot_do_is_refused", refusals));
    libtest_mimic::run(&args, trials).exit();
}

fn classes(names: &[&str]) -> Targets {
    let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
    Targets::Classes { labels: (0..6).map(|i| i % names.len() as u32).collect(), names }
}

fn dataset(shape: &[usize], samples: Samples, targets: Targets) -> Dataset {
    Dataset { name: "set".into(), shape: shape.to_vec(), samples, targets, origin: Default::default() }
}

fn pictures(r: &mut Random) -> (Dataset, Interface) {
    let bytes: Vec<u8> = (0..6 * 3 * 10 * 9).map(|_| r.below(256) as u8).collect();
    let set = dataset(&[3, 10, 9], Samples::Bytes(bytes.into()), classes(&["a", "b", "c"]));
    let interface = Interface::of(&set, Normal::learn(&set, Default::default()));
    (set, interface)
}

fn rows(r: &mut Random) -> (Dataset, Interface) {
    let values: Vec<f32> = (0..6 * 5).map(|_| r.normal() * 3.0).collect();
    let targets = Targets::Values { values: (0..12).map(|i| i as f32).collect(), names: vec!["y".into(), "z".into()] };
    let set = dataset(&[5], Samples::Floats(values.into()), targets);
    let interface = Interface::of(&set, Normal::learn(&set, Default::default()));
    (set, interface)
}

fn texts(r: &mut Random) -> (Dataset, Interface) {
    let tokens: Vec<u32> = (0..6 * 12).map(|_| r.below(5)).collect();
    let set = dataset(&[12], Samples::Tokens(tokens.into()), classes(&["a", "b"]));
    let vocabulary = Vocabulary::characters(&["abc"]).unwrap().padded();
    let interface = Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&set, Normal::default()) };
    (set, interface)
}

/// A session of a model with drawn weights, and what is exported of it.
fn session(text: &str, set: &Dataset, interface: Interface) -> wgrad::Result<(Session, Loaded)> {
    let model = model_for(Description::parse(text)?, &set.shape, &interface)?;
    let mut session = Session::new(Device::Cpu, model, interface, Weights::new(3))?;
    session.predict(set)?;
    let (weights, about) = (session.weights()?, session.about());
    Ok((session, Loaded { weights, about, state: Default::default() }))
}

fn bytes_of(samples: &Samples, width: usize, row: usize) -> Vec<u8> {
    let own = row * width..(row + 1) * width;
    match samples {
        Samples::Bytes(v) => v[own].to_vec(),
        Samples::Floats(v) => v[own].iter().flat_map(|x| x.to_le_bytes()).collect(),
        Samples::Tokens(v) => v[own].iter().flat_map(|x| x.to_le_bytes()).collect(),
        Samples::Read(_) => unreachable!("made here"),
    }
}

type Make = fn(&mut Random) -> (Dataset, Interface);

/// Each sample alone, by the plans for both kinds of adapter.
fn predicts(text: &'static str, make: Make) -> impl FnOnce() -> Result<(), Failed> + Send + 'static {
    move || {
        let (set, interface) = make(&mut Random::new(1, stream::CASES));
        let (mut session, loaded) = session(text, &set, interface)?;
        let package = Package::of(&web::package(&session.model, &loaded, &Options::default())?);
        let mut expected = session.predict(&set)?;
        let target = &session.interface.target;
        if session.interface.task == Task::Regression {
            // The player brings values into their units.
            expected = target.scaled(&expected);
        }
        for adapter in ["gpu", "software"] {
            let mut player = Player::new(&package).ok_or("no adapter")?;
            let program = player.load("predict", adapter);
            for row in 0..set.len() {
                player.write("predict", "samples", &bytes_of(&set.samples, set.width(), row));
                player.write("predict", "clock", &[0; 16]);
                let found = player.run(&program);
                close(&found, &expected[row * found.len()..][..found.len()], 1e-5)?;
            }
        }
        Ok(())
    }
}

fn close(found: &[f32], expected: &[f32], most: f32) -> Result<(), Failed> {
    let far = |(a, b): (&f32, &f32)| (a - b).abs() / b.abs().max(1.0);
    let worst = found.iter().zip(expected).map(far).fold(0.0, f32::max);
    match found.len() == expected.len() && worst <= most {
        true => Ok(()),
        false => Err(format!("{found:?} and {expected:?} differ by {worst:e}").into()),
    }
}

fn trains() -> Result<(), Failed> {
    let (set, interface) = pictures(&mut Random::new(2, stream::CASES));
    let (session, mut loaded) = session(PICTURES, &set, interface.clone())?;
    loaded.about.config = "[optimizer]\nname = \"adam\"\nlr = 0.02".into();
    let options = Options { train: true, ..Options::default() };
    let package = Package::of(&web::package(&session.model, &loaded, &options)?);
    let s = web::training_settings(&loaded.about)?;
    assert_eq!(package.header["programs"]["train"]["batch"], s.batch_size);
    assert!((s.update.lr - 0.002).abs() < 1e-12, "{}", s.update.lr);
    let rows: Vec<usize> = (0..s.batch_size).map(|i| i % set.len()).collect();
    let bytes: Vec<u8> = rows.iter().flat_map(|&row| bytes_of(&set.samples, set.width(), row)).collect();
    let labels: Vec<u32> = rows.iter().map(|&row| row as u32 % 3).collect();
    let planned = Planned::training(&session.model, &interface, &loaded.weights, &s, Target::Cpu)?;
    let mut executor = Device::Cpu.executor();
    let program = executor.load(planned.plan)?;
    let words = pack_bytes(&bytes);
    executor.write(planned.samples, &HostTensor::u32([words.len()], words))?;
    executor.write(planned.targets, &HostTensor::u32([labels.len()], labels.clone()))?;
    let mut expected = vec![];
    for _ in 0..8 {
        executor.run(&program, 1)?;
        expected.push(executor.fetch(&program, planned.output)?.as_f32()[0]);
    }
    assert!(expected[7] < 0.8 * expected[0], "{expected:?} does not fall");
    let labels: Vec<u8> = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
    for adapter in ["gpu", "software"] {
        let mut player = Player::new(&package).ok_or("no adapter")?;
        let (before, program) = (player.load("predict", adapter), player.load("train", adapter));
        player.write("predict", "samples", &bytes_of(&set.samples, set.width(), 0));
        let first = player.run(&before);
        let mut found = vec![];
        for _ in 0..8 {
            player.write("train", "samples", &bytes);
            player.write("train", "targets", &labels);
            found.extend(player.run(&program));
        }
        close(&found, &expected, 1e-4)?;
        player.write("predict", "clock", &[0; 16]);
        let then = player.run(&before);
        assert!(close(&then, &first, 1e-3).is_err(), "predictions share the weights: {first:?} became {then:?}");
    }
    // Each weight is named, once, with its shape.
    let named = package.header["weights"].as_array().unwrap();
    for (name, value) in loaded.weights.iter() {
        let of = named.iter().filter(|w| w["name"] == name).collect::<Vec<_>>();
        let shape: Vec<Value> = value.shape.iter().map(|&n| n.into()).collect();
        assert!(of.len() == 1 && of[0]["shape"] == Value::from(shape), "{name}: {of:?}");
    }
    Ok(())
}

fn language() -> wgrad::Result<(Session, Loaded)> {
    let vocabulary = Vocabulary::characters(&["abcde \n"])?;
    let names: Vec<String> = (0..vocabulary.len()).map(|i| i.to_string()).collect();
    let targets = Targets::Sequence { labels: vec![0; 6].into(), positions: 6, names };
    let set = dataset(&[6], Samples::Tokens(vec![1, 2, 3, 4, 5, 6].into()), targets);
    let interface = Interface { input: Input::Tokens(Box::new(vocabulary)), ..Interface::of(&set, Normal::default()) };
    session(WRITER, &set, interface)
}

fn decodes() -> Result<(), Failed> {
    let (session, loaded) = language()?;
    let package = Package::of(&web::package(&session.model, &loaded, &Options::default())?);
    assert_eq!(package.header["programs"]["decode"]["room"], 6);
    for adapter in ["gpu", "software"] {
        let mut generator = Generator::new(&Device::Cpu, &session.model, &loaded.weights)?;
        let mut player = Player::new(&package).ok_or("no adapter")?;
        let program = player.load("decode", adapter);
        for (position, token) in [3u32, 1, 6, 0, 2].into_iter().enumerate() {
            player.write("decode", "token", &token.to_le_bytes());
            player.write("decode", "position", &(position as u32).to_le_bytes());
            player.write("decode", "length", &(position as u32 + 1).to_le_bytes());
            close(&player.run(&program), &generator.read(token)?, 1e-5)?;
        }
    }
    Ok(())
}

fn halves() -> Result<(), Failed> {
    let (set, interface) = pictures(&mut Random::new(1, stream::CASES));
    let (mut session, loaded) = session(PICTURES, &set, interface)?;
    let [whole, half] =
        [false, true].map(|half| web::package(&session.model, &loaded, &Options { half, ..Options::default() }));
    let [whole, half] = [Package::of(&whole?), Package::of(&half?)];
    let saved = whole.blob.len() - half.blob.len();
    assert!(saved >= 2 * session.parameters() - 16, "{saved} bytes of {} weights", session.parameters());
    let expected = session.predict(&set)?;
    let mut player = Player::new(&half).ok_or("no adapter")?;
    let program = player.load("predict", "software");
    player.write("predict", "samples", &bytes_of(&set.samples, set.width(), 0));
    let found = player.run(&program);
    close(&found, &expected[..3], 5e-3)?;
    assert!(close(&found, &expected[..3], 1e-7).is_err(), "halves round");
    let mut loaded = loaded;
    let name = loaded.weights.iter().find(|(_, v)| v.shape.len() == 2).map(|(n, _)| n.to_string()).unwrap();
    let shape = loaded.weights.shape(&name).unwrap().clone();
    loaded.weights.set(&name, HostTensor::f32(shape.clone(), vec![70_000.0; shape.elements()]));
    let refused = web::package(&session.model, &loaded, &Options { half: true, ..Options::default() });
    assert!(refused.unwrap_err().to_string().contains("65504"));
    Ok(())
}

fn pages_are_whole() -> Result<(), Failed> {
    let (session, loaded) = language()?;
    let package = web::package(&session.model, &loaded, &Options::default())?;
    let page = web::page("a <b> & c", &package);
    assert!(page.contains("<title>a &lt;b&gt; &amp; c</title>") && !page.contains("{{"), "a placeholder is left");
    let base64 = page.split("type=\"text/plain\">").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(BASE64_STANDARD.decode(base64)?, package);
    let script = page.split("<script type=\"module\">").nth(1).unwrap();
    let lines = |start: &str| script.lines().filter(|l| l.starts_with(start)).collect::<Vec<_>>();
    assert!(lines("import ").is_empty() && lines("export ").is_empty());
    // Nothing is loaded from anywhere.
    let links: Vec<&str> =
        page.match_indices("http").map(|(at, _)| &page[at..at + 22]).filter(|l| l.contains("://")).collect();
    assert!(links.iter().all(|l| l.starts_with("http://www.w3.org/2000")), "{links:?}");
    let told = json!({ "name": "</script>{{title}}" });
    let served = web::served_page("<b>{{script}}", &told);
    let (_, there) = served.split_once("type=\"text/plain\">").unwrap();
    let (there, _) = there.split_once("</script>").unwrap();
    assert_eq!(serde_json::from_str::<Value>(there)?, told);
    assert!(served.contains("<title>&lt;b&gt;{{script}}</title>") && served.contains("connect-src 'self'"));
    assert!(!served.contains("requestAdapter"));
    let (_, script_of_served) = served.split_once("<script type=\"module\">").unwrap();
    for script in [script, script_of_served] {
        names_differ(script);
    }
    Ok(())
}

/// No name is there twice, since all files become one module.
fn names_differ(script: &str) {
    let mut names: Vec<&str> = script
        .lines()
        .filter_map(|l| {
            l.trim_start_matches("async ")
                .strip_prefix("function ")
                .or(l.strip_prefix("class "))
                .or(l.strip_prefix("const "))
        })
        .filter_map(|l| l.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .filter(|n| !n.is_empty())
        .collect();
    let n = names.len();
    names.sort_unstable();
    names.dedup();
    assert!(n == names.len() && n > 40, "{n} names, {} of them different", names.len());
}

/// Every number in a plan points at something that is there and is large enough.
fn plans_fit() -> Result<(), Failed> {
    let (set, interface) = pictures(&mut Random::new(1, stream::CASES));
    let (session, loaded) = session(PICTURES, &set, interface)?;
    let Package { header, blob } =
        Package::of(&web::package(&session.model, &loaded, &Options { train: true, half: false })?);
    let n = |v: &Value| v.as_u64().unwrap() as usize;
    let modules = header["modules"].as_array().unwrap();
    let mut texts: Vec<&str> = modules.iter().map(|m| m.as_str().unwrap()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), modules.len(), "each text is there once");
    for content in header["contents"].as_array().unwrap() {
        assert!(n(&content["offset"]) % 16 == 0 && n(&content["offset"]) + 4 * n(&content["elements"]) <= blob.len());
    }
    for (program, adapter) in [("predict", "gpu"), ("predict", "software"), ("train", "gpu"), ("train", "software")] {
        let plan = &header["programs"][program][adapter];
        let buffers = plan["buffers"].as_array().unwrap();
        for b in buffers {
            assert!(n(&b["bytes"]) % 16 == 0 && n(&b["bytes"]) >= 4 * n(&b["elements"]), "{b}");
        }
        let dispatches = plan["dispatches"].as_array().unwrap();
        assert!(!dispatches.is_empty());
        for d in dispatches {
            assert!(n(&d["pipeline"]) < plan["pipelines"].as_array().unwrap().len());
            let bindings = d["bindings"].as_array().unwrap();
            assert!(bindings.len() <= 8);
            for b in bindings {
                let held = n(&buffers[n(&b[1])]["bytes"]);
                assert!(n(&b[2]) % 256 == 0 && n(&b[3]) % 4 == 0 && n(&b[2]) + n(&b[3]) <= held, "{d}");
            }
        }
        let named = |what: &str| buffers.iter().any(|b| b["name"] == header["programs"][program][what]);
        assert!(named("samples") && named("clock") && (program == "predict" || named("targets")));
    }
    Ok(())
}

fn refusals() -> Result<(), Failed> {
    let (set, interface) = rows(&mut Random::new(1, stream::CASES));
    let (session, loaded) = session(ROWS, &set, interface)?;
    let train = Options { train: true, ..Options::default() };
    let said = web::package(&session.model, &loaded, &train).unwrap_err().to_string();
    assert!(said.contains("--train") && said.contains("classes"), "{said}");
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("model.wgrad");
    let files = web::write(&place, &session.model, &loaded, &Options::default())?;
    assert!(files.len() > 3 && files.iter().all(|f| f.is_file()));
    // Again is fine, but nothing of others is replaced.
    web::write(&place, &session.model, &loaded, &Options::default())?;
    std::fs::write(folder.path().join("player.js"), "mine")?;
    let said = web::write(&place, &session.model, &loaded, &Options::default()).unwrap_err().to_string();
    assert!(said.contains("player.js"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("player.js"))?, "mine");
    Ok(())
}
