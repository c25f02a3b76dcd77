#!/usr/bin/env python3
"""Train the digit classifier with the real Caffe2, and write every file of this folder but this one and README.md.

  train.py            train and write
  train.py --check    train and compare with what is stored

Needs Caffe2 and scikit-learn in one Python; README.md says how to get them.
"""
import argparse
import io
import json
import os
import sys
import tempfile
import zipfile

# One thread and one code path of the matrix library: the same training on every machine.
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', MKL_CBWR='COMPATIBLE')

import numpy as np  # noqa: E402
from caffe2.proto import caffe2_pb2  # noqa: E402
from caffe2.python import core, workspace  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 1
TEST_IMAGES = 360
EPOCHS = 60
BATCH = 32
RATE = 0.05         # falls to zero as a half cosine
MOMENTUM = 0.9
DECAY = 1e-3        # of weights, not of biases
SHIFT = 1           # images are moved by up to so many pixels while training

# Parameter → shape; the size of a weight's random start follows from its inputs.
PARAMS = {
    'conv1_w': (8, 1, 3, 3), 'conv1_b': (8,),
    'conv2_w': (16, 8, 3, 3), 'conv2_b': (16,),
    'fc_w': (10, 64), 'fc_b': (10,),
}
OUTPUTS = ('init_net.pb', 'init_net_byte.pb', 'predict_net.pb', 'predict_net.pbtxt', 'test_images.npz',
           'test_labels.npy', 'expected.npz', 'expected.json')


# ---------------------------------------------------------------- nets

def layers():
    """From `data` ([N, 1, 8, 8], 0 to 16) to `softmax` ([N, 10])."""
    op = core.CreateOperator
    return [
        op('Scale', ['data'], ['scaled'], scale=1 / 16),
        op('Conv', ['scaled', 'conv1_w', 'conv1_b'], ['conv1'], kernel=3, pad=1),
        op('Relu', ['conv1'], ['conv1']),
        op('MaxPool', ['conv1'], ['pool1'], kernel=2, stride=2),
        op('Conv', ['pool1', 'conv2_w', 'conv2_b'], ['conv2'], kernel=3, pad=1),
        op('Relu', ['conv2'], ['conv2']),
        op('AveragePool', ['conv2'], ['pool2'], kernel=2, stride=2),
        op('FC', ['pool2', 'fc_w', 'fc_b'], ['fc']),
        op('Softmax', ['fc'], ['softmax']),
    ]


def net_def(name, ops, inputs, outputs):
    net = caffe2_pb2.NetDef(name=name)
    for o in ops:
        o.ClearField('debug_info')
    net.op.extend(ops)
    net.external_input.extend(inputs)
    net.external_output.extend(outputs)
    return net


def predict_net():
    return net_def('digits', layers(), ['data'] + list(PARAMS), ['softmax'])


def float_fill(name, v):
    return core.CreateOperator('GivenTensorFill', [], [name], shape=list(v.shape), values=[float(x) for x in v.ravel()])


def byte_fills(name, v):
    """The weight as codes 0 to 255 of its own range, and the operator that expands them."""
    lo, hi = np.float64(v.min()), np.float64(v.max())
    codes = np.rint((v - lo) / (hi - lo) * 255).astype(np.uint8)
    return [
        core.CreateOperator('GivenTensorByteStringToUInt8Fill', [], [name + '_bytes'], shape=list(v.shape),
                            values=[codes.tobytes()]),
        core.CreateOperator('ByteWeightDequant', [name + '_bytes'], [name], shape=list(v.shape), min=float(lo),
                            max=float(hi)),
    ]


def init_nets(params):
    floats = [float_fill(n, v) for n, v in params.items()]
    # Biases are few: they stay floats.
    mixed = [o for n, v in params.items() for o in (byte_fills(n, v) if n.endswith('_w') else [float_fill(n, v)])]
    return net_def('digits_init', floats, [], list(params)), net_def('digits_init_byte', mixed, [], list(params))


# ---------------------------------------------------------------- training

def train_net():
    """The layers, the loss, its gradients, and one step of gradient descent with momentum for each parameter."""
    fed = ['data', 'label', 'rate', 'one', 'decay'] + list(PARAMS) + [n + '_momentum' for n in PARAMS]
    net = core.Net(net_def('digits_train', layers()[:-1], fed, []))
    net.SoftmaxWithLoss(['fc', 'label'], ['softmax', 'loss'])
    gradients = net.AddGradientOperators(['loss'])
    for name in PARAMS:
        gradient = gradients[name]
        if name.endswith('_w'):
            gradient = net.WeightedSum([gradient, 'one', name, 'decay'], name + '_decayed')
        net.MomentumSGDUpdate([gradient, name + '_momentum', 'rate', name],
                              [name + '_step', name + '_momentum', name], momentum=MOMENTUM, nesterov=0)
    return net


