"""MaxPool and AveragePool, and their names with 1D, 2D, 3D."""
import copy

import numpy as np
from common import F, INF, MEANS, NAN, WRONG_FIELD, normal, ramp

# name, image, arguments
PLANE = [
    ('kernel_1', (4, 5), dict(kernel=1)),
    ('kernel_1_stride_2', (5, 4), dict(kernel=1, stride=2)),
    ('kernel_2', (5, 6), dict(kernel=2)),
    ('kernel_2_stride_2', (6, 5), dict(kernel=2, stride=2)),
    ('kernel_3_stride_2', (7, 8), dict(kernel=3, stride=2)),
    ('kernel_3_stride_2_pad_1', (7, 8), dict(kernel=3, stride=2, pad=1)),
    ('kernel_3_pad_2', (4, 4), dict(kernel=3, pad=2)),
    ('kernel_of_image', (3, 4), dict(kernel_h=3, kernel_w=4)),
    ('one_pixel', (1, 1), dict(kernel=1)),
    ('one_pixel_pad_1', (1, 1), dict(kernel=2, pad=1)),
    ('stride_beyond_kernel', (8, 7), dict(kernel=2, stride=3)),
    ('kernel_h_w', (5, 6), dict(kernel_h=2, kernel_w=3)),
    ('kernels', (5, 6), dict(kernels=[3, 2])),
    ('kernels_strides_pads', (5, 6), dict(kernels=[2, 3], strides=[1, 2], pads=[1, 0, 0, 2])),
    ('stride_h_w', (5, 6), dict(kernel=2, stride_h=1, stride_w=2)),
    ('pad_t_l_b_r', (5, 6), dict(kernel=3, stride=2, pad_t=1, pad_l=0, pad_b=2, pad_r=1)),
    ('pad_bottom_right', (5, 5), dict(kernel=2, stride=2, pad_t=0, pad_l=0, pad_b=1, pad_r=1)),
    ('pad_bottom_right_stride_1', (4, 4), dict(kernel=2, stride=1, pad_t=0, pad_l=0, pad_b=1, pad_r=1)),
    ('pad_t_alone_is_ignored', (5, 5), dict(kernel=2, pad_t=1)),
    ('pads_negative', (6, 7), dict(kernel=2, pads=[-1, 0, -1, -2])),
    ('dilation_1', (4, 4), dict(kernel=2, dilation=1)),
    ('legacy_notset', (5, 5), dict(kernel=2, legacy_pad=0, pad=1)),
    ('legacy_valid', (6, 5), dict(kernel=2, stride=2, legacy_pad=1)),
    ('legacy_same', (5, 6), dict(kernel=3, legacy_pad=2)),
    ('legacy_same_stride_2', (5, 6), dict(kernel=3, stride=2, legacy_pad=2)),
    ('legacy_same_even_kernel', (5, 6), dict(kernel=2, stride=2, legacy_pad=2)),
    ('legacy_same_kernel_below_stride', (4, 7), dict(kernel=1, stride=2, legacy_pad=2)),
    ('legacy_same_crops', (3, 6), dict(kernel=1, stride=3, legacy_pad=2)),
    ('legacy_caffe', (6, 6), dict(kernel=3, stride=2, legacy_pad=3)),
    ('legacy_caffe_exact', (7, 7), dict(kernel=3, stride=2, legacy_pad=3)),
    ('legacy_caffe_pad_1', (6, 7), dict(kernel=3, stride=2, pad=1, legacy_pad=3)),
    ('legacy_caffe_pad_last_window_dropped', (4, 5), dict(kernel=2, stride=2, pad=1, legacy_pad=3)),
    ('legacy_caffe_kernel_below_stride', (4, 5), dict(kernel=2, stride=3, legacy_pad=3)),
    ('legacy_caffe_pad_t_l_b_r', (6, 7), dict(kernel=3, stride=2, pad_t=1, pad_l=0, pad_b=2, pad_r=2, legacy_pad=3)),
    ('global', (3, 5), dict(global_pooling=1)),
    ('global_kernel_is_ignored', (4, 3), dict(global_pooling=1, kernel=2)),
    ('global_one_pixel', (1, 1), dict(global_pooling=1)),
    ('global_large', (9, 11), dict(global_pooling=1)),
    ('arguments_of_others', (4, 4), dict(kernel=2, cudnn_exhaustive_search=0, is_test=1)),
]
LINE = [
    ('1d', (7,), dict(kernels=[3])),
    ('1d_all', (9,), dict(kernels=[3], strides=[2], pads=[1, 2])),
    ('1d_kernel_not_a_list', (6,), dict(kernel=2)),
    ('1d_global', (5,), dict(kernels=[1], global_pooling=1)),
    ('1d_global_without_kernels', (5,), dict(global_pooling=1)),
    ('1d_legacy_same', (5,), dict(kernels=[2], strides=[2], legacy_pad=2)),
]
SOLID = [
    ('3d', (3, 4, 3), dict(kernels=[2, 2, 2])),
    ('3d_all', (4, 5, 6), dict(kernels=[2, 3, 2], strides=[2, 1, 2], pads=[1, 0, 1, 0, 2, 1])),
    ('3d_global', (2, 3, 2), dict(kernels=[1, 1, 1], global_pooling=1)),
    ('3d_legacy_same', (3, 4, 5), dict(kernels=[2, 2, 2], strides=[2, 2, 2], legacy_pad=2)),
    ('3d_legacy_caffe', (4, 4, 5), dict(kernels=[3, 3, 3], strides=[2, 2, 2], legacy_pad=3)),
]
# The storage order has nothing to do with the reading of arguments: these are tried in both.
NHWC_TOO = {
    'kernel_1', 'kernel_2', 'kernel_3_stride_2_pad_1', 'kernels_strides_pads', 'pad_t_l_b_r', 'pads_negative',
    'stride_beyond_kernel', 'legacy_same_stride_2', 'legacy_caffe', 'legacy_caffe_pad_1', 'legacy_valid', 'global',
    'global_large', '1d_all', '1d_global', '3d_all', '3d_global', '3d_legacy_caffe',
}
COUNT_INCLUDE_PAD = [
    ('pad_1', (4, 5), dict(kernel=3, pad=1)),
    ('pad_1_stride_2', (4, 5), dict(kernel=3, stride=2, pad=1)),
    ('pad_bottom_right', (5, 5), dict(kernel=2, stride=2, pad_t=0, pad_l=0, pad_b=1, pad_r=1)),
    ('no_pad', (4, 4), dict(kernel=2)),
    ('legacy_same', (5, 5), dict(kernel=2, stride=2, legacy_pad=2)),
    ('legacy_caffe', (6, 6), dict(kernel=3, stride=2, legacy_pad=3)),
    ('global', (3, 4), dict(global_pooling=1)),
    ('1d', (4,), dict(kernels=[3], pads=[1, 1])),
    ('3d', (2, 3, 2), dict(kernels=[2, 2, 2], pads=[1] * 6)),
]

