"""SpatialBN, LRN, AffineChannel, LayerNorm, GroupNorm, InstanceNorm, Normalize, NormalizeL1."""
import numpy as np
from common import F, MEANS, REFUSED_TYPES, normal, ramp, strings

NORMS = dict(rtol=1e-4, atol=1e-5)
PER_CHANNEL = 'one element for each channel is wanted; Caffe2 does not look'


def parameters(rng, channels):
    return dict(s=normal(rng, channels), b=normal(rng, channels), m=normal(rng, channels),
                v=np.asarray(rng.rand(channels) + 0.5, F))


def spatial_bn(op, rng):
    ins, train = ['X', 's', 'b', 'm', 'v'], ['Y', 'm', 'v', 'sm', 'sv']

    def case(name, x, outs=('Y',), more=(), options=None, **args):
        order = args.get('order', 'NCHW')
        c = x.shape[1 if order.upper() == 'NCHW' else -1] if x.ndim > 1 else 1
        feeds = dict(parameters(rng, c), X=x)
        names = ins
        for key, value in dict(more).items():
            feeds[key] = value
        if 'S' in feeds:
            names = ins + ['S', 'Q']
        args = {k: v for k, v in args.items() if v is not None}
        return name, op('SpatialBN', names, list(outs), **args), feeds, dict(options or {}, tolerance=NORMS)

    x = normal(rng, 2, 3, 4, 5)
    for order in ('NCHW', 'NHWC'):
        for name, outs, is_test in (('test', ['Y'], 1), ('train', train, 0)):
            for place in ('', '_in_place'):
                o = ['X'] + outs[1:] if place else outs
                yield case('%s_%s%s' % (name, order, place), x, o, is_test=is_test, order=order)
            yield case('%s_%s_rank_2' % (name, order), normal(rng, 4, 3), outs, is_test=is_test, order=order)
            yield case('%s_%s_rank_3' % (name, order), normal(rng, 2, 3, 4), outs, is_test=is_test, order=order)
            yield case('%s_%s_rank_5' % (name, order), normal(rng, 2, 3, 2, 2, 2), outs, is_test=is_test, order=order)
    for name, outs, is_test in (('test', ['Y'], 1), ('train', train, 0)):
        yield case(name + '_epsilon', x, outs, is_test=is_test, epsilon=0.5)
        yield case(name + '_empty_batch', x[:0], outs, is_test=is_test)
        yield case(name + '_no_pixels', x[:, :, :0], outs, is_test=is_test)
        yield case(name + '_one_element', x[:1, :, :1, :1], outs, is_test=is_test)
        yield case(name + '_lower_case_order', x, outs, is_test=is_test, order='nchw')
        yield case('refuses_%s_no_channels' % name, x[:, :0], outs, is_test=is_test)
        yield case('refuses_%s_rank_1' % name, x[0, 0, 0], outs, is_test=is_test)
        yield case('refuses_%s_order' % name, x, outs, is_test=is_test, order='CHWN')
        yield case('refuses_%s_epsilon_0' % name, x, outs, is_test=is_test, epsilon=0.0)
        yield case('refuses_%s_momentum_above_1' % name, x, outs, is_test=is_test, momentum=1.5)
        yield case('refuses_%s_momentum_below_0' % name, x, outs, is_test=is_test, momentum=-0.5)
        yield case('refuses_%s_short_scale' % name, x, outs, dict(s=ramp(2)), is_test=is_test)
        yield case('refuses_%s_short_bias' % name, x, outs, dict(b=ramp(2)), is_test=is_test)
        yield case('refuses_%s_outputs' % name, x, train if is_test else ['Y'], is_test=is_test)
        yield case('refuses_%s_three_outputs' % name, x, train[:3], is_test=is_test)
        for dtype in REFUSED_TYPES:
            yield case('refuses_%s_%s' % (name, np.dtype(dtype).name), np.ones((2, 3, 2), dtype), outs, is_test=is_test)
    yield case('test_negative_variance', x, more=dict(v=np.array([-1, 1, 0], F)), is_test=1)
    yield case('test_parameters_of_rank_2', x, more=dict(s=ramp(1, 3), m=ramp(3, 1)), is_test=1)
    yield case('test_7_inputs', x, more=dict(S=ramp(3), Q=ramp(3)), is_test=1)
    yield case('test_large_plane', normal(rng, 1, 2, 40, 41), is_test=1)
    for momentum in (0.0, 0.3, 1.0):
        yield case('train_momentum_%g' % momentum, x, train, is_test=0, momentum=momentum)
    yield case('train_7_inputs_one_batch', x, train, dict(S=ramp(3), Q=ramp(3)), is_test=0)
    sums = dict(S=ramp(3) * 3, Q=ramp(3) * 100)
    yield case('train_7_inputs_two_batches', x, train, sums, is_test=0, num_batches=2)
    yield case('train_7_inputs_two_batches_NHWC', x.transpose(0, 2, 3, 1).copy(), train, sums, is_test=0, num_batches=2,
               order='NHWC')
    yield case('train_7_inputs_in_place', x, ['X', 'm', 'v', 'S', 'Q'], sums, is_test=0, num_batches=3)
    yield case('refuses_two_batches_short_sums', x, train, dict(S=ramp(2), Q=ramp(3)), is_test=0, num_batches=2)
    yield case('refuses_two_batches_5_inputs', x, train, is_test=0, num_batches=2)
    yield case('refuses_no_is_test', x)
    yield case('refuses_not_in_place', x, ['Y', 'a', 'b', 'c', 'd'], is_test=0)
    yield case('refuses_test_short_mean', x, more=dict(m=ramp(2)), is_test=1)
    yield case('refuses_test_short_variance', x, more=dict(v=ramp(2)), is_test=1)
    long_mean = dict(diverges=PER_CHANNEL, ours='refused')
    yield case('test_empty_batch_short_mean', x[:0], more=dict(m=ramp(2)), is_test=1, options=long_mean)
    for order in ('NCHW', 'NHWC'):
        # More channels than are summed at once, and several items.
        for name, outs, is_test in (('test', ['Y'], 1), ('train', train, 0)):
            y = normal(rng, 2, 37, 3, 5) if order == 'NCHW' else normal(rng, 2, 3, 5, 37)
            yield case('%s_%s_many_channels' % (name, order), y, outs, is_test=is_test, order=order)
            y = normal(rng, 1, 3, 9, 11) if order == 'NCHW' else normal(rng, 1, 9, 11, 3)
            yield case('%s_%s_many_pixels' % (name, order), y, outs, is_test=is_test, order=order)
    yield case('no_batches', x, train, is_test=0, num_batches=0,
               options=dict(diverges='num_batches below 1 means nothing', ours='refused'))
    yield 'refuses_4_inputs', op('SpatialBN', ins[:4], ['Y'], is_test=1), dict(parameters(rng, 3), X=x)
    yield 'refuses_6_inputs', op('SpatialBN', ins + ['s'], ['Y'], is_test=1), dict(parameters(rng, 3), X=x)


