#!/usr/bin/env python3
"""The figures of `figures.rs` for the real Caffe2, on the same nets: run it with a Python that has Caffe2
(tests/golden/README.md says how to install one).  One thread unless it says otherwise, each figure the best of many
runs.  Arguments choose parts, named as those of figures.rs."""
import os
import sys
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


WIDTH = 256     # values in a row


def table(rows, width):
    data = (np.arange(rows * (width + 8)) * 7 % 256).astype(np.uint8).reshape(rows, width + 8)
    data[:, width:] = np.array([0.01, -1], np.float32).view(np.uint8)
    return data


def row_dequantization():
    """ns per element: reused output; fresh output (freed after each run, within the net); numpy, reused and fresh."""
    for op in ('ByteWeightDequant', 'Fused8BitRowwiseQuantizedToFloat'):
        print('%s, rows of %d, ns per element' % (op, WIDTH))
        print('%12s %10s %10s %14s %14s' % ('elements', 'reused', 'fresh', 'numpy, reused', 'numpy, fresh'))
        for size in (4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20):
            codes = (np.arange(size) * 7 % 256).astype(np.uint8)
            args = {}
            if op == 'ByteWeightDequant':
                workspace.FeedBlob('x', codes)
                args = dict(shape=[size])
            else:
                workspace.FeedBlob('x', table(size // WIDTH, WIDTH))
            times = max(1, (1 << 20) // size)
            row = []
            for fresh in (False, True):
                net = core.Net('r')
                for _ in range(times):
                    getattr(net, op)(['x'], ['w'], **args)
                    if fresh:
                        net.Free(['w'], ['w'])
                workspace.CreateNet(net)
                name = net.Proto().name
                row.append(best(lambda: workspace.RunNet(name)) * 1e9 / (size * times))
            codes = codes.reshape(-1, WIDTH)
            scale, bias = np.full((len(codes), 1), 0.01, np.float32), np.full((len(codes), 1), -1, np.float32)
            out = np.empty(codes.shape, np.float32)

            def reused():
                np.multiply(codes, scale, out=out)
                np.add(out, bias, out=out)

            row += [best(reused) * 1e9 / size, best(lambda: codes * scale + bias) * 1e9 / size]
            print('%12d %10.3f %10.3f %14.3f %14.3f' % tuple([size] + row))
            workspace.ResetWorkspace()
        print()


def lookups(batch=100, batches=64):
    print('sums of rows, groups of 20 to 50, batches of %d, ns per row read' % batch)
    print('%20s %10s %10s %10s' % ('table', '8 bits', '4 bits', 'float'))
    for rows, width in ((100000, 64), (1000000, 128)):
        figures = []
        for op in ('SparseLengthsSumFused8BitRowwise', 'SparseLengthsSumFused4BitRowwise', 'SparseLengthsSum'):
            rng = np.random.RandomState(1)
            if '8Bit' in op:
                data = table(rows, width)
            elif '4Bit' in op:
                data = (np.arange(rows * (width // 2 + 4)) * 7 % 256).astype(np.uint8).reshape(rows, -1)
                data[:, width // 2:] = np.array([0.0078125, -1], np.float16).view(np.uint8)
            else:
                data = np.full((rows, width), 0.5, np.float32)
            workspace.FeedBlob('data', data)
            net, read = core.Net('s'), 0
            for b in range(batches):
                lengths = rng.randint(20, 51, batch).astype(np.int32)
                read += lengths.sum()
                workspace.FeedBlob('i%d' % b, rng.randint(0, rows, lengths.sum()).astype(np.int64))
                workspace.FeedBlob('l%d' % b, lengths)
                getattr(net, op)(['data', 'i%d' % b, 'l%d' % b], ['y'])
            workspace.CreateNet(net)
            name = net.Proto().name
            figures.append(best(lambda: workspace.RunNet(name)) * 1e9 / read)
            workspace.ResetWorkspace()
        print('%20s %10.2f %10.2f %10.2f' % tuple(['%d x %d' % (rows, width)] + figures))
    print()


def chains(count, length, net_type='simple'):
    """`count` chains of one-element Relus, `length` operators together."""
    net = caffe2_pb2.NetDef(name='chains', type=net_type, num_workers=2, external_input=['x'])
    for i in range(length):
        chain, place = i % count, i // count
        before = 'x%d_%d' % (chain, place) if place else 'x'
        net.op.add(type='Relu', input=[before], output=['x%d_%d' % (chain, place + 1)])
    return net


def per_operator(net):
    workspace.CreateNet(net, True)
    # Several runs in one call, so that the way through Python does not count.
    return best(lambda: workspace.C.run_net(net.name, 10, False)) / 10 / len(net.op) * 1e9


def build_per_operator(net):
    message = net.SerializeToString()
    return best(lambda: workspace.C.create_net(message, True)) * 1e6 / len(net.op)


def overhead():
    workspace.FeedBlob('x', np.ones(1, np.float32))
    print('1000 one-element Relus, ns per operator:')
    print('  a chain, simple: %.1f' % per_operator(chains(1, 1000)))
    print('  a chain, dag with 2 workers: %.1f' % per_operator(chains(1, 1000, 'dag')))
    print('  two chains, simple: %.1f' % per_operator(chains(2, 1000)))
    print('  two chains, dag with 2 workers: %.1f' % per_operator(chains(2, 1000, 'dag')))
    print('  500 chains of two, dag with 2 workers: %.1f' % per_operator(chains(500, 1000, 'dag')))
    print('building 10000 of them, us per operator:')
    print('  a chain, simple: %.2f' % build_per_operator(chains(1, 10000)))
    print('  a chain, dag: %.2f' % build_per_operator(chains(1, 10000, 'dag')))
    print('  100 chains, dag: %.2f' % build_per_operator(chains(100, 10000, 'dag')))
    relu = core.CreateOperator('Relu', ['x'], ['y']).SerializeToString()
    once = best(lambda: [workspace.C.run_operator_once(relu) for _ in range(1000)])
    print('run_operator_once: %.2f us\n' % (once * 1e6 / 1000))


def products():
    """The first fully connected layer of VGG, whose weights are floats here."""
    k, n = 25088, 4096
    workspace.FeedBlob('w', np.full((n, k), 0.01, np.float32))
    workspace.FeedBlob('b', np.zeros(n, np.float32))
    print('FC, weights [%d, %d], ms' % (n, k))
    for m in (1, 2, 3, 4, 8, 16, 32, 64):
        workspace.FeedBlob('x', np.full((m, k), 0.5, np.float32))
        net = core.Net('fc%d' % m)
        net.FC(['x', 'w', 'b'], ['y'])
        workspace.CreateNet(net)
        name = net.Proto().name
        print('%6d %10.2f' % (m, best(lambda: workspace.RunNet(name)) * 1e3))
    workspace.ResetWorkspace()
    print()


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


PARTS = {
    'dequantization': dequantization,
    'rows': lambda: (row_dequantization(), lookups()),
    'overhead': overhead,
    'products': products,
    'detector': detector,
}

if __name__ == '__main__':
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
