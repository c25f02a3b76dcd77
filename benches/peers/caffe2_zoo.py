#!/usr/bin/env python3
"""How long the nets of the zoo take in the real Caffe2: the best of many runs of one picture.

  PYTHON benches/peers/caffe2_zoo.py THREADS FOLDER NET...    prints a line `NET milliseconds` each

FOLDER/NET holds init_net.pb, predict_net.pb and input.npz, as `write_zoo` of crates/caffe2-zoo makes them."""
import os
import sys
import time

threads = sys.argv[1]
os.environ.update(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
os.environ.setdefault('MKL_DEBUG_CPU_TYPE', '5')

import numpy as np                                       # noqa: E402
from caffe2.proto import caffe2_pb2                      # noqa: E402
from caffe2.python import core, workspace                # noqa: E402

core.GlobalInit(['caffe2', '--caffe2_log_level=3', '--caffe2_omp_num_threads=' + threads])


def read(path):
    with open(path, 'rb') as f:
        return caffe2_pb2.NetDef.FromString(f.read())


for name in sys.argv[3:]:
    folder = os.path.join(sys.argv[2], name)
    workspace.ResetWorkspace()
    workspace.RunNetOnce(read(os.path.join(folder, 'init_net.pb')))
    with np.load(os.path.join(folder, 'input.npz')) as fed:
        for blob in fed.files:
            workspace.FeedBlob(blob, fed[blob])
    net = read(os.path.join(folder, 'predict_net.pb'))
    workspace.CreateNet(net)
    for _ in range(2):
        workspace.RunNet(net.name)
    until, shortest = time.perf_counter() + 1.5, float('inf')
    while time.perf_counter() < until:
        start = time.perf_counter()
        workspace.RunNet(net.name)
        shortest = min(shortest, time.perf_counter() - start)
    print('%s %.2f' % (name, shortest * 1e3), flush=True)
