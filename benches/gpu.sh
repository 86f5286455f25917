#!/usr/bin/env bash
# All that a real GPU should be asked, from built programs, in under 8 minutes
# and in the order of value: every test, profiles, speed against PyTorch.
#
#     benches/pack.sh && benches/gpu.sh [OUT]
#
# OUT       where logs and figures go (default: $OUT, else target/gpu-results)
# BIN       what benches/pack.sh gathered (default: target/gpu)
# WGRAD_DEVICE  part of the adapter's name (default: the first that is hardware)
# WGRAD_DATA    data sets, for the tests that read them
# LIBRARIES     a folder with a Vulkan loader, where the system has none
# PYTHON        a Python that has PyTorch (default: python3)
# SECONDS_IN_ALL, SECONDS_TESTS, SECONDS_EACH  limits (470, 200, 60)
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-${OUT:-target/gpu-results}}
bin=${BIN:-target/gpu}
python=${PYTHON:-python3}
each=${SECONDS_EACH:-60}
end=$((SECONDS + ${SECONDS_IN_ALL:-470}))
mkdir -p "$out"
out=$(cd "$out" && pwd)
bin=$(cd "$bin" && pwd) || { echo "no folder $bin: benches/pack.sh makes it"; exit 2; }
[ -n "${LIBRARIES:-}" ] && export LD_LIBRARY_PATH="$LIBRARIES:${LD_LIBRARY_PATH:-}"
export WGRAD_REQUIRE_GPU=1 BENCH_SECONDS=${BENCH_SECONDS:-0.4}
for log in summary.txt tests.log profile.log compare.log f16.log; do : >"$out/$log"; done

say() { echo "$*" | tee -a "$out/summary.txt"; }

# run LIMIT LOG COMMAND..: at most LIMIT seconds and no more than are left.
run() {
    local limit=$1 log=$2 left=$((end - SECONDS)) begun=$SECONDS code
    took=0
    shift 2
    [ "$limit" -lt "$left" ] || limit=$left
    [ "$limit" -gt 2 ] || { say "left out, no time: $(basename "$1") ${*:2}"; return 1; }
    echo "== $(basename "$1") ${*:2}" >>"$log"
    timeout -k 3 "$limit" "$@" >>"$log" 2>&1
    code=$?
    took=$((SECONDS - begun))
    [ $code = 124 ] || [ $code = 137 ] && say "stopped after $limit s: $(basename "$1") ${*:2}"
    return $code
}

"$bin/wgrad" devices | tee -a "$out/summary.txt"
if [ -z "${WGRAD_DEVICE:-}" ]; then
    WGRAD_DEVICE=$("$bin/wgrad" devices | grep -v 'software;\|(cpu, cpu' | sed -n '1s/^ *[0-9]*  \([^(,]*[^(, ]\).*/\1/p')
    [ -n "$WGRAD_DEVICE" ] || { say "no GPU here: is a Vulkan driver installed? (LIBRARIES, VK_DRIVER_FILES)"; exit 1; }
fi
export WGRAD_DEVICE
say "device: $WGRAD_DEVICE"

# The tests find the tree and the program where they were built.
built=$(cat "$bin/built-at" 2>/dev/null || pwd)
[ -e "$built" ] || { mkdir -p "$(dirname "$built")" && ln -s "$PWD" "$built"; }
[ -e "$built/target/release/wgrad" ] || { mkdir -p "$built/target/release" && cp "$bin/wgrad" "$built/target/release/"; }

say "-- tests"
tests_end=$((SECONDS + ${SECONDS_TESTS:-200}))
suites="smoke ops goldens train updates sequence augment stream resume"
# Those that are left, in no order.
for path in "$bin"/tests/*; do
    [[ " $suites " == *" $(basename "$path") "* ]] || suites+=" $(basename "$path")"
done
passed=0 broken=""
for suite in $suites; do
    [ -x "$bin/tests/$suite" ] || continue
    left=$((tests_end - SECONDS))
    [ "$left" -gt 2 ] || { broken+=" $suite (left out)"; continue; }
    log="$out/tests.$suite"
    run $((left < each ? left : each)) "$log" "$bin/tests/$suite"
    code=$?
    result=$(grep '^test result' "$log" | tail -1)
    sofar="$(grep -c '^test .* ok$' "$log") ok, $(grep -c '^test .*FAILED$' "$log") failed, then code $code"
    say "$suite: ${result:-$sofar} ($took s)"
    case $code-$result in
    0-?*) passed=$((passed + 1)) ;;
    124-*) broken+=" $suite (not done)" ;;
    *) broken+=" $suite (failed)" ;;
    esac
    grep '^test .*FAILED$' "$log" | head -20 | tee -a "$out/summary.txt"
    cat "$log" >>"$out/tests.log" && rm "$log"
done
say "$passed suites passed; not:${broken:- none}"

say "-- profiles (profile.log)"
if "$bin/wgrad" profile --help >/dev/null 2>&1; then
    run "$each" "$out/profile.log" "$bin/wgrad" profile keras-cnn --batch-size 128
    run "$each" "$out/profile.log" "$bin/wgrad" profile lstm --batch-size 128
    run "$each" "$out/profile.log" "$bin/wgrad" profile char-gpt --batch-size 16
    grep -c '^== ' "$out/profile.log" | sed 's/$/ profiles/' | tee -a "$out/summary.txt"
else
    say "this wgrad has no profile"
fi

say "-- speed (compare.json)"
# As compiled and replayed as it can be, PyTorch is the yardstick.
run 400 "$out/compare.log" "$python" benches/compare.py --step "$bin/step" --wgrad "$bin/wgrad" --python "$python" \
    --devices "$WGRAD_DEVICE,cuda" --peers "wgrad,eager,graphs" --limit "$each" --out "$out/compare.json" \
    --only "${ONLY:-keras-cnn,lstm,char-gpt,resnet8,matmul}" --matmul "${MATMUL:-512,1024,2048,4096}"
[ -e "$out/compare.json" ] && "$python" benches/compare.py --show "$out/compare.json" | tee -a "$out/summary.txt"

# Products of halves with sums in floats, and training with halves; cuBLAS is the
# yardstick for cooperative matrices.
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    say "-- f16 (f16.log)"
    for n in 1024 4096; do run "$each" "$out/f16.log" "$python" benches/peers/torch_step.py matmul $n cuda --f16; done
else
    say "no PyTorch with CUDA here: nothing to compare with"
fi
for n in ${MATMUL_F16:-1024 4096}; do run "$each" "$out/f16.log" "$bin/step" matmul "$n" "$WGRAD_DEVICE" --json --f16 --tune; done
run "$each" "$out/f16.log" "$bin/step" keras-cnn 128 "$WGRAD_DEVICE" --json --f16 --tune
run "$each" "$out/f16.log" "$bin/step" char-gpt 16 "$WGRAD_DEVICE" 64 --json --f16 --tune
grep -v '^== ' "$out/f16.log" | tee -a "$out/summary.txt"
say "done in $SECONDS s: $out"
