//! Requests that are broken, or that mean harm: an answer of 4xx with a message, or the end
//! of the connection; never a panic, a hang, or something kept.

use super::client::{Answer, bytes, get, parse, post_json, raw};
use super::make::{SIDE, png, serve};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a request gets: one of these, or, where it is `&[]`, the end of the connection.
type Case = (&'static str, Vec<u8>, &'static [u16]);

const BODY: usize = 256 << 10;

fn post(path: &str, kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    bytes("POST", path, &[("Content-Type", kind)], body.as_ref())
}

fn infer(body: &str) -> Vec<u8> {
    post("/v2/models/halves/infer", "application/json", body)
}

fn predict(model: &str, kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post(&format!("/predict?model={model}"), kind, body)
}

fn tensor(datatype: &str, shape: &str, data: &str) -> Vec<u8> {
    infer(&format!(r#"{{"inputs":[{{"name":"input","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#))
}

/// A request with binary tensors.
fn binary(head_length: &str, size: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        r#"{{"inputs":[{{"name":"input","shape":[1,2],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}]}}"#
    );
    let length = if head_length.is_empty() { head.len().to_string() } else { head_length.to_string() };
    let body = [head.as_bytes(), body].concat();
    bytes("POST", "/v2/models/halves/infer", &[("Inference-Header-Content-Length", &length)], &body)
}

/// A PNG that says it is of a size, with a body that unpacks to much.
fn bomb(side: u32) -> Vec<u8> {
    use flate2::{Compression, write::ZlibEncoder};
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(kind);
        png.extend(data);
        png.extend(crc.sum().to_be_bytes());
    };
    let mut header = [side.to_be_bytes(), side.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &header);
    let mut packed = ZlibEncoder::new(vec![], Compression::best());
    (0..32).for_each(|_| packed.write_all(&vec![0; 1 << 20]).unwrap());
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", b"");
    png
}

fn gzipped(n: usize) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    packed.write_all(&vec![b' '; n]).unwrap();
    packed.finish().unwrap()
}

