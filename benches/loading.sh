#!/usr/bin/env bash
# Loading and running nets of the zoo with weights of floats and of bytes: ours and the real Caffe2, side by side. Of RUNS
# processes (3 unless set) each line has the quickest loading with its memory, and the quickest run.
# Usage: benches/loading.sh PYTHON [NET...], a Python that has Caffe2 (tests/golden/README.md says how to install one).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?"usage: benches/loading.sh PYTHON [NET...]"}
shift
nets=("${@:-}")
[ -n "${nets[0]}" ] || nets=(alexnet vgg19)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -m1 'model name' /proc/cpuinfo || true
date -u +%F
cargo build --release --quiet -p caffe2-benches --bin loading -p caffe2-cli -p caffe2-zoo --example write_zoo --bin caffe2
programs=${CARGO_TARGET_DIR:-target}/release

# The quickest loading and the quickest run need not be of one process.
line() {
    local what=$1
    shift
    local lines
    lines=$(for _ in $(seq "${RUNS:-3}"); do "$@"; done)
    # shellcheck disable=SC2046
    printf '| %s | %s | %s | %s | %s | %s |\n' "$what" $(sort -n <<< "$lines" | head -1 | cut -d' ' -f1-4) \
        "$(cut -d' ' -f5 <<< "$lines" | sort -n | head -1)"
}

for net in "${nets[@]}"; do
    "$programs/examples/write_zoo" "$folder" "$net" > /dev/null
    model=$folder/$net
    # The zoo stores its weights as bytes.
    "$programs/caffe2" dequantize --init "$model/init_net.pb" --net "$model/predict_net.pb" \
        --output-init "$model/float_init_net.pb" > /dev/null
    for weights in floats bytes; do
        init=$model/init_net.pb
        [ $weights = bytes ] || init=$model/float_init_net.pb
        files=("$init" "$model/predict_net.pb" "$model/input.npz")
        printf '\n%s, weights of %s, a file of %d MiB\n\n' "$net" "$weights" "$(($(stat -c %s "$init") >> 20))"
        echo '| | load, ms | peak of loading, MiB | blobs, MiB | peak with runs, MiB | a run, ms |'
        echo '|---|---|---|---|---|---|'
        for threads in 1 2; do
            line "ours, $threads threads" "$programs/loading" "${files[@]}" --threads $threads
            [ $weights = floats ] ||
                line "ours, --expand-weights, $threads threads" "$programs/loading" "${files[@]}" --threads $threads --expand-weights
            line "Caffe2, $threads threads" "$python" benches/peers/caffe2_loading.py $threads "${files[@]}"
        done
    done
    rm -rf "$model"
done
