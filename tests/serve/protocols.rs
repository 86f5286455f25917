//! Each protocol gives what the library answers.

use super::client::{bytes, get, post, post_json, raw};
use super::make::{SIDE, png, predictor, serve};
use serde_json::{Value, json};
use std::collections::HashSet;

const ALL: &[&str] = &["halves", "pictures", "flats", "wave", "texts", "writer"];

fn floats(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

#[test]
fn tensors_by_the_open_inference_protocol() {
    let server = serve(ALL, |_| {});
    let at = server.address();
    assert_eq!(get(at, "/v2/health/live").status, 200);
    assert_eq!(get(at, "/v2/health/ready").status, 200);
    assert_eq!(get(at, "/v2/models/halves/ready").status, 200);
    assert!(get(at, "/v2").ok()["extensions"].as_array().unwrap().contains(&"binary_tensor_data".into()));
    let metadata = get(at, "/v2/models/halves/versions/1").ok();
    assert_eq!(metadata["inputs"], json!([{ "name": "input", "datatype": "FP32", "shape": [-1, 2] }]));
    assert_eq!(metadata["outputs"][0], json!({ "name": "probabilities", "datatype": "FP32", "shape": [-1, 2] }));
    assert_eq!(get(at, "/v2/models/halves/config").ok()["max_batch_size"], 64);

    let points = [-0.9f32, 0.5, 0.9, -0.25, 0.1, 0.1];
    let answers = predictor("halves").tensors(&points).unwrap();
    let wanted: Vec<f32> = answers.iter().flat_map(|a| a.numbers().to_vec()).collect();
    let labels: Vec<&str> = answers.iter().map(|a| a.class().unwrap()).collect();

    // As JSON.
    let input = json!({ "name": "input", "shape": [3, 2], "datatype": "FP32", "data": points });
    let told = post_json(at, "/v2/models/halves/infer", &json!({ "id": "7", "inputs": [input] })).ok();
    assert_eq!(
        (&told["id"], &told["model_name"], &told["model_version"]),
        (&"7".into(), &"halves".into(), &"1".into())
    );
    assert_eq!(floats(&told["outputs"][0]["data"]), wanted);
    assert_eq!(told["outputs"][1]["data"], json!(labels));

    // As bytes, there and back.
    let head = json!({
        "inputs": [{ "name": "input", "shape": [3, 2], "datatype": "FP32", "parameters": { "binary_data_size": 24 } }],
        "outputs": [
            { "name": "label", "parameters": { "binary_data": true } },
            { "name": "probabilities", "parameters": { "binary_data": true } },
            { "name": "probabilities", "parameters": { "classification": 1 } },
        ],
    })
    .to_string();
    let body: Vec<u8> = head.bytes().chain(points.iter().flat_map(|x| x.to_le_bytes())).collect();
    let length = head.len().to_string();
    let told =
        raw(at, &bytes("POST", "/v2/models/halves/infer", &[("Inference-Header-Content-Length", &length)], &body));
    let told = told.unwrap();
    assert_eq!(told.status, 200, "{}", told.text());
    let split: usize = told.header("Inference-Header-Content-Length").unwrap().parse().unwrap();
    let (json, binary) = told.body.split_at(split);
    let json: Value = serde_json::from_slice(json).unwrap();
    let n = json["outputs"][0]["parameters"]["binary_data_size"].as_u64().unwrap() as usize;
    assert_eq!(binary[..8], [&4u32.to_le_bytes()[..], b"left"].concat());
    let found: Vec<f32> = binary[n..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(found, wanted);
    let best = json["outputs"][2]["data"][0].as_str().unwrap();
    assert!(best.ends_with(":0:left"), "{best}");

    // Counts.
    let stats = get(at, "/v2/models/halves/stats").ok();
    let stats = &stats["model_stats"][0];
    assert_eq!((&stats["inference_count"], &stats["execution_count"]), (&6.into(), &2.into()));
    assert_eq!(stats["inference_stats"]["success"]["count"], 2);
    let metrics = get(at, "/metrics").text();
    assert!(metrics.contains("nv_inference_request_success{model=\"halves\",version=\"1\"} 2\n"), "{metrics}");
    assert!(metrics.contains("# TYPE nv_inference_count counter"), "{metrics}");
    let index = post_json(at, "/v2/repository/index", &json!({})).ok();
    assert_eq!(index.as_array().unwrap().len(), ALL.len());
}

#[test]
fn pictures_columns_and_texts_by_the_open_inference_protocol() {
    let server = serve(ALL, |_| {});
    let at = server.address();
    let pixels: Vec<u8> = (0..2 * SIDE * SIDE).map(|i| (i * 5 % 256) as u8).collect();
    let wanted: Vec<f32> =
        predictor("pictures").pixels(&pixels).unwrap().iter().flat_map(|a| a.numbers().to_vec()).collect();
    for shape in [json!([2, 1, SIDE, SIDE]), json!([2, SIDE, SIDE])] {
        let input = json!({ "name": "input", "shape": shape, "datatype": "UINT8", "data": pixels });
        let told = post_json(at, "/v2/models/pictures/infer", &json!({ "inputs": [input] })).ok();
        assert_eq!(floats(&told["outputs"][0]["data"]), wanted);
    }
    // Columns: numbers and texts; a row without its number is answered for, too.
    let size = json!({ "name": "size", "shape": [2], "datatype": "FP64", "data": [80.5, 31] });
    let district = json!({ "name": "district", "shape": [2, 1], "datatype": "BYTES", "data": ["north", "south"] });
    let told = post_json(at, "/v2/models/flats/infer", &json!({ "inputs": [district, size] })).ok();
    let rows = [[("size", "80.5"), ("district", "north")], [("size", "31"), ("district", "south")]];
    let wanted: Vec<f64> =
        predictor("flats").rows(rows).unwrap().iter().map(|a| a.as_ref().unwrap().values()[0]).collect();
    let found: Vec<f64> = told["outputs"][0]["data"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {wanted:?}");
    let text = json!({ "name": "text", "shape": [2], "datatype": "BYTES", "data": ["it was good", "it was bad"] });
    let told = post_json(at, "/v2/models/texts/infer", &json!({ "inputs": [text] })).ok();
    let wanted = predictor("texts").texts(&["it was good", "it was bad"]).unwrap();
    assert_eq!(floats(&told["outputs"][0]["data"])[..2], *wanted[0].numbers());
}

#[test]
fn tensorflow_servings_addresses() {
    let server = serve(ALL, |_| {});
    let at = server.address();
    let wanted: Vec<Vec<f32>> =
        predictor("halves").tensors(&[0.5, 0.25, -0.5, 0.0]).unwrap().iter().map(|a| a.numbers().to_vec()).collect();
    let points = json!([[0.5, 0.25], [-0.5, 0.0]]);
    for path in ["/v1/models/halves:predict", "/v1/models/halves/versions/1:predict"] {
        for body in [
            json!({ "instances": points }),
            json!({ "signature_name": "serving_default", "instances": [{ "input": [0.5, 0.25] }, { "input": [-0.5, 0.0] }] }),
        ] {
            let told = post_json(at, path, &body).ok();
            let found: Vec<Vec<f32>> = told["predictions"].as_array().unwrap().iter().map(floats).collect();
            assert_eq!(found, wanted);
        }
    }
    for inputs in [points.clone(), json!({ "input": points })] {
        let told = post_json(at, "/v1/models/halves:predict", &json!({ "inputs": inputs })).ok();
        assert_eq!(floats(&told["outputs"][0]), wanted[0]);
    }
    let rows = json!({ "instances": [{ "size": 80.5, "district": "north" }, { "size": null, "district": "south" }] });
    let by_row = post_json(at, "/v1/models/flats:predict", &rows).ok();
    assert_eq!(by_row["predictions"].as_array().unwrap().len(), 2);
    let columns = json!({ "inputs": { "size": [80.5], "district": ["north"] } });
    let by_column = post_json(at, "/v1/models/flats:predict", &columns).ok();
    assert_eq!(by_column["outputs"][0], by_row["predictions"][0]);
    use base64::Engine;
    let picture = base64::engine::general_purpose::STANDARD.encode(png(20, 20, 200));
    let told = post_json(at, "/v1/models/pictures:predict", &json!({ "instances": [{ "b64": picture }] })).ok();
    assert_eq!(told["predictions"][0].as_array().unwrap().len(), 2);
    assert_eq!(get(at, "/v1/models/halves").ok()["model_version_status"][0]["state"], "AVAILABLE");
    let metadata = get(at, "/v1/models/halves/metadata").ok();
    let signature = &metadata["metadata"]["signature_def"]["signature_def"]["serving_default"];
    assert_eq!(signature["inputs"]["input"]["dtype"], "DT_FLOAT");
}

#[test]
fn people_ask_with_what_they_have() {
    let server = serve(ALL, |_| {});
    let at = server.address();
    let ask = |model: &str, kind: &str, body: &[u8]| post(at, &format!("/predict?model={model}"), kind, body);
    // Rows: JSON in three ways, and CSV.
    let row = r#"{"size": 80.5, "district": "north"}"#;
    let rows = [format!("{{\"rows\": [{row}]}}"), format!("[{row}]"), row.to_string()];
    let mut found = HashSet::new();
    for body in &rows {
        found.insert(ask("flats", "application/json", body.as_bytes()).ok()["predictions"].to_string());
    }
    found.insert(ask("flats", "text/csv", b"district,size\nnorth,80.5\n").ok()["predictions"].to_string());
    assert_eq!(found.len(), 1, "{found:?}");
    let price = predictor("flats").csv("district,size\nnorth,80.5\n").unwrap()[0].as_ref().unwrap().values()[0];
    let told: Value = serde_json::from_str(found.iter().next().unwrap()).unwrap();
    assert!((told[0]["values"]["price"].as_f64().unwrap() - price).abs() < 1e-4);
    // Pictures: the file itself, in a form, in JSON.
    let bright = png(30, 20, 250);
    let told = ask("pictures", "image/png", &bright).ok();
    let wanted = predictor("pictures").picture_bytes(&[&bright]).unwrap();
    assert_eq!(told["predictions"][0]["class"], wanted[0].class().unwrap());
    let mut form = vec![];
    for (name, file) in [("a.png", &bright), ("b.png", &png(9, 9, 3))] {
        form.extend(
            format!("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").bytes(),
        );
        form.extend(file);
        form.extend(b"\r\n");
    }
    form.extend(b"--x--\r\n");
    let told = ask("pictures", "multipart/form-data; boundary=x", &form).ok();
    assert_eq!((&told["predictions"][0]["file"], &told["predictions"][1]["file"]), (&"a.png".into(), &"b.png".into()));
    assert_eq!(told["predictions"][0]["class"], wanted[0].class().unwrap());
    // Texts, arrays, a series.
    assert!(ask("texts", "text/plain", b"it was good").ok()["predictions"][0]["class"].is_string());
    let told = ask("texts", "application/json", br#"{"texts": ["it was bad", "good"]}"#).ok();
    assert_eq!(told["predictions"].as_array().unwrap().len(), 2);
    assert_eq!(ask("halves", "application/json", b"{\"inputs\": [[0.9, 0]]}").ok()["predictions"][0]["class"], "right");
    let month = |i: usize| format!("{}-{:02}-01,{}\n", 2010 + i / 12, 1 + i % 12, i % 7);
    let csv = "month,value\n".to_string() + &(0..36).map(month).collect::<String>();
    let told = ask("wave", "text/csv", csv.as_bytes()).ok();
    let forecast = predictor("wave").forecast(&csv).unwrap();
    assert_eq!(told["predictions"].as_array().unwrap().len(), forecast.len());
    assert_eq!(told["predictions"][0]["date"].as_str(), forecast[0].date.as_deref());
    let value = told["predictions"][0]["values"]["value"].as_f64().unwrap();
    assert!((value - forecast[0].answer.values()[0]).abs() < 1e-4, "{value} {forecast:?}");
    // The page and the document.
    assert!(get(at, "/").text().contains("href=\"/pages/flats/1\""));
    assert!(get(at, "/pages/flats").text().contains("\"columns\""));
    assert_eq!(get(at, "/pages/nothing").status, 404);
    assert!(get(at, "/openapi.json").ok()["paths"]["/v1/models/flats:predict"].is_object());
    assert_eq!(get(at, "/models").ok()["models"].as_array().unwrap().len(), ALL.len());
}

#[test]
fn numbers_mean_what_they_say_whatever_the_table_was_written_in() {
    // German numbers: 1.234 is a thousand and more, and a comma marks decimals.
    let dir = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("\"1.{:03},5\";{}\n", i * 7 % 1000, i * 7 % 1000);
    let file = dir.path().join("german.csv");
    std::fs::write(&file, "size;price\n".to_string() + &(0..120).map(row).collect::<String>()).unwrap();
    let out = dir.path().join("german");
    let trained = wgrad::prelude::Trainer::new().data(&*file).target("price").epochs(30).device("cpu").out(&out).fit();
    trained.unwrap();
    let run = wgrad::serve::Served { name: "german".into(), run: out };
    let server = super::make::serve_runs(&[run], |_| {});
    let price = |body: &str| {
        let told = post(server.address(), "/predict", "application/json", body.as_bytes());
        (told.status, told.json()["predictions"][0]["values"]["price"].as_f64())
    };
    let (_, text) = price(r#"{"size": "1.234,5"}"#);
    let (status, number) = price(r#"{"size": 1234.5}"#);
    let same = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-3;
    assert!(status == 200 && same(text, number), "{text:?} {number:?}");
    // A small number is not read as a large one.
    let (status, small) = price(r#"{"size": 1.234}"#);
    let (_, thousand) = price(r#"{"size": 1234}"#);
    assert!(status != 200 || !same(small, thousand), "{small:?} {thousand:?}");
}

#[test]
fn texts_are_gone_on_with() {
    let server = serve(&["writer"], |_| {});
    let at = server.address();
    let ask = json!({ "prompt": "the ", "max_tokens": 12, "temperature": 0, "stream": false });
    let whole = post_json(at, "/generate", &ask).ok();
    assert_eq!((&whole["tokens"], &whole["finish"]), (&12.into(), &"length".into()));
    let text = whole["text"].as_str().unwrap();
    assert_eq!(text.chars().count(), 12);
    // The same as a stream of events.
    let told = post_json(at, "/generate", &json!({ "prompt": "the ", "max_tokens": 12, "temperature": 0 }));
    assert_eq!((told.status, told.header("content-type")), (200, Some("text/event-stream")));
    let body = told.text();
    let events: Vec<Value> =
        body.split("\n\n").filter_map(|e| serde_json::from_str(e.strip_prefix("data: ")?).ok()).collect();
    let pieces: String = events.iter().filter_map(|e| e["text"].as_str()).collect();
    assert_eq!((pieces.as_str(), &events.last().unwrap()["done"]), (text, &true.into()));
    assert!(events.len() > 3, "{events:?}");
    // Triton's way.
    let ask = json!({ "text_input": "the ", "parameters": { "max_tokens": 12, "temperature": 0 } });
    assert_eq!(post_json(at, "/v2/models/writer/generate", &ask).ok()["text_output"], text);
    let told = post_json(at, "/v2/models/writer/generate_stream", &ask);
    assert!(told.text().contains("text_output"), "{}", told.text());
    // A stop ends it.
    let end = text.chars().nth(5).unwrap().to_string();
    let ask = json!({ "prompt": "the ", "max_tokens": 12, "temperature": 0, "stream": false, "stop": [end] });
    let told = post_json(at, "/generate", &ask).ok();
    assert_eq!((told["text"].as_str().unwrap(), &told["finish"]), (text.split(&end).next().unwrap(), &"stop".into()));
    for bad in [
        json!({ "prompt": "the ", "max_tokens": 0 }),
        json!({ "prompt": "the ", "max_tokens": 1_000_000 }),
        json!({ "prompt": "the ", "temperature": -1 }),
        json!({ "prompt": "the ", "top_p": 2 }),
        json!({ "prompt": "the ", "stop": [""] }),
        json!({ "prompt": "the ", "maxtokens": 3 }),
        json!({ "prompt": "the ".repeat(100_000) }),
        json!({}),
    ] {
        assert_eq!(post_json(at, "/generate", &bad).status, 400, "{bad}");
    }
    assert_eq!(post_json(at, "/predict", &json!({ "texts": ["a"] })).status, 400);
    assert_eq!(get(at, "/v2/health/ready").status, 200);
}
