#!/usr/bin/env python3
"""Nets of the zoo as ONNX, for engines that read that: `python benches/peers/zoo_to_onnx.py FOLDER NET...`

FOLDER/NET holds what `caffe2_zoo.py --export` has written; FOLDER/NET/net.onnx is made of it, with the same float
weights.  That ONNX Runtime then gives what Caffe2 gives is checked."""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LIMIT = 1e-4        # of the largest output


class Graph:
    def __init__(self, net, parameters):
        self.parameters = dict(parameters)
        self.nodes, self.constants, self.names, self.count = [], {}, {}, 0
        self.input = net['input']

    def constant(self, name, value):
        self.constants[name] = value
        return name

    def read(self, blob):
        """The name of what a blob holds now."""
        if blob in self.names:
            return self.names[blob]
        if blob in self.parameters:
            return self.constant(blob, self.parameters[blob])
        assert blob == self.input, blob
        return blob

    def fresh(self):
        self.count += 1
        return 't%d' % self.count

    def node(self, kind, inputs, **attributes):
        output = self.fresh()
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def integers(self, values):
        return self.constant(self.fresh(), np.array(values, np.int64))


def window(args):
    """Attributes of the window of a convolution or pooling."""
    pad = args.get('pad', 0)
    pads = [args.get('pad_' + side, pad) for side in 'tlbr']
    return dict(kernel_shape=[args['kernel']] * 2, strides=[args.get('stride', 1)] * 2, pads=pads)


def conv(g, op, x):
    weights = [g.read(name) for name in op['inputs'][1:]]
    return g.node('Conv', [x] + weights, group=op['args'].get('group', 1), **window(op['args']))


def fc(g, op, x):
    flat = g.node('Flatten', [x], axis=1)
    return g.node('Gemm', [flat] + [g.read(name) for name in op['inputs'][1:]], transB=1)


def max_pool(g, op, x):
    legacy = op['args'].get('legacy_pad', 0)
    assert legacy in (0, 3)
    return g.node('MaxPool', [x], ceil_mode=int(legacy == 3), **window(op['args']))


def average_pool(g, op, x):
    if op['args'].get('global_pooling', 0):
        return g.node('GlobalAveragePool', [x])
    return g.node('AveragePool', [x], **window(op['args']))


def batch_norm(g, op, x):
    parameters = [g.read(name) for name in op['inputs'][1:]]
    return g.node('BatchNormalization', [x] + parameters, epsilon=op['args']['epsilon'])


def by_channel(kind):
    def make(g, op, x):
        assert op['args'] == {'axis': 1, 'broadcast': 1}
        name = op['inputs'][1]
        return g.node(kind, [x, g.constant(name, g.parameters[name].reshape(-1, 1, 1))])
    return make


def lrn(g, op, x):
    return g.node('LRN', [x], **{name: op['args'][name] for name in ('size', 'alpha', 'beta', 'bias')})


def clip(g, op, x):
    bounds = [g.constant(g.fresh(), np.array(op['args'][name], np.float32)) for name in ('min', 'max')]
    return g.node('Clip', [x] + bounds)


def shuffle(g, op, x):
    group, (n, c, h, w) = op['args']['group'], op['shape']
    split = g.node('Reshape', [x, g.integers([n, group, c // group, h * w])])
    swapped = g.node('Transpose', [split], perm=[0, 2, 1, 3])
    return g.node('Reshape', [swapped, g.integers([n, c, h, w])])


def all_inputs(kind, **attributes):
    return lambda g, op, x: g.node(kind, [g.read(name) for name in op['inputs']], **attributes)


KINDS = {
    'Conv': conv, 'FC': fc, 'MaxPool': max_pool, 'AveragePool': average_pool, 'SpatialBN': batch_norm, 'LRN': lrn,
    'Clip': clip, 'ChannelShuffle': shuffle, 'Mul': by_channel('Mul'), 'Add': by_channel('Add'),
    'Relu': all_inputs('Relu'), 'Sum': all_inputs('Sum'), 'Concat': all_inputs('Concat', axis=1),
    'Softmax': all_inputs('Softmax', axis=1), 'Dropout': lambda g, op, x: x,
}


def convert(net, parameters, picture):
    g = Graph(net, parameters)
    for op in net['ops']:
        g.names[op['outputs'][0]] = KINDS[op['type']](g, op, g.read(op['inputs'][0]))
    tensor = TensorProto.FLOAT
    graph = helper.make_graph(
        g.nodes, net['name'], [helper.make_tensor_value_info(net['input'], tensor, picture.shape)],
        [helper.make_tensor_value_info(g.names[net['output']], tensor, net['ops'][-1]['shape'])],
        [numpy_helper.from_array(value, name) for name, value in g.constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


for name in sys.argv[2:]:
    folder = os.path.join(sys.argv[1], name)
    at = lambda file: os.path.join(folder, file)    # noqa: E731
    with open(at('net.json')) as f:
        net = json.load(f)
    picture = np.load(at('input.npz'))[net['input']]
    onnx.save(convert(net, np.load(at('parameters.npz')), picture), at('net.onnx'))
    want = np.load(at('expected.npz'))['expected']
    got, = onnxruntime.InferenceSession(at('net.onnx')).run(None, {net['input']: picture})
    error = np.abs(got.reshape(want.shape) - want).max() / np.abs(want).max()
    print('%s as ONNX differs by %.1e' % (name, error), file=sys.stderr)
    if not error <= LIMIT:
        sys.exit('%s: ONNX Runtime does not give what Caffe2 gives' % name)
