#!/usr/bin/env python3
"""The nets of the zoo in the real Caffe2.

  PYTHON benches/peers/caffe2_zoo.py THREADS FOLDER NET    prints `milliseconds, ms until it is loaded, MiB at most`: the
                                                           best of many runs of one picture
  PYTHON benches/peers/caffe2_zoo.py --export FOLDER NET...    writes what zoo_to_onnx.py reads

FOLDER/NET holds init_net.pb, predict_net.pb and input.npz, as `write_zoo` of crates/caffe2-zoo makes them."""
import os
import sys

EXPORT = sys.argv[1] == '--export'
THREADS = '1' if EXPORT else sys.argv[1]
os.environ.update(OMP_NUM_THREADS=THREADS, MKL_NUM_THREADS=THREADS)
os.environ.setdefault('MKL_DEBUG_CPU_TYPE', '5')

import json                                              # noqa: E402
import resource                                          # noqa: E402
import time                                              # noqa: E402

import numpy as np                                       # noqa: E402
from caffe2.proto import caffe2_pb2                      # noqa: E402
from caffe2.python import core, workspace                # noqa: E402

core.GlobalInit(['caffe2', '--caffe2_log_level=3', '--caffe2_omp_num_threads=' + THREADS])


def read(path):
    with open(path, 'rb') as f:
        return caffe2_pb2.NetDef.FromString(f.read())


def load(folder):
    workspace.ResetWorkspace()
    workspace.RunNetOnce(read(os.path.join(folder, 'init_net.pb')))
    net = read(os.path.join(folder, 'predict_net.pb'))
    with np.load(os.path.join(folder, 'input.npz')) as fed:
        for blob in fed.files:
            workspace.FeedBlob(blob, fed[blob])
    workspace.CreateNet(net)
    return net


def argument(a):
    for field in ('f', 'i', 's'):
        if a.HasField(field):
            value = getattr(a, field)
            return value.decode() if field == 's' else value
    return list(a.ints) or list(a.floats)


def export(folder):
    """The net as JSON, its parameters, and the output, as Caffe2 has them."""
    net = load(folder)
    workspace.RunNet(net.name)
    fed = np.load(os.path.join(folder, 'input.npz')).files
    parameters = {name: workspace.FetchBlob(name) for name in net.external_input if name not in fed}
    ops = [{'type': op.type, 'inputs': list(op.input), 'outputs': list(op.output),
            'args': {a.name: argument(a) for a in op.arg},
            'shape': list(workspace.FetchBlob(op.output[0]).shape)} for op in net.op]
    with open(os.path.join(folder, 'net.json'), 'w') as f:
        json.dump({'name': net.name, 'input': fed[0], 'output': net.external_output[0], 'ops': ops}, f)
    np.savez(os.path.join(folder, 'parameters.npz'), **parameters)
    np.savez(os.path.join(folder, 'expected.npz'), expected=workspace.FetchBlob(net.external_output[0]))


def measure(folder):
    start = time.perf_counter()
    net = load(folder)
    loaded = time.perf_counter() - start
    workspace.RunNet(net.name)
    until, shortest = time.perf_counter() + 0.8, float('inf')
    while time.perf_counter() < until:
        start = time.perf_counter()
        workspace.RunNet(net.name)
        shortest = min(shortest, time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print('%.2f %.0f %.0f' % (shortest * 1e3, loaded * 1e3, peak))


if EXPORT:
    for name in sys.argv[3:]:
        export(os.path.join(sys.argv[2], name))
else:
    measure(os.path.join(sys.argv[2], sys.argv[3]))
