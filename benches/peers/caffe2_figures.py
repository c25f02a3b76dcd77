#!/usr/bin/env python3
"""The figures of `figures.rs` for the real Caffe2, on the same nets: run it with a Python that has Caffe2
(tests/golden/README.md says how to install one).  One thread, each figure the best of many runs."""
import os
import time

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')
os.environ.setdefault('MKL_DEBUG_CPU_TYPE', '5')

import numpy as np                                       # noqa: E402
from caffe2.proto import caffe2_pb2                      # noqa: E402
from caffe2.python import core, workspace                # noqa: E402

core.GlobalInit(['caffe2', '--caffe2_log_level=3', '--caffe2_omp_num_threads=1'])
MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tests/models/tiny_face_detector')


def best(work, seconds=0.5):
    until = time.perf_counter() + seconds
    shortest = float('inf')
    while time.perf_counter() < until:
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def dequantization():
    print('ByteWeightDequant, G elements/s, reused output')
    for size in (4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20):
        workspace.FeedBlob('q', (np.arange(size) * 7 % 256).astype(np.uint8))
        net = core.Net('d%d' % size)
        times = (1 << 20) // min(size, 1 << 20)
        for _ in range(times):
            net.ByteWeightDequant(['q'], ['w'], min=-3.0, max=3.0, shape=[size])
        workspace.CreateNet(net)
        name = net.Proto().name
        print('%12d %10.2f' % (size, size * times / best(lambda: workspace.RunNet(name)) / 1e9))
    print()


def chain(length):
    net = caffe2_pb2.NetDef(name='chain', external_input=['x0'], external_output=['x%d' % length])
    for i in range(length):
        net.op.add(type='Relu', input=['x%d' % i], output=['x%d' % (i + 1)])
    return net


def overhead():
    workspace.FeedBlob('x0', np.ones(1, np.float32))
    workspace.CreateNet(chain(1000))
    # Several runs in one call, so that the way through Python does not count.
    per_op = best(lambda: workspace.C.run_net('chain', 100, False)) / 100 / 1000
    print('chain of 1000 one-element Relus: %.1f ns per operator' % (per_op * 1e9))
    long = chain(10000).SerializeToString()
    build = best(lambda: workspace.C.create_net(long, True))
    print('building 10000 operators: %.2f us per operator' % (build * 1e6 / 10000))
    relu = core.CreateOperator('Relu', ['x0'], ['y']).SerializeToString()
    once = best(lambda: [workspace.C.run_operator_once(relu) for _ in range(1000)])
    print('run_operator_once: %.2f us\n' % (once * 1e6 / 1000))


def detector():
    for name in ('init_net.pb', 'predict_net.pb'):
        net = caffe2_pb2.NetDef()
        with open(os.path.join(MODEL, name), 'rb') as f:
            net.ParseFromString(f.read())
        if name == 'init_net.pb':
            workspace.RunNetOnce(net)
            workspace.FeedBlob('data', np.load(os.path.join(MODEL, 'input.npz'))['data'])
    workspace.CreateNet(net)
    print('tiny_face_detector: a run with 1 thread: %.2f ms' % (best(lambda: workspace.RunNet(net.name)) * 1e3))


if __name__ == '__main__':
    dequantization()
    overhead()
    detector()
