"""Small nets that combine operators, in the form of two files: init_net and predict_net."""
import numpy as np
from caffe2.proto import caffe2_pb2
from common import F, normal, ramp


def net(name, ops, inputs=(), outputs=(), kind=''):
    out = caffe2_pb2.NetDef(name=name)
    if kind:
        out.type = kind
    for o in ops:
        o.ClearField('debug_info')
    out.op.extend(ops)
    out.external_input.extend(inputs)
    out.external_output.extend(outputs)
    return out


def fills(op, params):
    """GivenTensorFill of every parameter."""
    return [op('GivenTensorFill', [], [n], shape=list(v.shape), values=[float(x) for x in v.ravel()])
            for n, v in params.items()]


def byte_fills(op, params):
    """Codes of every parameter, and the ByteWeightDequant that makes it of them."""
    out = []
    for n, v in params.items():
        lo, hi = F(v.min()), F(v.max())
        step = (np.float64(hi) - np.float64(lo)) / 255 or 1.0
        codes = np.clip(np.rint((v - np.float64(lo)) / step), 0, 255).astype(np.uint8)
        out.append(op('GivenTensorByteStringToUInt8Fill', [], [n + '_codes'], shape=list(v.shape),
                      values=[codes.tobytes()]))
        out.append(op('ByteWeightDequant', [n + '_codes'], [n], shape=list(v.shape), min=float(lo), max=float(hi)))
    return out


def cnn_nchw(op, rng):
    """Residual block, groups, operators in place, squeeze and excitation with the legacy broadcast."""
    params = dict(
        w1=normal(rng, 8, 4, 3, 3) / 6, b1=normal(rng, 8), w2=normal(rng, 8, 2, 3, 3) / 4, b2=normal(rng, 8),
        w3=normal(rng, 8, 8, 1, 1) / 3, ws=normal(rng, 8, 8) / 3, bs=normal(rng, 8), mul=normal(rng, 8),
        add=normal(rng, 8), wf=normal(rng, 5, 32) / 6, bf=normal(rng, 5))
    params = {n: v.astype(F) for n, v in params.items()}
    ops = [
        op('Conv', ['data', 'w1', 'b1'], ['c1'], kernel=3, pad=1),
        op('Relu', ['c1'], ['c1']),
        op('Conv', ['c1', 'w2', 'b2'], ['c2'], kernel=3, pad=1, group=4, dilation=1, order='NCHW'),
        op('LeakyRelu', ['c2'], ['c2'], alpha=0.1),
        op('Conv', ['c2', 'w3'], ['c3'], kernel=1),
        op('Mul', ['c3', 'mul'], ['c3'], broadcast=1, axis=1),
        op('Add', ['c3', 'add'], ['c3'], broadcast=1, axis=1),
        op('Sum', ['c3', 'c1'], ['c3']),
        op('AveragePool', ['c3'], ['squeezed'], global_pooling=1),
        op('FC', ['squeezed', 'ws', 'bs'], ['gate'], axis=1),
        op('Sigmoid', ['gate'], ['gate']),
        op('Mul', ['c3', 'gate'], ['gated'], broadcast=1, axis=0),
        op('MaxPool', ['gated'], ['pooled'], kernel=3, stride=2, legacy_pad=3),
        op('MaxPool', ['pooled'], ['pooled2'], kernel=3, stride=3),
        op('FC', ['pooled2', 'wf', 'bf'], ['logits']),
        op('Softmax', ['logits'], ['prob']),
    ]
    init = net('cnn_nchw_init', fills(op, params), outputs=list(params))
    predict = net('cnn_nchw', ops, ['data'] + list(params), ['prob', 'logits'], kind='simple')
    return init, predict, {'data': normal(rng, 2, 4, 12, 12)}, dict(
        tolerance=dict(rtol=1e-4, atol=1e-5), note='convolutions in NCHW, groups, in-place operators, legacy broadcast')


def cnn_nhwc(op, rng):
    params = dict(w1=normal(rng, 6, 3, 3, 4) / 6, b1=normal(rng, 6), w2=normal(rng, 6, 3, 3, 3) / 5, b2=normal(rng, 6),
                  wf=normal(rng, 7, 54) / 7, bf=normal(rng, 7))
    params = {n: v.astype(F) for n, v in params.items()}
    nhwc = dict(order='NHWC')
    ops = [
        op('Transpose', ['data'], ['nhwc'], axes=[0, 2, 3, 1]),
        op('Conv', ['nhwc', 'w1', 'b1'], ['c1'], kernel=3, legacy_pad=2, stride=2, **nhwc),
        op('Relu', ['c1'], ['c1']),
        op('Conv', ['c1', 'w2', 'b2'], ['c2'], kernel=3, pad=1, group=2, **nhwc),
        op('Relu', ['c2'], ['r2']),
        op('AveragePool', ['r2'], ['pooled'], kernel=2, stride=2, count_include_pad=1, **nhwc),
        op('Transpose', ['pooled'], ['nchw'], axes=[0, 3, 1, 2]),
        op('Reshape', ['nchw'], ['flat', 'old_shape'], shape=[0, -1]),
        op('FC', ['flat', 'wf', 'bf'], ['logits']),
        op('Softmax', ['logits'], ['prob']),
    ]
    init = net('cnn_nhwc_init', fills(op, params), outputs=list(params))
    predict = net('cnn_nhwc', ops, ['data'] + list(params), ['prob', 'pooled', 'old_shape'])
    return init, predict, {'data': normal(rng, 3, 4, 12, 11)}, dict(
        tolerance=dict(rtol=1e-4, atol=1e-5), note='convolutions in NHWC between two transpositions')