def lrn(op, rng):
    def case(name, x, outs=('Y', 'S'), options=None, **args):
        return name, op('LRN', ['X'], list(outs), **args), {'X': x}, dict(options or {}, tolerance=NORMS)

    x = normal(rng, 2, 6, 3, 7)
    for order in ('NCHW', 'NHWC'):
        for size in (1, 2, 3, 4, 5, 9, 20):
            yield case('%s_size_%d' % (order, size), x, size=size, alpha=0.5, beta=0.75, order=order)
        for beta in (0.0, 0.5, 0.6, 1.0, 2.0, -0.5):
            yield case('%s_beta_%g' % (order, beta), x, size=3, alpha=0.2, beta=beta, bias=2.0, order=order)
        yield case('%s_one_output' % order, x, ['Y'], size=5, alpha=1e-4, beta=0.75, order=order)
        yield case('%s_negative_scale' % order, x, size=3, alpha=-9.0, beta=0.75, order=order)
        yield case('%s_only_size' % order, x, size=5, order=order)
        yield case('%s_empty_batch' % order, x[:0], size=5, alpha=1.0, order=order)
        yield case('%s_no_pixels' % order, x[:, :, :0] if order == 'NCHW' else x[:, :0], size=5, alpha=1.0, order=order)
        yield case('%s_one_element' % order, x[:1, :1, :1, :1], size=5, alpha=1.0, beta=0.75, order=order)
        y = normal(rng, 1, 100, 2, 3) if order == 'NCHW' else normal(rng, 1, 2, 3, 100)
        for size in (15, 63, 64, 65, 80, 150):
            yield case('%s_wide_size_%d' % (order, size), y, size=size, alpha=0.5, beta=0.75, order=order)
        y = normal(rng, 1, 4, 17, 19) if order == 'NCHW' else normal(rng, 1, 2, 2, 300)
        yield case('%s_long_line' % order, y, size=3, alpha=0.5, beta=0.6, order=order)
    yield case('refuses_rank_3', x[0], size=3)
    yield case('refuses_in_place', x, ['X'], size=3)
    yield case('refuses_scale_in_place', x, ['Y', 'X'], size=3)
    yield case('refuses_three_outputs', x, ['Y', 'S', 'T'], size=3)
    y = np.ones((1, 5, 1, 1), F)
    y[0, 1] = np.nan
    ours = np.full((1, 5, 1, 1), np.nan, F)
    ours[0, 3:, 0, 0] = 2, 5 / 3
    yield case('nan', y, ['Y_unused', 'S'], size=3, alpha=1.0, options=dict(
        diverges='NaN stays in the windows that it is in', fetch=['S'], ours={'S': ours}))
    yield case('size_0', np.ones((1, 1, 1, 1), F), ['Y'], size=0, alpha=1.0,
               options=dict(diverges='a window of nothing: 1 / 0', ours='refused'))
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, np.ones((1, 1, 1, 1), dtype), size=3)