fn requests() -> Vec<Case> {
    let deep = "[".repeat(100_000);
    let wide: String = (0..20_000).map(|i| format!("\"c{i}\":1,")).collect();
    let many: String = (0..300).map(|i| format!("X-{i}: y\r\n")).collect();
    let parts = "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\na\r\n".repeat(2000) + "--x--\r\n";
    let long_head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    let chunked = |body: &str| {
        let head = "POST /v2/models/halves/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
    };
    let of_length = |length: &str| {
        format!("POST /predict?model=halves HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{{}}")
            .into_bytes()
    };
    let encoded =
        |coding: &str, body: &[u8]| bytes("POST", "/v2/models/halves/infer", &[("Content-Encoding", coding)], body);
    vec![
        // What is no HTTP.
        ("no http", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20), &[400]),
        ("bytes that are no text", b"\xff\xfe / HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        ("no version", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("a version of the future", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(), &[400, 505]),
        ("no host", b"GET /v2 HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), &[400, 403]),
        ("another host", b"GET /v2 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_vec(), &[403]),
        (
            "a host that is no text",
            b"GET /v2 HTTP/1.1\r\nHost: \xff\xff\r\nConnection: close\r\n\r\n".to_vec(),
            &[400, 403],
        ),
        ("a page of another site", bytes("POST", "/predict", &[("Origin", "http://evil.example")], b"{}"), &[403]),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").into_bytes(), &[431]),
        ("a long header", long_head.into_bytes(), &[431]),
        ("a long address", bytes("GET", &format!("/{}", "a".repeat(100_000)), &[], b""), &[414, 431, 400]),
        ("a header without a name", b"GET / HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n".to_vec(), &[400]),
        ("a length that is none", of_length("abc"), &[400]),
        ("a negative length", of_length("-1"), &[400]),
        ("a huge length", of_length("99999999999999"), &[413]),
        ("a length beyond all", of_length("99999999999999999999999999"), &[400]),
        ("two lengths", of_length("2\r\nContent-Length: 3"), &[400]),
        ("a length and chunks", of_length("2\r\nTransfer-Encoding: chunked"), &[400]),
        ("chunks that are none", chunked("zz\r\n"), &[400]),
        ("a chunk that is huge", chunked("fffffffffffffffff\r\n"), &[400]),
        ("chunks without an end", chunked(&format!("{:x}\r\n{}\r\n", BODY + 1, "a".repeat(BODY + 1))), &[413]),
        // Addresses.
        ("a path upwards", bytes("GET", "/../../etc/passwd", &[], b""), &[404]),
        (
            "a path upwards, written in codes",
            bytes("GET", "/v2/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", &[], b""),
            &[404],
        ),
        ("a path of a file", bytes("GET", "/v1/models/../../../etc/passwd", &[], b""), &[404]),
        ("a path with codes that are no text", bytes("GET", "/v2/models/%ff%fe", &[], b""), &[400, 404]),
        ("a path with a zero", bytes("GET", "/v2/models/halves%00", &[], b""), &[404]),
        ("no such model", bytes("GET", "/v2/models/halvse", &[], b""), &[404]),
        ("no such version", bytes("GET", "/v2/models/halves/versions/99999999999999999999", &[], b""), &[404]),
        ("no such query", post("/predict?file=/etc/passwd", "application/json", "{}"), &[400]),
        ("another method", bytes("DELETE", "/v2/models/halves", &[], b""), &[405]),
        ("a method of nobody", bytes("QQQ", "/predict", &[], b""), &[405]),
        (
            "a model to be loaded",
            post("/v2/repository/models/halves/load", "application/json", r#"{"parameters":{"config":"/etc/passwd"}}"#),
            &[400],
        ),
        // JSON.
        ("no body", infer(""), &[400]),
        ("no JSON", infer("{"), &[400]),
        (
            "JSON that is no UTF-8",
            post("/v2/models/halves/infer", "application/json", b"{\"inputs\": \"\xff\xfe\"}"),
            &[400],
        ),
        ("deep JSON", infer(&deep), &[400]),
        ("deep data", tensor("FP32", "[1,2]", &deep), &[400]),
        ("no inputs", infer("{}"), &[400]),
        ("no input", infer(r#"{"inputs":[]}"#), &[400]),
        ("an unknown input", infer(r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#), &[400]),
        ("a type of nobody", tensor("FP99", "[1,2]", "[1,2]"), &[400]),
        ("texts for numbers", tensor("FP32", "[1,2]", r#"["a","b"]"#), &[400]),
        ("another type of data", tensor("BYTES", "[1,2]", "[1,2]"), &[400]),
        ("another shape", tensor("FP32", "[1,3]", "[1,2,3]"), &[400]),
        ("fewer elements", tensor("FP32", "[2,2]", "[1,2]"), &[400]),
        ("ragged lists", tensor("FP32", "[2,2]", "[[1,2],[3]]"), &[400]),
        ("a negative shape", tensor("FP32", "[-1,2]", "[1,2]"), &[400]),
        ("a huge shape", tensor("FP32", "[4611686018427387904,4]", "[1,2]"), &[400]),
        ("a shape of very many", tensor("FP32", &format!("[{}1]", "1,".repeat(10_000)), "[1,2]"), &[400]),
        ("a number beyond floats", tensor("FP32", "[1,2]", "[1e39,0]"), &[400]),
        ("a number beyond numbers", tensor("FP32", "[1,2]", "[1e999,0]"), &[400]),
        ("nothing for a number", tensor("FP32", "[1,2]", "[null,0]"), &[400]),
        (
            "the same input twice",
            infer(
                r#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]},{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#,
            ),
            &[400],
        ),
        (
            "an unknown output",
            infer(
                r#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}],"outputs":[{"name":"x"}]}"#,
            ),
            &[400],
        ),
        (
            "shared memory",
            infer(
                r#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","parameters":{"shared_memory_region":"x"}}]}"#,
            ),
            &[400],
        ),
        ("very many samples", tensor("FP32", "[20000,2]", &format!("[{}0]", "0,".repeat(39_999))), &[400]),
        // Binary tensors.
        ("a head longer than the body", binary("999999", 8, &[0; 8]), &[400]),
        ("a head of no length", binary("-5", 8, &[0; 8]), &[400]),
        ("a head in the middle of JSON", binary("10", 8, &[0; 8]), &[400]),
        ("fewer bytes than said", binary("", 8, &[0; 4]), &[400]),
        ("more bytes than said", binary("", 8, &[0; 12]), &[400]),
        ("a size beyond all", binary("", usize::MAX, &[0; 8]), &[400]),
        // TensorFlow Serving.
        ("no instances", post("/v1/models/halves:predict", "application/json", "{}"), &[400]),
        (
            "instances that are none",
            post("/v1/models/halves:predict", "application/json", r#"{"instances":5}"#),
            &[400],
        ),
        (
            "both forms",
            post("/v1/models/halves:predict", "application/json", r#"{"instances":[[1,2]],"inputs":[[1,2]]}"#),
            &[400],
        ),
        (
            "another signature",
            post("/v1/models/halves:predict", "application/json", r#"{"signature_name":"x","instances":[[1,2]]}"#),
            &[400],
        ),
        ("another verb", post("/v1/models/halves:destroy", "application/json", "{}"), &[404]),
        // Pictures.
        ("a picture that is none", predict("pictures", "image/png", b"hello, world, this is no picture"), &[400]),
        ("a picture that is cut off", predict("pictures", "image/png", &png(64, 64, 7)[..60]), &[400]),
        ("a bomb of a picture", predict("pictures", "image/png", bomb(16_000)), &[400]),
        ("a bomb of wrong sides", predict("pictures", "image/png", bomb(60_000)), &[400]),
        ("base64 that is none", predict("pictures", "application/json", r#"{"pictures":["%%%"]}"#), &[400]),
        (
            "a picture's address",
            predict("pictures", "application/json", r#"{"pictures":["file:///etc/passwd"]}"#),
            &[400],
        ),
        ("another kind of file", predict("pictures", "video/mp4", b"x"), &[415]),
        ("a form without a boundary", predict("pictures", "multipart/form-data", b"x"), &[400]),
        (
            "a form that is cut off",
            predict("pictures", "multipart/form-data; boundary=x", b"--x\r\nContent-Dispos"),
            &[400],
        ),
        ("a form of very many parts", predict("pictures", "multipart/form-data; boundary=x", parts), &[400]),
        // Rows.
        ("a row without its columns", predict("flats", "application/json", r#"{"rows":[{"x":1}]}"#), &[400]),
        ("a row of very many columns", predict("flats", "application/json", format!("{{{wide}\"z\":1}}")), &[400]),
        ("a row of lists", predict("flats", "application/json", r#"[{"size":[1],"district":"north"}]"#), &[400]),
        ("rows that are none", predict("flats", "application/json", "[1,2]"), &[400]),
        ("a table without rows", predict("flats", "text/csv", "size,district\n"), &[400]),
        ("a table of zeros", predict("flats", "text/csv", vec![0; 10_000]), &[400]),
        (
            "a table of one long quote",
            predict("flats", "text/csv", format!("size,district\n\"{}", "a".repeat(200_000))),
            &[400],
        ),
        ("a series that is too short", predict("wave", "text/csv", "month,value\n2001-01-01,1\n"), &[400]),
        // Texts.
        ("a text that is no UTF-8", predict("texts", "text/plain", b"\xff\xfe\xfd"), &[400]),
        ("a prompt for a classifier", post("/generate?model=texts", "application/json", r#"{"prompt":"a"}"#), &[400]),
        // Packed bodies.
        ("a bomb of a body", encoded("gzip", &gzipped(64 << 20)), &[413]),
        ("a packed body that is none", encoded("gzip", b"not gzip"), &[400]),
        ("packed in another way", encoded("br", b"x"), &[415]),
        ("a body above the limit", infer(&" ".repeat(BODY + 1)), &[413]),
    ]
}

/// Nothing of a request is left.
fn is_idle(at: SocketAddr) {
    let pending = |text: &str| {
        let lines = text.lines().filter(|l| l.starts_with("nv_inference_pending_request_count{"));
        lines.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let begun = Instant::now();
    while pending(&get(at, "/metrics").text()) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "requests are still open");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn broken_requests_are_refused_with_a_message() {
    let server = serve(&["halves", "pictures", "flats", "wave", "texts"], |s| {
        s.max_body = BODY;
        s.timeout = Duration::from_secs(20);
    });
    let at = server.address();
    let requests = requests();
    assert!(requests.len() >= 40);
    let mut wrong = vec![];
    for (name, request, expected) in &requests {
        let begun = Instant::now();
        let answer = raw(at, request);
        let took = begun.elapsed();
        let says = |a: &Answer| a.json()["error"].as_str().is_some_and(|m| m.len() > 10);
        let fine = match &answer {
            // Of a request cut short the answer may be lost with the connection.
            None => request.len() > BODY,
            // What is no HTTP at all is refused before there is anybody to explain it.
            Some(a) => expected.contains(&a.status) && (a.body.is_empty() && a.status != 413 || says(a)),
        };
        if !fine || took > Duration::from_secs(15) {
            let said = answer.map(|a| format!("{} {}", a.status, a.text().chars().take(300).collect::<String>()));
            wrong.push(format!("{name}: expected {expected:?}, got {said:?} after {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_idle(at);
    // It answers as before.
    let input = json!({ "name": "input", "shape": [1, 2], "datatype": "FP32", "data": [0.9, 0.0] });
    let told = post_json(at, "/v2/models/halves/infer", &json!({ "inputs": [input] })).ok();
    assert_eq!(told["outputs"][1]["data"], json!(["right"]));
    assert!(server.stop(), "all requests have ended");
}

#[test]
fn slow_clients_lose_their_connection() {
    let server = serve(&["halves"], |s| s.timeout = Duration::from_secs(2));
    let at = server.address();
    let read = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut bytes = vec![];
        let _ = stream.read_to_end(&mut bytes);
        parse(&bytes)
    };
    // A head that does not end.
    let mut head = TcpStream::connect(at).unwrap();
    head.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    // A body that does not come, and one that comes byte by byte.
    let mut body = TcpStream::connect(at).unwrap();
    body.write_all(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{").unwrap();
    let mut drip = body.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        for _ in 0..60 {
            std::thread::sleep(Duration::from_millis(100));
            if drip.write_all(b" ").is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let told = read(&mut body).expect("an answer");
    assert_eq!(told.status, 408, "{}", told.text());
    assert!(told.json()["error"].as_str().unwrap().contains("2 seconds"));
    let _ = read(&mut head);
    assert!(begun.elapsed() < Duration::from_secs(30));
    dripping.join().unwrap();
    is_idle(at);
}

#[test]
fn too_many_connections_are_told_so() {
    let server = serve(&["halves"], |s| s.connections = 8);
    let at = server.address();
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(at).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let told = raw(at, &bytes("GET", "/v2", &[], b"")).expect("an answer");
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{}", told.text());
    drop(silent);
    let begun = Instant::now();
    while raw(at, &bytes("GET", "/v2", &[], b"")).is_none_or(|a| a.status != 200) {
        assert!(begun.elapsed() < Duration::from_secs(30), "connections that have ended still count");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let server = serve(&["pictures", "halves"], |_| {});
    let at = server.address();
    let pixels = vec![7u8; 64 * SIDE * SIDE];
    let input = json!({ "name": "input", "shape": [64, 1, SIDE, SIDE], "datatype": "UINT8", "data": pixels });
    let body = json!({ "inputs": [input] }).to_string();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(&post("/v2/models/pictures/infer", "application/json", &body)).unwrap();
    }
    is_idle(at);
    assert_eq!(get(at, "/v2/models/halves/ready").status, 200);
    assert!(server.stop());
}