NAN_RULE = 'Caffe2\'s answer depends on the place of NaN in the window; we let NaN win'
LOWEST_RULE = 'Caffe2 starts the maximum at the lowest finite number here; we keep minus infinity'


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def both_orders(x, both=True):
    yield '', x, {}
    if both:
        yield '_nhwc', channels_last(x), dict(order='NHWC')


def special_windows(op, kind, options):
    """Windows of four with values that are not ordinary: [1, k, 1, 4], one window a row."""
    rows = dict(one_minus_infinity=[-INF, 1, -INF, 2], plus_infinity=[INF, 1, 2, 3], denormals=[-1e-40, -1e-41, -1, -1],
                largest=[3.4028235e38, -3.4028235e38, 0, 0])
    if kind == 'AveragePool':
        rows.update(nan=[1, NAN, 2, 3], infinities=[INF, -INF, 0, 1], all_minus_infinity=[-INF] * 4)
    for name, row in rows.items():
        for suffix, x, order in both_orders(np.array(row, F).reshape(1, 1, 2, 2)):
            yield name + suffix, op(kind, ['X'], ['Y'], kernel=2, **order), {'X': x}, options
            yield 'global_' + name + suffix, op(kind, ['X'], ['Y'], global_pooling=1, **order), {'X': x}, options


