#!/usr/bin/env python3
"""A net of the zoo in an engine that reads ONNX: `python benches/peers/onnx_zoo.py ENGINE THREADS FOLDER NET`

ENGINE is `onnxruntime` or `openvino`.  Prints `milliseconds, ms until it is loaded, MiB at most`: the best of many runs
of one picture.  FOLDER/NET holds net.onnx, as zoo_to_onnx.py makes it, and input.npz."""
import os
import resource
import sys
import time

ENGINE, THREADS, FOLDER, NET = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]

import numpy as np                                       # noqa: E402


def onnx_runtime(path, feeds):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return lambda: session.run(None, feeds)


def openvino(path, feeds):
    import openvino
    core = openvino.Core()
    # The default on processors with bfloat16 would not be the same sums.
    config = {'INFERENCE_NUM_THREADS': THREADS, 'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
    request = core.compile_model(path, 'CPU', config).create_infer_request()
    return lambda: request.infer(feeds)


__import__(ENGINE)
picture = dict(np.load(os.path.join(FOLDER, NET, 'input.npz')))
start = time.perf_counter()
run = {'onnxruntime': onnx_runtime, 'openvino': openvino}[ENGINE](os.path.join(FOLDER, NET, 'net.onnx'), picture)
loaded = time.perf_counter() - start
run()
until, shortest = time.perf_counter() + 0.8, float('inf')
while time.perf_counter() < until:
    start = time.perf_counter()
    run()
    shortest = min(shortest, time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print('%.2f %.0f %.0f' % (shortest * 1e3, loaded * 1e3, peak))
