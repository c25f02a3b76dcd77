#!/usr/bin/env python3
"""What `src/loading.rs` prints, for the real Caffe2: `caffe2_loading.py THREADS INIT_NET PREDICT_NET INPUT_NPZ`, with a
Python that has Caffe2 (tests/golden/README.md says how to install one)."""
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


def memory(name):
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))


def read(path):
    # The bytes go to C++ as they are, which parses them once: the quickest way from Python.
    with open(path, 'rb') as f:
        return f.read()


def size(name):
    blob = workspace.FetchBlob(name)
    return blob.nbytes if hasattr(blob, 'nbytes') else len(blob)


def main(init, predict, fed):
    # The first net starts what is started once.
    workspace.RunNetOnce(caffe2_pb2.NetDef(name='nothing'))
    fed = dict(np.load(fed))
    name = caffe2_pb2.NetDef.FromString(read(predict)).name
    before = memory('VmRSS:')
    start = time.perf_counter()
    workspace.C.run_net_once(read(init))
    for blob, value in fed.items():
        workspace.FeedBlob(blob, value)
    workspace.C.create_net(read(predict), False)
    load = time.perf_counter() - start
    loaded = memory('VmHWM:') - before
    for _ in range(2):
        workspace.RunNet(name)
    start, shortest = time.perf_counter(), float('inf')
    while time.perf_counter() < start + 1:
        run = time.perf_counter()
        workspace.RunNet(name)
        shortest = min(shortest, time.perf_counter() - run)
    ran = memory('VmHWM:') - before
    stays = sum(size(name) for name in workspace.Blobs()) / 2**20
    print('%.1f %.0f %.0f %.0f %.1f' % (load * 1e3, loaded / 1024, stays, ran / 1024, shortest * 1e3))


if __name__ == '__main__':
    main(*sys.argv[2:])