def affine_channel(op, rng):
    def case(name, x, out='Y', options=None, more=(), **args):
        c = x.shape[-1 if args.get('order') == 'NHWC' else 1] if x.ndim > 1 else 1
        feeds = dict(X=x, s=normal(rng, c), b=normal(rng, c))
        feeds.update(more)
        return name, op('AffineChannel', ['X', 's', 'b'], [out], **args), feeds, dict(options or {}, tolerance=MEANS)

    for order in ('NCHW', 'NHWC'):
        for shape in ((2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 2, 2), (1, 1, 1, 1)):
            yield case('%s_rank_%d_%d' % (order, len(shape), shape[0]), normal(rng, *shape), order=order)
        yield case(order + '_in_place', normal(rng, 2, 3, 17), 'X', order=order)
        yield case(order + '_learnable', normal(rng, 2, 3, 4), order=order, is_learnable=1)
        yield case('refuses_%s_learnable_in_place' % order, normal(rng, 2, 3, 4), 'X', order=order, is_learnable=1)
        yield case(order + '_no_pixels', np.zeros((2, 0, 3) if order == 'NHWC' else (2, 3, 0), F), order=order)
    yield case('parameters_of_rank_2', ramp(2, 3, 2), more=dict(s=ramp(1, 3), b=ramp(3, 1)))
    yield case('long_scale', ramp(2, 3, 2), more=dict(s=ramp(5)), options=dict(diverges=PER_CHANNEL, ours='refused'))
    yield case('refuses_rank_1', ramp(3))
    yield case('refuses_order', ramp(2, 3), order='CHWN')
    yield 'refuses_two_inputs', op('AffineChannel', ['X', 's'], ['Y']), dict(X=ramp(2, 3), s=ramp(3))
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 3), dtype))


