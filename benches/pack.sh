#!/usr/bin/env bash
# Gathers what benches/gpu.sh runs, for a machine without Rust: the program, the
# bench `step` and the tests, built and stripped of debugging information.
#
#     benches/pack.sh [FOLDER]        # default: target/gpu
#
# Then carry the repository and the folder there: tar -cJf gpu.tar.xz -C target gpu
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/gpu}
mkdir -p "$folder/tests" target

cargo build --release
cargo test --release --no-run --tests 2>&1 | tee target/pack.log
cargo bench --no-run --bench step 2>&1 | tee -a target/pack.log
root=${CARGO_TARGET_DIR:-target}/release
strip -o "$folder/wgrad" "$root/wgrad"
# cargo names what it made: Executable tests/ops.rs (target/release/deps/ops-0123)
sed -n 's/.*Executable \(.*\) (\(.*\))$/\1 \2/p' target/pack.log | while read -r source program; do
    case $source in
    tests/*/main.rs) strip -o "$folder/tests/$(basename "$(dirname "$source")")" "$program" ;;
    tests/*.rs) strip -o "$folder/tests/$(basename "$source" .rs)" "$program" ;;
    benches/step.rs) strip -o "$folder/step" "$program" ;;
    esac
done
# Tests that start the program or read the tree look where they were built.
pwd >"$folder/built-at"
du -sh "$folder"
