#!/usr/bin/env python3
"""What the real Caffe2 makes of the digit classifier as `caffe2 quantize` stores it.

  make.py            run every init_net_*.pb of this folder in Caffe2 and write expected.npz and expected.json
  make.py --check    compare with what is stored

The init nets are written by `caffe2 quantize`; README.md of the digits says how, and how to get Caffe2.
"""
import argparse
import glob
import io
import json
import os
import re
import sys
import zipfile

# One thread and one code path of the matrix library: the same bits on every machine.
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', MKL_CBWR='COMPATIBLE')

import numpy as np  # noqa: E402
from caffe2.proto import caffe2_pb2  # noqa: E402
from caffe2.python import core, workspace  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.dirname(HERE)
WEIGHTS = 'conv1_w', 'conv2_w', 'fc_w'
STORED = 60         # images whose softmax is stored; all are counted


def net(path):
    out = caffe2_pb2.NetDef()
    with open(path, 'rb') as f:
        out.ParseFromString(f.read())
    return out


def run(init):
    """The weights that an init net makes, and the softmax of all test images."""
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    weights = {n: workspace.FetchBlob(n) for n in WEIGHTS}
    workspace.FeedBlob('data', np.load(os.path.join(MODEL, 'test_images.npz'))['data'])
    workspace.RunNetOnce(net(os.path.join(MODEL, 'predict_net.pb')))
    return weights, workspace.FetchBlob('softmax')


def npz(arrays):
    """A compressed .npz without dates, so that equal contents make equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        for name, v in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, v)
            z.writestr(zipfile.ZipInfo(name + '.npy', (1980, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def make():
    labels = np.load(os.path.join(MODEL, 'test_labels.npy'))
    _, before = run(net(os.path.join(MODEL, 'init_net.pb')))
    arrays, summary = {}, {}
    for path in sorted(glob.glob(os.path.join(HERE, 'init_net_*.pb'))):
        scheme = re.search(r'init_net_(\w+)\.pb$', path).group(1)
        weights, softmax = run(net(path))
        for name, w in weights.items():
            arrays['%s_%s' % (scheme, name)] = w
        arrays[scheme + '_softmax'] = softmax[:STORED]
        summary[scheme] = dict(
            images=len(labels), correct=int((softmax.argmax(1) == labels).sum()),
            same_class_as_float=int((softmax.argmax(1) == before.argmax(1)).sum()),
            largest_change=round(float(np.abs(softmax - before).max()), 6))
        print('%-7s %s' % (scheme, summary[scheme]))
    lines = ['%s: %s' % (json.dumps(k), json.dumps(v, sort_keys=True)) for k, v in summary.items()]
    return {'expected.npz': npz(arrays), 'expected.json': ('{\n' + ',\n'.join(lines) + '\n}\n').encode()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--check', action='store_true')
    a = p.parse_args()
    core.GlobalInit(['caffe2', '--caffe2_log_level=3'])
    for name, content in make().items():
        path = os.path.join(HERE, name)
        if not a.check:
            with open(path, 'wb') as f:
                f.write(content)
        elif open(path, 'rb').read() != content:
            sys.exit('differs: ' + name)
    print('as stored' if a.check else 'written')


if __name__ == '__main__':
    main()
