//! Bodies of requests to a server, in each of its protocols. The first byte says which address is asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wgrad_fuzz::{begin, server::Asked};

static SERVER: LazyLock<Asked> = LazyLock::new(Asked::start);

/// Addresses, and what their bodies are.
const ADDRESSES: [(&str, &str); 16] = [
    ("/predict?model=flats", "Content-Type: application/json"),
    ("/predict?model=flats", "Content-Type: text/csv"),
    ("/predict?model=pictures", "Content-Type: image/png"),
    ("/predict?model=pictures", "Content-Type: application/json"),
    ("/predict?model=pictures", "Content-Type: multipart/form-data; boundary=b"),
    ("/predict?model=moods", "Content-Type: application/json"),
    ("/predict?model=wave", "Content-Type: application/json"),
    ("/v2/models/pictures/infer", "Content-Type: application/json"),
    ("/v2/models/pictures/infer", "Inference-Header-Content-Length: 96"),
    ("/v2/models/flats/infer", "Content-Type: application/json"),
    ("/v2/models/moods/infer", "Content-Type: application/json"),
    ("/v1/models/pictures:predict", "Content-Type: application/json"),
    ("/v1/models/flats:predict", "Content-Type: application/json"),
    ("/v1/models/flats:classify", "Content-Encoding: gzip"),
    ("/generate?model=story", "Content-Type: application/json"),
    ("/v2/models/story/generate", "Content-Type: application/json"),
];

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let [which, body @ ..] = bytes else { return };
    let (address, header) = ADDRESSES[usize::from(*which) % ADDRESSES.len()];
    let head = format!(
        "POST {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    SERVER.ask(&[head.as_bytes(), body].concat());
});