def fc_stack(op, rng):
    params = dict(mean=normal(rng, 6), std=np.abs(normal(rng, 6)) + F(0.5), w1=normal(rng, 16, 6) / 2,
                  b1=normal(rng, 16), w2=normal(rng, 8, 16) / 4, b2=normal(rng, 8), w3=normal(rng, 3, 4, 2) / 2,
                  b3=normal(rng, 3))
    params = {n: v.astype(F) for n, v in params.items()}
    ops = [
        op('Sub', ['x', 'mean'], ['centred']),
        op('Div', ['centred', 'std'], ['normal']),
        op('Copy', ['normal'], ['kept']),
        op('FC', ['normal', 'w1', 'b1'], ['h1'], axis=2),
        op('Relu', ['h1'], ['h1']),
        op('FC', ['h1', 'w2', 'b2'], ['h2'], axis=2),
        op('Sigmoid', ['h2'], ['h2']),
        op('Scale', ['h2'], ['h2'], scale=0.25),
        op('FC', ['h2', 'w3', 'b3'], ['y'], axis=-1),
        op('Flatten', ['y'], ['flat'], axis=2),
        op('Softmax', ['flat'], ['prob']),
    ]
    init = net('fc_stack_init', fills(op, params), outputs=list(params))
    predict = net('fc_stack', ops, ['x'] + list(params), ['prob', 'kept', 'flat'])
    return init, predict, {'x': normal(rng, 2, 3, 6)}, dict(
        tolerance=dict(rtol=1e-4, atol=1e-6), note='fully connected layers on the last axis; x of rank 3')


def byte_weights(op, rng):
    params = dict(w1=normal(rng, 8, 3, 3, 3) / 5, b1=normal(rng, 8), w2=normal(rng, 8, 1, 3, 3) / 3, b2=normal(rng, 8),
                  wf=normal(rng, 10, 32) / 6, bf=normal(rng, 10))
    params = {n: v.astype(F) for n, v in params.items()}
    ops = [
        op('Conv', ['data', 'w1', 'b1'], ['c1'], kernel=3, stride=2, pad=1),
        op('Relu', ['c1'], ['c1']),
        op('Conv', ['c1', 'w2', 'b2'], ['c2'], kernel=3, group=8),
        op('Relu', ['c2'], ['c2']),
        op('MaxPool', ['c2'], ['pooled'], kernel=2, stride=2),
        op('FC', ['pooled', 'wf', 'bf'], ['logits']),
        op('Softmax', ['logits'], ['prob']),
    ]
    init = net('byte_weights_init', byte_fills(op, params), outputs=list(params))
    predict = net('byte_weights', ops, ['data'] + list(params), ['prob', 'logits'])
    return init, predict, {'data': normal(rng, 2, 3, 12, 12)}, dict(
        tolerance=dict(rtol=1e-4, atol=1e-5), note='every weight is bytes behind ByteWeightDequant')


def exact(op, rng):
    """Integers, strings and shapes computed in the net: nothing is rounded."""
    int64 = caffe2_pb2.TensorProto.INT64
    init = net('exact_init', [
        op('GivenTensorIntFill', [], ['row'], shape=[3], values=[10, -20, 30]),
        op('GivenTensorInt64Fill', [], ['shape'], shape=[2], values=[-1, 2]),
        op('GivenTensorStringFill', [], ['names'], shape=[2, 3], values=[b'a', b'', b'\xff\x00', b'd', b'e', b'f']),
        op('ConstantFill', [], ['sevens'], shape=[2, 3], value=7, dtype=caffe2_pb2.TensorProto.INT32),
    ])
    predict = net('exact', [
        op('Add', ['x', 'row'], ['sum']),
        op('Mul', ['sum', 'sevens'], ['product']),
        op('Div', ['product', 'row'], ['quotient']),
        op('Sub', ['product', 'quotient'], ['product']),
        op('Sum', ['product', 'quotient', 'sevens'], ['total']),
        op('Transpose', ['total'], ['turned']),
        op('Reshape', ['turned', 'shape'], ['pairs', 'turned_shape']),
        op('ConstantFill', ['shape'], ['big'], input_as_shape=0, value=2 ** 40, dtype=int64),
        op('Add', ['shape', 'big'], ['big']),
        op('Flatten', ['names'], ['names_flat'], axis=0),
        op('Copy', ['names_flat'], ['names_copy']),
    ], ['x', 'row', 'shape', 'names', 'sevens'], ['pairs', 'turned_shape', 'quotient', 'big', 'names_copy'])
    return init, predict, {'x': ramp(2, 3, dtype=np.int32)}, dict(note='integers and strings, shapes as blobs')


def nets(op, rng):
    for make in (cnn_nchw, cnn_nhwc, fc_stack, byte_weights, exact):
        yield (make.__name__,) + make(op, rng)