def layer_norm(op, rng):
    def case(name, x, options=None, inputs=1, more=(), outs=('Y', 'm', 'v'), **args):
        axis = args.get('axis', 1)
        feeds = dict(X=x, s=normal(rng, *x.shape[axis:], dtype=x.dtype), b=normal(rng, *x.shape[axis:], dtype=x.dtype))
        feeds.update(more)
        names = ['X', 's', 'b', 'b'][:inputs]
        feeds = {k: v for k, v in feeds.items() if k in names}
        return name, op('LayerNorm', names, list(outs), **args), feeds, dict(options or {}, tolerance=NORMS)

    for dtype in (F, np.float64):
        t = np.dtype(dtype).name
        x = normal(rng, 2, 3, 4, 5, dtype=dtype)
        for axis in (0, 1, 2, 3, -1, -2, -3, -4):
            yield case('%s_axis_%s' % (t, str(axis).replace('-', 'minus_')), x, axis=axis)
            yield case('%s_affine_axis_%s' % (t, str(axis).replace('-', 'minus_')), x, axis=axis, inputs=3,
                       elementwise_affine=1)
        yield case(t + '_matrix', normal(rng, 3, 37, dtype=dtype))
        yield case(t + '_gamma_and_beta_not_used', x, inputs=3)
        yield case(t + '_short_gamma_not_used', x, inputs=3, more=dict(s=np.ones(2, dtype)))
        yield case(t + '_epsilon', x, epsilon=0.5)
        yield case(t + '_epsilon_0', x, epsilon=0.0)
        yield case(t + '_negative_epsilon', x, epsilon=-100.0)
        yield case(t + '_empty_batch', x[:0])
        yield case(t + '_empty_rows', x[:, :, :0])
        yield case(t + '_one_element', x[:1, 0, 0, :1])
        yield case('refuses_%s_short_gamma' % t, x, inputs=3, more=dict(s=np.ones(2, dtype)), elementwise_affine=1)
        yield case('refuses_%s_short_beta' % t, x, inputs=3, more=dict(b=np.ones(2, dtype)), elementwise_affine=1)
    x = ramp(2, 3)
    yield case('refuses_affine_of_one_input', x, elementwise_affine=1)
    yield case('refuses_gamma_of_another_type', x, inputs=3, more=dict(s=np.ones(3)), elementwise_affine=1)
    yield case('refuses_rank_1', x[0])
    yield case('refuses_rank_1_axis_0', x[0], axis=0)
    yield case('refuses_axis_2', x, axis=2)
    yield case('refuses_axis_minus_3', x, axis=-3)
    yield case('refuses_two_inputs', x, inputs=2)
    yield case('refuses_one_output', x, outs=['Y'])
    yield case('refuses_in_place', x, outs=['X', 'm', 'v'])
    for dtype in (np.float16, np.int32, np.uint8, np.bool_):
        yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 3), dtype))


def group_norm(op, rng):
    def case(name, x, outs=('Y', 'm', 'v'), options=None, more=(), **args):
        c = x.shape[-1 if args.get('order') == 'NHWC' else 1] if x.ndim > 1 else 1
        feeds = dict(X=x, s=normal(rng, c), b=normal(rng, c))
        feeds.update(more)
        return name, op('GroupNorm', ['X', 's', 'b'], list(outs), **args), feeds, dict(options or {}, tolerance=NORMS)

    for order in ('NCHW', 'NHWC'):
        def x(*rest, n=2, c=6):
            return normal(rng, *((n, c) + rest if order == 'NCHW' else (n,) + rest + (c,)))
        for group in (1, 2, 3, 6):
            yield case('%s_group_%d' % (order, group), x(4, 5), order=order, group=group)
        for rest in ((7,), (2, 3, 4)):
            yield case('%s_rank_%d' % (order, 2 + len(rest)), x(*rest), order=order, group=2)
        yield case(order + '_rank_2', x(), order=order, group=2)
        yield case(order + '_32_groups', x(2, 2, c=64), order=order)
        yield case(order + '_one_output', x(4, 5), ['Y'], order=order, group=2)
        yield case(order + '_training', x(4, 5), order=order, group=2, is_test=0)
        yield case(order + '_test', x(4, 5), order=order, group=2, is_test=1)
        yield case(order + '_epsilon', x(4, 5), order=order, group=2, epsilon=0.5)
        yield case(order + '_empty_batch', x(4, 5, n=0), ['Y'], order=order, group=2)
        nothing = dict(diverges='Caffe2 divides nothing by nothing in NHWC; ours are the moments that it gives in NCHW',
                       ours=dict(Y=x(0, 5), m=np.zeros((2, 2), F), v=np.full((2, 2), 1e-5, F)**F(-0.5)))
        yield case(order + '_no_pixels', x(0, 5), order=order, group=2, options=nothing if order == 'NHWC' else None)
    x = normal(rng, 2, 6, 2)
    yield case('no_channels', x[:, :0], group=2, options=dict(
        diverges='the number of groups would be anything', ours='refused'))
    yield case('refuses_training_with_one_output', x, ['Y'], group=2, is_test=0)
    yield case('refuses_two_outputs', x, ['Y', 'm'], group=2)
    yield case('refuses_group_that_does_not_divide', x, group=4)
    yield case('refuses_default_group', x)
    yield case('refuses_negative_group', x, group=-1)
    yield case('refuses_short_gamma', x, group=2, more=dict(s=ramp(5)))
    yield case('refuses_short_beta', x, group=2, more=dict(b=ramp(5)))
    yield case('refuses_in_place', x, ['X', 'm', 'v'], group=2)
    yield case('refuses_rank_1', ramp(3), group=1)
    yield case('refuses_order', x, group=2, order='CHWN')
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 3), dtype), group=1)


