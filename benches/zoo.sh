#!/usr/bin/env bash
# The table of the zoo in docs/performance.md: every net in the real Caffe2 and in this project, one after the other on
# the same machine, one picture, with one thread and with two; the best of many runs, in milliseconds.
# Usage: benches/zoo.sh PYTHON [NET...], a Python that has Caffe2 (tests/golden/README.md says how to install one).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?"usage: benches/zoo.sh PYTHON [NET...]"}
shift

cargo build --release --quiet -p caffe2-benches --bin zoo -p caffe2-zoo --example write_zoo
programs=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ $# -eq 0 ]; then mapfile -t nets < <("$programs/examples/write_zoo" --list); else nets=("$@"); fi

grep -m1 'model name' /proc/cpuinfo || true
date -u +%F
echo
echo '| net | Caffe2, 1 thread | ours | times as fast | Caffe2, 2 threads | ours | times as fast |'
echo '|---|---|---|---|---|---|---|'
for net in "${nets[@]}"; do
  "$programs/examples/write_zoo" "$scratch" "$net" > /dev/null
  read -r _ one < <("$python" benches/peers/caffe2_zoo.py 1 "$scratch" "$net")
  read -r _ two < <("$python" benches/peers/caffe2_zoo.py 2 "$scratch" "$net")
  read -r _ ours_one ours_two < <("$programs/zoo" "$net")
  awk -v n="$net" -v a="$one" -v x="$ours_one" -v b="$two" -v y="$ours_two" \
    'BEGIN { printf "| %s | %.1f | %.1f | %.2f | %.1f | %.1f | %.2f |\n", n, a, x, a / x, b, y, b / y }'
  rm -rf "${scratch:?}/$net"
done