def max_of_special(op):
    """What Caffe2 leaves to chance or gets wrong, and what we make of it."""
    rows = dict(nan_first=[NAN, 1, 2, 3], nan_second=[1, NAN, 2, 3], nan_last=[1, 2, 3, NAN], nan_all=[NAN] * 4)
    for name, row in rows.items():
        for suffix, x, order in both_orders(np.array(row, F).reshape(1, 1, 2, 2)):
            rule = dict(diverges=NAN_RULE, ours={'Y': np.full((1, 1, 1, 1), NAN, F)})
            yield name + suffix, op('MaxPool', ['X'], ['Y'], kernel=2, **order), {'X': x}, rule
            yield 'global_' + name + suffix, op('MaxPool', ['X'], ['Y'], global_pooling=1, **order), {'X': x}, rule
    lowest = np.full((1, 1, 2, 2), -INF, F)
    yield 'all_minus_infinity', op('MaxPool', ['X'], ['Y'], kernel=2), {'X': lowest}
    yield 'global_all_minus_infinity', op('MaxPool', ['X'], ['Y'], global_pooling=1), {'X': lowest}
    rule = dict(diverges=LOWEST_RULE, ours={'Y': lowest[:, :, :1, :1]})
    nhwc = {'X': channels_last(lowest)}
    yield 'all_minus_infinity_nhwc', op('MaxPool', ['X'], ['Y'], kernel=2, order='NHWC'), nhwc, rule
    yield 'global_all_minus_infinity_nhwc', op('MaxPool', ['X'], ['Y'], global_pooling=1, order='NHWC'), nhwc, rule
    yield '3d_all_minus_infinity', op('MaxPool', ['X'], ['Y'], kernels=[1, 2, 2]), {'X': lowest[:, :, None]}, dict(
        diverges=LOWEST_RULE, ours={'Y': lowest[:, :, None, :1, :1]})


def refusals(op, kind, rng):
    x = normal(rng, 1, 2, 5, 5)

    def refused(name, x=x, outputs=('Y',), **args):
        return 'refuses_' + name, op(kind, ['X'], list(outputs), **args), {'X': x}

    yield refused('no_kernel')
    yield refused('float64', x=x.astype(np.float64), kernel=2)
    yield refused('dilation_2', kernel=2, dilation=2)
    yield refused('pad_of_kernel_size', kernel=2, pad=2)
    yield refused('global_with_pad', global_pooling=1, kernel=2, pad=1)
    yield refused('image_below_kernel', x=normal(rng, 1, 2, 1, 5), kernel=2)
    yield refused('rank_2', x=normal(rng, 2, 3), kernel=1)
    yield refused('in_place', outputs=['X'], kernel=1)
    yield 'refuses_missing_blob', op(kind, ['absent'], ['Y'], kernel=2), {}
    if kind != 'MaxPool':
        return      # the arguments are read alike for both

    yield refused('kernel_h_alone', kernel_h=2)
    yield refused('kernel_0', kernel=0)
    yield refused('kernel_negative', kernel=-2)
    yield refused('stride_negative', kernel=2, stride=-1)
    yield refused('kernel_float', kernel=2.0)
    yield refused('kernel_list', kernel=[2, 2])
    yield refused('pad_r_of_kernel_size', kernel=2, pad_t=0, pad_l=0, pad_b=0, pad_r=2)
    yield refused('strides_of_other_length', kernels=[2, 2], strides=[1])
    yield refused('pads_of_other_length', kernels=[2, 2], pads=[1, 1])
    yield 'kernels_and_kernel_h_w', op(kind, ['X'], ['Y'], kernels=[2, 2], kernel_h=2, kernel_w=2), {'X': x}, dict(
        diverges='Caffe2 joins kernels and kernel_h, kernel_w to a kernel of rank 4 and uses the first two; we refuse',
        ours='refused')
    yield refused('legacy_valid_with_pad', kernel=2, pad=1, legacy_pad=1)
    yield refused('legacy_same_with_pads', kernel=2, pads=[0, 0, 0, 0], legacy_pad=2)
    yield refused('legacy_caffe_with_negative_pad', kernel=2, pad=-1, legacy_pad=3)
    yield refused('global_with_stride', global_pooling=1, kernel=2, stride=2)
    yield refused('global_with_dilation', global_pooling=1, kernel=2, dilation=2)
    yield refused('global_float', global_pooling=1.0)
    yield refused('order_unknown', kernel=2, order='CHWN')
    yield refused('no_channels', x=np.zeros((1, 0, 5, 5), F), kernel=2)
    yield refused('no_pixels', x=np.zeros((1, 2, 0, 5), F), kernel=2, pad=1)
    yield refused('rank_6', x=normal(rng, 1, 1, 2, 2, 2, 2), kernels=[2, 2, 2, 2])
    yield refused('int32', x=ramp(1, 1, 3, 3, dtype=np.int32), kernel=2)
    yield refused('uint8', x=ramp(1, 1, 3, 3, dtype=np.uint8), kernel=2)
    yield refused('two_outputs', outputs=['Y', 'Z'], kernel=2)
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y'], kernel=2), {'X': x}
    wrong = dict(diverges=WRONG_FIELD, ours='refused')
    yield 'pads_not_a_list', op(kind, ['X'], ['Y'], kernel=2, pads=1), {'X': x}, wrong
    yield 'strides_of_floats', op(kind, ['X'], ['Y'], kernel=2, strides=[2.0, 2.0]), {'X': x}, wrong
    yield 'legacy_pad_unknown', op(kind, ['X'], ['Y'], kernel=2, legacy_pad=9), {'X': x}, dict(
        diverges='Caffe2 makes an output without pixels of a legacy_pad that is none', ours='refused')


