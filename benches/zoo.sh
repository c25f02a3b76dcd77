#!/usr/bin/env bash
# The table of the zoo in docs/performance.md: every net in the real Caffe2, in ONNX Runtime, in OpenVINO and in this
# project, one after the other on the same machine: one picture, with one thread and with two, the best of many runs.
#
# Usage: benches/zoo.sh PYTHON [NET...]
#   PYTHON  a Python with Caffe2 (tests/golden/README.md says how to install one)
# Environment:
#   PEERS   a Python with onnx, onnxruntime, openvino and numpy; unless set, one is made in a scratch folder from the
#           package registry (some 500 MB), and removed at the end
#   SCRATCH where nets are written; unless set, a new folder, removed at the end
# The other engines get the same nets with the same float weights, converted to ONNX; it is checked that they give what
# Caffe2 gives. Converted nets in SCRATCH are used again.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?"usage: benches/zoo.sh PYTHON [NET...]"}
shift

cargo build --release --quiet -p caffe2-benches --bin zoo -p caffe2-zoo --example write_zoo
programs=${CARGO_TARGET_DIR:-target}/release
remove=$(mktemp -d)
trap 'rm -rf "$remove"' EXIT
scratch=${SCRATCH:-$remove/zoo}
mkdir -p "$scratch"
if [ -z "${PEERS:-}" ]; then
  python3 -m venv "$remove/peers"
  PEERS=$remove/peers/bin/python
  "$PEERS" -m pip install --quiet --disable-pip-version-check numpy onnx onnxruntime openvino
fi
if [ $# -eq 0 ]; then mapfile -t nets < <("$programs/examples/write_zoo" --list); else nets=("$@"); fi

for net in "${nets[@]}"; do
  if [ ! -e "$scratch/$net/net.onnx" ]; then
    "$programs/examples/write_zoo" "$scratch" "$net" > /dev/null
    "$python" benches/peers/caffe2_zoo.py --export "$scratch" "$net"
    "$PEERS" benches/peers/zoo_to_onnx.py "$scratch" "$net"
  fi
done

grep -m1 'model name' /proc/cpuinfo || true
date -u +%F
"$PEERS" -c 'from importlib.metadata import version as v
print("ONNX Runtime", v("onnxruntime") + ", OpenVINO", v("openvino"))'
rows=()
echo
echo 'Milliseconds, one thread / two; "times" is Caffe2 over ours.'
echo
echo '| net | Caffe2 | ONNX Runtime | OpenVINO | ours | times, 1 thread | 2 threads |'
echo '|---|---|---|---|---|---|---|'
for net in "${nets[@]}"; do
  read -r c1 c_load c_peak < <("$python" benches/peers/caffe2_zoo.py 1 "$scratch" "$net")
  read -r c2 _ < <("$python" benches/peers/caffe2_zoo.py 2 "$scratch" "$net")
  read -r o1 o_load o_peak < <("$PEERS" benches/peers/onnx_zoo.py onnxruntime 1 "$scratch" "$net")
  read -r o2 _ < <("$PEERS" benches/peers/onnx_zoo.py onnxruntime 2 "$scratch" "$net")
  read -r v1 v_load v_peak < <("$PEERS" benches/peers/onnx_zoo.py openvino 1 "$scratch" "$net")
  read -r v2 _ < <("$PEERS" benches/peers/onnx_zoo.py openvino 2 "$scratch" "$net")
  read -r _ x1 x2 x_load x_peak < <("$programs/zoo" "$scratch" "$net")
  awk -v n="$net" -v c1="$c1" -v c2="$c2" -v o1="$o1" -v o2="$o2" -v v1="$v1" -v v2="$v2" -v x1="$x1" -v x2="$x2" \
    'BEGIN { printf "| %s | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f | **%.1f / %.1f** | %.2f | %.2f |\n",
             n, c1, c2, o1, o2, v1, v2, x1, x2, c1 / x1, c2 / x2 }'
  rows+=("| $net | $c_load | $o_load | $v_load | **$x_load** | $c_peak | $o_peak | $v_peak | **$x_peak** |")
done
echo
echo 'Milliseconds until the net is loaded, and MiB that the process takes at most, with one thread.'
echo
echo '| net | load: Caffe2 | ONNX Runtime | OpenVINO | ours | memory: Caffe2 | ONNX Runtime | OpenVINO | ours |'
echo '|---|---|---|---|---|---|---|---|---|'
printf '%s\n' "${rows[@]}"
