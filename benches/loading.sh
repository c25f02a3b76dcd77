#!/usr/bin/env bash
# Loading init nets of the zoo: ours and the real Caffe2, side by side. Each line is the quickest of RUNS processes (5
# unless set): milliseconds, the growth of the resident memory at its peak, what the blobs take, both in MiB.
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
cargo run --release --quiet -p caffe2-zoo --example write_zoo -- "$folder" "${nets[@]}" > /dev/null
cargo build --release --quiet -p caffe2-benches --bin loading
ours=${CARGO_TARGET_DIR:-target}/release/loading

line() {
    local what=$1
    shift
    local best
    best=$(for _ in $(seq "${RUNS:-5}"); do "$@"; done | sort -n | head -1)
    # shellcheck disable=SC2086
    printf '%-28s %8s ms %8s MiB %8s MiB\n' "$what" $best
}

for net in "${nets[@]}"; do
    init=$folder/$net/init_net.pb
    printf '\n== %s, a file of %d MiB\n' "$net" "$(($(stat -c %s "$init") >> 20))"
    printf '%-28s %11s %12s %12s\n' '' 'load' 'peak' 'blobs'
    line 'ours' "$ours" "$init" --threads 1
    line 'ours, all threads' "$ours" "$init"
    line 'ours, --no-mmap' "$ours" "$init" --threads 1 --no-mmap
    line 'ours, whole net first' "$ours" "$init" --threads 1 --whole
    line 'Caffe2' "$python" benches/peers/caffe2_loading.py "$init"
done
