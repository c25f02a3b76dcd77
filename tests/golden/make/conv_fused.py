"""ConvFused: what Caffe2 computes with the operators that it stands for."""
import numpy as np
from common import SUMS, normal

# name, channels in, channels out, image, kernel, arguments, group, NHWC
WINDOWS = [
    ('1x1', 3, 4, (5, 4), (1, 1), dict(kernel=1), 1, False),
    ('3x3_pad_1', 3, 4, (6, 5), (3, 3), dict(kernel=3, pad=1), 1, False),
    ('3x3_stride_2', 2, 3, (7, 6), (3, 3), dict(kernel=3, stride=2), 1, False),
    ('depthwise', 4, 4, (6, 9), (3, 3), dict(kernel=3, pad=1), 4, False),
    ('group', 4, 6, (5, 5), (3, 3), dict(kernel=3), 2, False),
    ('nhwc_1x1', 3, 4, (5, 4), (1, 1), dict(kernel=1), 1, True),
    ('nhwc_3x3', 3, 4, (6, 5), (3, 3), dict(kernel=3, pad=1), 1, True),
    ('nhwc_depthwise', 4, 4, (6, 9), (3, 3), dict(kernel=3, pad=1), 4, True),
    ('winograd', 16, 16, (14, 13), (3, 3), dict(kernel=3, pad=1, algo='WINOGRAD'), 1, False),
]
BIAS, NORM, AFFINE, SCALE, SUM = 'bias', 'norm', 'affine', 'scale', 'sum'
# name, parts, activation with its arguments
CHAINS = [
    ('nothing', (), None),
    ('bias', (BIAS,), None),
    ('relu', (BIAS,), ('Relu', {})),
    ('leaky_relu', (), ('LeakyRelu', dict(alpha=0.3))),
    ('clip', (BIAS,), ('Clip', dict(min=-0.5, max=0.75))),
    ('norm', (NORM,), None),
    ('bias_norm_relu', (BIAS, NORM), ('Relu', {})),
    ('affine', (BIAS, AFFINE), None),
    ('norm_scale_relu', (NORM, SCALE), ('Relu', {})),
    ('sum', (SUM,), None),
    ('norm_sum_relu', (NORM, SUM), ('Relu', {})),
    ('bias_norm_affine_scale_sum_clip', (BIAS, NORM, AFFINE, SCALE, SUM), ('Clip', dict(min=-1.0, max=1.0))),
]


def chain(op, rng, window, parts, activation, batch=2):
    _, c, m, size, kernel, args, group, nhwc = window
    order = dict(order='NHWC') if nhwc else {}
    x, w = (batch, c) + size, (m, c // group) + kernel
    if nhwc:
        x, w = (batch,) + size + (c,), (m,) + kernel + (c // group,)
    inputs = dict(x=normal(rng, *x), w=normal(rng, *w))
    names, ops = ['x', 'w'], []
    if BIAS in parts:
        inputs['b'] = normal(rng, m)
        names.append('b')
    ops.append(op('Conv', list(names), ['y'], group=group, **args, **order))
    steps = []

    def vectors(kind, *blobs):
        for blob in blobs:
            inputs[blob] = normal(rng, m)
        names.extend(blobs)
        steps.append(kind)
        return ['y'] + list(blobs)

    if NORM in parts:
        ops.append(op('SpatialBN', vectors('SpatialBN', 's', 't', 'mean', 'var'), ['y'], is_test=1, epsilon=1e-3, **order))
        inputs['var'] = np.abs(inputs['var'])
    if AFFINE in parts:
        ops.append(op('AffineChannel', vectors('AffineChannel', 'as', 'ab'), ['y'], **order))
    if SCALE in parts:
        axis = dict(broadcast=1, axis=3 if nhwc else 1)
        ops.append(op('Mul', vectors('Mul', 'ms'), ['y'], **axis))
        ops.append(op('Add', vectors('Add', 'mb'), ['y'], **axis))
    own = dict(epsilon=1e-3) if NORM in parts else {}
    if steps:
        own['normalization'] = steps
    if SUM in parts:
        # Of the shape of the output, which the caller gives it.
        names.append('z')
        own['sum'] = 1
        ops.append(op('Sum', ['y', 'z'], ['y']))
    if activation:
        kind, values = activation
        own.update(values, activation=kind)
        ops.append(op(kind, ['y'], ['y'], **values))
    stored = op('ConvFused', names, ['y'], group=group, **args, **order, **own)
    return ops, inputs, stored


def output_shape(window, batch):
    _, _, m, size, kernel, args, _, nhwc = window
    pad, stride = args.get('pad', 0), args.get('stride', 1)
    out = tuple((s + 2 * pad - k) // stride + 1 for s, k in zip(size, kernel))
    return (batch,) + out + (m,) if nhwc else (batch, m) + out


def cases(op, rng):
    full = [c for c in CHAINS if c[0] in ('norm_sum_relu', 'bias_norm_affine_scale_sum_clip')]
    for window in WINDOWS:
        # The plain image has them all, the others what exercises each part.
        for name, parts, activation in CHAINS if window[0] in ('1x1', '3x3_pad_1') else full:
            ops, inputs, stored = chain(op, rng, window, parts, activation)
            if SUM in parts:
                inputs['z'] = normal(rng, *output_shape(window, 2))
            tolerance = dict(rtol=1e-3, atol=1e-3) if window[0] == 'winograd' else SUMS
            yield '%s_%s' % (window[0], name), ops, inputs, dict(stored=stored, tolerance=tolerance)
    # Caffe2's Mul by channel crashes without images.
    name, parts, activation = full[0]
    ops, inputs, stored = chain(op, rng, WINDOWS[0], parts, activation, batch=0)
    inputs['z'] = normal(rng, *output_shape(WINDOWS[0], 0))
    yield 'no_images_%s' % name, ops, inputs, dict(stored=stored, tolerance=SUMS)