def instance_norm(op, rng):
    def case(name, x, outs=('Y', 'm', 'v'), options=None, more=(), **args):
        c = x.shape[-1 if args.get('order') == 'NHWC' else 1] if x.ndim > 1 else 1
        feeds = dict(X=x, s=normal(rng, c), b=normal(rng, c))
        feeds.update(more)
        return name, op('InstanceNorm', ['X', 's', 'b'], list(outs), **args), feeds, dict(options or {}, tolerance=NORMS)

    for order in ('NCHW', 'NHWC'):
        def x(*rest, n=2, c=3):
            return normal(rng, *((n, c) + rest if order == 'NCHW' else (n,) + rest + (c,)))
        for outs in (['Y'], ['Y', 'm'], ['Y', 'm', 'v']):
            yield case('%s_%d_outputs' % (order, len(outs)), x(4, 5), outs, order=order)
            yield case('%s_%d_outputs_in_place' % (order, len(outs)), x(4, 5), ['X'] + outs[1:], order=order)
        for rest in ((7,), (2, 3, 4)):
            yield case('%s_rank_%d' % (order, 2 + len(rest)), x(*rest), order=order)
        yield case(order + '_epsilon', x(4, 5), order=order, epsilon=0.5)
        yield case(order + '_epsilon_0', x(4, 5), order=order, epsilon=0.0)
        yield case(order + '_many_channels', x(3, 5, c=37), order=order)
        yield case(order + '_many_pixels', x(9, 11), order=order)
    x = normal(rng, 2, 3, 4)
    yield case('parameters_of_rank_2', x, more=dict(s=ramp(1, 3), b=ramp(3, 1)))
    yield case('refuses_negative_epsilon', x, epsilon=-1.0)
    yield case('refuses_short_scale', x, more=dict(s=ramp(2)))
    yield case('refuses_short_bias', x, more=dict(b=ramp(2)))
    yield case('refuses_outputs_in_place_of_parameters', x, ['Y', 's', 'b'])
    yield case('refuses_rank_1', ramp(3))
    yield case('refuses_order', x, order='CHWN')
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 3, 2), dtype))


def normalize(op, rng):
    for kind in ('Normalize', 'NormalizeL1'):
        def case(name, x, out='Y', options=None, **args):
            return name, op(kind, ['X'], [out], **args), {'X': x}, dict(options or {}, tolerance=NORMS)

        x = normal(rng, 2, 3, 4, 5)
        yield case('default_axis', x)
        for axis in (0, 1, 2, 3, -1, -2, -3, -4):
            yield case('axis_' + str(axis).replace('-', 'minus_'), x, axis=axis)
        yield case('vector', normal(rng, 33))
        yield case('wide_columns', normal(rng, 2, 5, 37), axis=1)
        yield case('narrow_columns', normal(rng, 70, 3), axis=0)
        yield case('aligned_columns', normal(rng, 2, 3, 32), axis=1)
        yield case('one_element', np.array([-3], F))
        yield case('empty_batch', x[:0])
        yield case('nan', np.array([[np.nan, 1], [2, 2]], F))
        yield case('infinity', np.array([[np.inf, 1], [2, 2]], F))
        if kind == 'Normalize':
            yield case('zeros', np.array([[0, 0], [3, 4]], F))
            yield case('tiny', np.array([[3e-15, 4e-15], [3, 4]], F))
        yield case('refuses_axis_4', x, axis=4)
        yield case('refuses_axis_minus_5', x, axis=-5)
        yield case('refuses_in_place', x, 'X')
        yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': x}
        yield 'refuses_strings', op(kind, ['X'], ['Y']), {'X': strings(b'a')}
        for dtype in REFUSED_TYPES:
            yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 3), dtype))


def cases(op, rng):
    yield from spatial_bn(op, rng)
    yield from lrn(op, rng)
    yield from affine_channel(op, rng)
    yield from layer_norm(op, rng)
    yield from group_norm(op, rng)
    yield from instance_norm(op, rng)
    yield from normalize(op, rng)
