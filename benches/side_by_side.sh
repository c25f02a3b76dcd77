#!/usr/bin/env bash
# The figures of docs/performance.md: ours and those of the real Caffe2, one after the other on the same machine.
# Usage: benches/side_by_side.sh PYTHON [PEERS], a Python that has Caffe2 (tests/golden/README.md says how to install
# one), and one that has onnx, onnxruntime and openvino.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?"usage: benches/side_by_side.sh PYTHON [PEERS]"}

grep -m1 'model name' /proc/cpuinfo || true
date -u +%F
echo; echo "== this project"
cargo run --release --quiet -p caffe2-benches --bin figures
echo; echo "== Caffe2"
"$python" benches/peers/caffe2_figures.py
if [ -n "${2:-}" ]; then
    echo; echo "== ONNX Runtime and OpenVINO"
    "$2" benches/peers/byte_products.py
fi