def cases(op, rng):
    for kind, options in (('MaxPool', {}), ('AveragePool', dict(tolerance=MEANS))):
        for name, size, args in PLANE + LINE + SOLID:
            for suffix, x, order in both_orders(normal(rng, 2, 3, *size), name in NHWC_TOO):
                yield name + suffix, op(kind, ['X'], ['Y'], **args, **order), {'X': x}, options
        for suffix, x, order in both_orders(np.zeros((0, 3, 4, 4), F)):
            yield 'empty_batch' + suffix, op(kind, ['X'], ['Y'], kernel=2, **order), {'X': x}, options
            yield 'empty_batch_global' + suffix, op(kind, ['X'], ['Y'], global_pooling=1, **order), {'X': x}, options
        x = normal(rng, 1, 2, 4, 4)
        yield 'order_lower_case', op(kind, ['X'], ['Y'], kernel=2, order='nhwc'), {'X': x}, options
        for n, shape, kernels in ((1, (1, 2, 5), [2]), (2, (1, 2, 4, 5), [2, 3]), (3, (1, 2, 3, 3, 4), [2, 2, 3])):
            for suffix, y, order in both_orders(normal(rng, *shape)):
                yield 'kernels' + suffix, op('%s%dD' % (kind, n), ['X'], ['Y'], kernels=kernels, **order), {
                    'X': y}, options
        unnamed = op(kind, ['X'], ['Y'], global_pooling=1)
        named = copy.deepcopy(unnamed)
        named.name = 'Pool5'
        yield 'name_has_no_effect', named, {'X': x}, dict(
            options, diverges='Caffe2 wants a kernel when the name contains Pool; names mean nothing to us',
            ours=(unnamed, {'X': x}))
        yield from special_windows(op, kind, options)
        yield from refusals(op, kind, rng)
    for name, size, args in COUNT_INCLUDE_PAD:
        for suffix, x, order in both_orders(normal(rng, 2, 3, *size)):
            yield 'count_include_pad_' + name + suffix, op(
                'AveragePool', ['X'], ['Y'], count_include_pad=1, **args, **order), {'X': x}, dict(tolerance=MEANS)
    yield 'count_include_pad_0', op('AveragePool', ['X'], ['Y'], kernel=3, pad=1, count_include_pad=0), {
        'X': normal(rng, 1, 1, 4, 4)}, dict(tolerance=MEANS)
    yield 'refuses_count_include_pad_float', op('AveragePool', ['X'], ['Y'], kernel=2, count_include_pad=1.0), {
        'X': normal(rng, 1, 1, 4, 4)}
    yield from max_of_special(op)
    x = normal(rng, 1, 2, 4, 4)
    for kind, options in (('MaxPool', {}), ('AveragePool', dict(tolerance=MEANS))):
        yield 'arguments_without_effect', op(kind, ['X'], ['Y'], kernel=2, group=3, shared_buffer=1, float16_compute=1), {
            'X': x}, options
        for name in ('group', 'shared_buffer', 'float16_compute'):
            yield 'refuses_%s_float' % name, op(kind, ['X'], ['Y'], kernel=2, **{name: 1.0}), {'X': x}