def shifted(rng, images):
    """Each image moved by -SHIFT to SHIFT pixels in both directions; what comes in is background."""
    wide = np.pad(images, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    out = np.empty_like(images)
    for i, (dy, dx) in enumerate(rng.randint(0, 2 * SHIFT + 1, (len(images), 2))):
        out[i] = wide[i, :, dy:dy + 8, dx:dx + 8]
    return out


def train(images, labels):
    rng = np.random.RandomState(SEED)
    workspace.ResetWorkspace()
    for name, shape in PARAMS.items():
        start = rng.randn(*shape) * np.sqrt(2 / np.prod(shape[1:])) if name.endswith('_w') else np.zeros(shape)
        workspace.FeedBlob(name, start.astype(np.float32))
        workspace.FeedBlob(name + '_momentum', np.zeros(shape, np.float32))
    workspace.FeedBlob('one', np.ones(1, np.float32))
    workspace.FeedBlob('decay', np.array([DECAY], np.float32))
    workspace.FeedBlob('rate', np.zeros(1, np.float32))
    workspace.FeedBlob('data', images[:BATCH])
    workspace.FeedBlob('label', labels[:BATCH])
    net = train_net()
    workspace.CreateNet(net)
    steps = len(images) // BATCH
    for epoch in range(EPOCHS):
        order, losses = rng.permutation(len(images)), []
        for step in range(steps):
            done = (epoch * steps + step) / (EPOCHS * steps)
            pick = order[step * BATCH:(step + 1) * BATCH]
            workspace.FeedBlob('rate', np.array([RATE * (1 + np.cos(np.pi * done)) / 2], np.float32))
            workspace.FeedBlob('data', shifted(rng, images[pick]))
            workspace.FeedBlob('label', labels[pick])
            workspace.RunNet(net)
            losses.append(float(workspace.FetchBlob('loss')))
        if (epoch + 1) % 10 == 0:
            print('epoch %d: loss %.4f' % (epoch + 1, np.mean(losses)))
    return {n: workspace.FetchBlob(n) for n in PARAMS}


# ---------------------------------------------------------------- results

def classify(init, predict, images):
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    workspace.FeedBlob('data', images)
    workspace.RunNetOnce(predict)
    return workspace.FetchBlob('softmax')


def save_npz(path, **arrays):
    """A compressed .npz without dates, so that equal contents make equal files."""
    with zipfile.ZipFile(path, 'w') as z:
        for name, v in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, v)
            z.writestr(zipfile.ZipInfo(name + '.npy', (1980, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED, 9)


def save(folder, params, images, labels):
    float_init, byte_init = init_nets(params)
    predict = predict_net()
    softmax = {'float': classify(float_init, predict, images), 'byte': classify(byte_init, predict, images)}
    summary = {}
    for kind, s in softmax.items():
        correct = int((s.argmax(1) == labels).sum())
        summary[kind] = dict(images=len(labels), correct=correct, accuracy=correct / len(labels),
                             classes=s.argmax(1).tolist())
        print('%-5s %d of %d right (%.2f %%)' % (kind, correct, len(labels), 100 * correct / len(labels)))

    def path(name):
        return os.path.join(folder, name)
    for name, message in (('init_net.pb', float_init), ('init_net_byte.pb', byte_init), ('predict_net.pb', predict)):
        open(path(name), 'wb').write(message.SerializeToString())
    open(path('predict_net.pbtxt'), 'w').write(text_format.MessageToString(predict))
    save_npz(path('test_images.npz'), data=images)
    np.save(path('test_labels.npy'), labels)
    save_npz(path('expected.npz'), **{'softmax_' + k: s for k, s in softmax.items()})
    lines = ['%s: %s' % (json.dumps(k), json.dumps(v, sort_keys=True)) for k, v in summary.items()]
    open(path('expected.json'), 'w').write('{\n' + ',\n'.join(lines) + '\n}\n')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--check', action='store_true')
    a = p.parse_args()
    core.GlobalInit(['caffe2', '--caffe2_log_level=3'])
    digits = load_digits()
    images = digits.images.astype(np.float32).reshape(-1, 1, 8, 8)
    labels = digits.target.astype(np.int32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_IMAGES, random_state=SEED, stratify=labels)
    params = train(train_x, train_y)
    print('%d parameters' % sum(v.size for v in params.values()))
    if not a.check:
        return save(HERE, params, test_x, test_y)
    with tempfile.TemporaryDirectory() as made:
        save(made, params, test_x, test_y)
        wrong = [n for n in OUTPUTS
                 if open(os.path.join(made, n), 'rb').read() != open(os.path.join(HERE, n), 'rb').read()]
    if wrong:
        sys.exit('differs: ' + ', '.join(wrong))
    print('as stored')


if __name__ == '__main__':
    main()
