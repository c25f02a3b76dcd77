#!/usr/bin/env python3
"""The fully connected layer of `figures products` in other runtimes: run it with a Python that has onnx, onnxruntime,
openvino and numpy.  Each figure is the best of many runs, in milliseconds."""
import time

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as ops

K, N = 25088, 4096
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def best(work, seconds=0.5):
    work()
    until = time.perf_counter() + seconds
    shortest = float('inf')
    while time.perf_counter() < until:
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest * 1e3


def onnx_model(nodes, weights):
    graph = helper.make_graph(
        nodes, 'fc',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['m', K])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, ['m', N])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    opsets = [helper.make_opsetid('', 17), helper.make_opsetid('com.microsoft', 1)]
    # Protocol buffers end at 2 GB; these are smaller.
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def run_onnx(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    return {m: best(lambda x=np.full((m, K), 0.5, np.float32): session.run(None, {'x': x})) for m in BATCHES}


def run_openvino(weights, threads, scale=None):
    x = ops.parameter([-1, K], np.float32)
    w = ops.constant(weights)
    if scale is not None:
        w = ops.multiply(ops.subtract(ops.convert(w, np.float32), np.float32(128)), np.float32(scale))
    model = openvino.Model([ops.matmul(x, w, False, True)], [x])
    settings = {'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32',
                'DYNAMIC_QUANTIZATION_GROUP_SIZE': 0}
    compiled = openvino.Core().compile_model(model, 'CPU', settings)
    request = compiled.create_infer_request()
    return {m: best(lambda x=np.full((m, K), 0.5, np.float32): request.infer([x])) for m in BATCHES}


def main():
    random = np.random.default_rng(1)
    codes = random.integers(0, 256, (N, K), np.uint8)
    scale = np.float32(0.05 / 255)
    floats = (codes.astype(np.float32) - 128) * scale
    gemm = onnx_model([helper.make_node('Gemm', ['x', 'w', 'b'], ['y'], transB=1)],
                      {'w': floats, 'b': np.zeros(N, np.float32)})
    by_bytes = onnx_model(
        [helper.make_node('DynamicQuantizeMatMul', ['x', 'w', 's', 'z'], ['y'], domain='com.microsoft')],
        {'w': np.ascontiguousarray(codes.T), 's': np.array(scale), 'z': np.array(128, np.uint8)})
    print('onnxruntime %s, openvino %s: X [M, %d] times %d outputs, ms' %
          (onnxruntime.__version__, openvino.__version__.split('-')[0], K, N))
    for threads in (1, 2):
        rows = {'ONNX Runtime Gemm': run_onnx(gemm, threads),
                'ONNX Runtime DynamicQuantizeMatMul': run_onnx(by_bytes, threads),
                'OpenVINO floats': run_openvino(floats, threads),
                'OpenVINO u8 weights': run_openvino(codes, threads, scale)}
        print('%36s' % ('%d threads, M' % threads) + ''.join('%9d' % m for m in BATCHES))
        for name, times in rows.items():
            print('%36s' % name + ''.join('%9.2f' % times[m] for m in BATCHES))


if __name__ == '__main__':
    main()
