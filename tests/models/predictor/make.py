#!/usr/bin/env python3
"""Predictor files, both ways with the real Caffe2.

  make.py                 write digits.minidb, named.minidb and blobs.minidb by Caffe2's own exporter and Save
  make.py --check FILE    have Caffe2 load a predictor file of the digits net, such as ours.minidb, run it, and
                          compare with what it computes from the two nets in ../digits, bit for bit

Run it with a Python that has Caffe2; ../../golden/README.md says how to get one.
"""
import os
import sys

os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', MKL_CBWR='COMPATIBLE')

import numpy as np  # noqa: E402
from caffe2.proto import caffe2_pb2 as pb2  # noqa: E402
from caffe2.python import core, workspace  # noqa: E402
from caffe2.python.predictor import predictor_exporter as exporter  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DIGITS = os.path.join(HERE, '..', 'digits')


def read(path, message):
    with open(path, 'rb') as f:
        message.ParseFromString(f.read())
    return message


def digits(name, path, **save):
    """The digits net in one file, its parameters in records of few elements."""
    workspace.ResetWorkspace()
    init = read(os.path.join(DIGITS, 'init_net.pb'), pb2.NetDef())
    predict = read(os.path.join(DIGITS, 'predict_net.pb'), pb2.NetDef())
    workspace.RunNetOnce(init)
    parameters = [output for op in init.op for output in op.output]
    shapes = {'data': [1, 1, 8, 8], 'softmax': [1, 10]}
    meta = exporter.PredictorExportMeta(predict, parameters, ['data'], ['softmax'], shapes, name=name)
    exporter.save_to_db('minidb', path, meta, **save)


def named(path):
    """A model with a name, a net of its own that changes a parameter, and another that runs in every thread."""
    workspace.ResetWorkspace()
    workspace.FeedBlob('w', np.array([1, -2], np.float32))
    net = core.Net('score')
    net.Mul(['x', 'w'], ['product'])
    net.Add(['product', 'x'], ['y'])
    first, each = core.Net('first'), core.Net('each')
    first.Scale(['w'], ['w'], scale=2.0)
    each.ConstantFill([], ['unused'], shape=[1], value=1.0)
    meta = exporter.PredictorExportMeta(net, ['w'], ['x'], ['y'], {'x': [2], 'y': [2]}, name='scorer',
                                        extra_init_net=each, global_init_net=first, net_type='simple')
    exporter.save_to_db('minidb', path, meta)


def blobs(path):
    """A blob of each kind that Save knows, no predictor."""
    workspace.ResetWorkspace()
    workspace.FeedBlob('floats', np.arange(5, dtype=np.float32))
    workspace.FeedBlob('text', 'a \xfc'.encode())
    words = np.empty(2, object)
    words[:] = [b'x', b'\xff\x00']
    workspace.FeedBlob('words', words)
    workspace.RunOperatorOnce(core.CreateOperator(
        'Int8GivenTensorFill', [], ['quantised'], shape=[3], values=bytes([0, 128, 255]), Y_scale=0.25, Y_zero_point=3))
    workspace.RunOperatorOnce(core.CreateOperator(
        'Save', ['floats', 'text', 'words', 'quantised'], [], db=path, db_type='minidb', absolute_path=1, chunk_size=2))


def run(net):
    workspace.FeedBlob('data', np.load(os.path.join(DIGITS, 'test_images.npz'))['data'])
    workspace.RunNetOnce(net)
    return workspace.FetchBlob('softmax')


def check(path):
    workspace.ResetWorkspace()
    workspace.RunNetOnce(read(os.path.join(DIGITS, 'init_net.pb'), pb2.NetDef()))
    want = run(read(os.path.join(DIGITS, 'predict_net.pb'), pb2.NetDef()))
    workspace.ResetWorkspace()
    np.testing.assert_array_equal(run(exporter.prepare_prediction_net(path, 'minidb').Proto()), want)
    print('%s: Caffe2 loads it and computes what it computes from the two nets' % path)


def main():
    core.GlobalInit(['caffe2', '--caffe2_log_level=3'])
    if sys.argv[1:2] == ['--check'] and len(sys.argv) == 3:
        return check(sys.argv[2])
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    digits('', os.path.join(HERE, 'digits.minidb'), chunk_size=700)
    named(os.path.join(HERE, 'named.minidb'))
    blobs(os.path.join(HERE, 'blobs.minidb'))
    check(os.path.join(HERE, 'digits.minidb'))


if __name__ == '__main__':
    main()
