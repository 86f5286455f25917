//! Writes Rust for ONNX's `onnx.proto`, without protoc: `cargo run -- onnx.proto OUT.rs`.

use std::path::Path;
use std::{env, fs, process};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [proto, out] = &args[..] else {
        eprintln!("usage: cargo run -- path/to/onnx.proto OUT.rs");
        process::exit(2);
    };
    let folder = Path::new(proto).parent().expect("a file lies in a folder");
    let files = protox::compile([proto], [folder]).expect("onnx.proto parses");
    let made = env::temp_dir().join("onnx-proto");
    fs::create_dir_all(&made).expect("a folder for temporary files");
    prost_build::Config::new().out_dir(&made).compile_fds(files).expect("Rust is generated");
    fs::copy(made.join("onnx.rs"), out).expect("the result is written");
}
