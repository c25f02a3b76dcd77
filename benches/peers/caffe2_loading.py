#!/usr/bin/env python3
"""What `src/loading.rs` prints, for the real Caffe2: `caffe2_loading.py INIT_NET`, with a Python that has Caffe2
(tests/golden/README.md says how to install one).  One thread."""
import os
import sys
import time

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')

from caffe2.proto import caffe2_pb2                      # noqa: E402
from caffe2.python import core, workspace                # noqa: E402

core.GlobalInit(['caffe2', '--caffe2_log_level=3', '--caffe2_omp_num_threads=1'])


def memory(name):
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))


def load(path):
    # The bytes go to C++ as they are, which parses them once: the quickest way from Python.
    with open(path, 'rb') as f:
        workspace.C.run_net_once(f.read())


def size(name):
    blob = workspace.FetchBlob(name)
    return blob.nbytes if hasattr(blob, 'nbytes') else len(blob)


if __name__ == '__main__':
    # The first net starts what is started once.
    workspace.RunNetOnce(caffe2_pb2.NetDef(name='nothing'))
    before = memory('VmRSS:')
    start = time.perf_counter()
    load(sys.argv[1])
    elapsed = time.perf_counter() - start
    grown = memory('VmHWM:') - before
    stays = sum(size(name) for name in workspace.Blobs())
    print('%.1f %.0f %.0f' % (elapsed * 1e3, grown / 1024, stays / (1 << 20)))
