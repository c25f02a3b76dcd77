"""Conv, and its names Conv1D, Conv2D, Conv3D."""
import copy

import numpy as np
from common import F, INF, NAN, SUMS, WRONG_FIELD, normal, ramp


def filter_shape(m, c, kernel, group, nhwc):
    return (m,) + tuple(kernel) + (c // group,) if nhwc else (m, c // group) + tuple(kernel)


def image_shape(n, c, size, nhwc):
    return (n,) + tuple(size) + (c,) if nhwc else (n, c) + tuple(size)


# name, channels in, channels out, image, kernel, arguments, group
PLANE = [
    ('1x1', 3, 4, (5, 4), (1, 1), dict(kernel=1)),
    ('1x1_one_of_all', 1, 1, (1, 1), (1, 1), dict(kernel=1)),
    ('1x1_stride_2', 3, 4, (5, 4), (1, 1), dict(kernel=1, stride=2)),
    ('1x1_pad_1', 2, 3, (3, 3), (1, 1), dict(kernel=1, pad=1)),
    ('3x3', 2, 3, (5, 6), (3, 3), dict(kernel=3)),
    ('3x3_pad_1', 2, 3, (5, 6), (3, 3), dict(kernel=3, pad=1)),
    ('3x3_stride_2_pad_1', 2, 3, (7, 6), (3, 3), dict(kernel=3, stride=2, pad=1)),
    ('3x3_stride_3', 1, 2, (8, 7), (3, 3), dict(kernel=3, stride=3)),
    ('3x3_dilation_2', 2, 2, (6, 7), (3, 3), dict(kernel=3, dilation=2)),
    ('3x3_dilation_2_pad_2_stride_2', 2, 2, (6, 7), (3, 3), dict(kernel=3, dilation=2, pad=2, stride=2)),
    ('3x3_whole_image', 2, 3, (3, 3), (3, 3), dict(kernel=3)),
    ('5x5_pad_2', 1, 2, (4, 4), (5, 5), dict(kernel=5, pad=2)),
    ('5x5_pad_beyond_kernel', 1, 1, (2, 2), (2, 2), dict(kernel=2, pad=3)),
    ('2x2_stride_beyond_kernel', 1, 2, (7, 7), (2, 2), dict(kernel=2, stride=3)),
    ('kernel_h_w', 2, 2, (5, 6), (2, 3), dict(kernel_h=2, kernel_w=3)),
    ('kernels', 2, 2, (5, 6), (2, 3), dict(kernels=[2, 3])),
    ('kernels_strides_pads_dilations', 2, 2, (6, 9), (2, 3),
     dict(kernels=[2, 3], strides=[2, 1], pads=[1, 0, 2, 3], dilations=[1, 2])),
    ('h_w_of_all', 2, 2, (6, 9), (2, 3), dict(
        kernel_h=2, kernel_w=3, stride_h=1, stride_w=2, dilation_h=2, dilation_w=1,
        pad_t=0, pad_l=1, pad_b=2, pad_r=3)),
    ('pad_t_l_b_r', 2, 2, (4, 5), (3, 3), dict(kernel=3, pad_t=1, pad_l=0, pad_b=2, pad_r=1)),
    ('pad_bottom_right', 1, 2, (4, 4), (2, 2), dict(kernel=2, stride=2, pad_t=0, pad_l=0, pad_b=1, pad_r=1)),
    ('pad_t_alone_is_ignored', 1, 2, (4, 4), (2, 2), dict(kernel=2, pad_t=1)),
    ('stride_h_alone_is_ignored', 1, 2, (4, 4), (2, 2), dict(kernel=2, stride_h=2)),
    ('kernel_wins_over_kernel_h_w', 1, 2, (4, 4), (2, 2), dict(kernel=2, kernel_h=3, kernel_w=3)),
    ('pad_wins_over_pad_t_l_b_r', 1, 2, (4, 4), (3, 3), dict(kernel=3, pad=1, pad_t=0, pad_l=0, pad_b=0, pad_r=0)),
    ('pads_negative', 2, 2, (5, 6), (2, 2), dict(kernel=2, pads=[-1, 0, -1, -2])),
    ('pad_negative', 1, 1, (5, 5), (3, 3), dict(kernel=3, pad=-1)),
    ('pads_negative_and_positive', 1, 2, (5, 5), (3, 3), dict(kernel=3, pads=[-1, 1, 2, -1])),
    ('legacy_notset', 1, 2, (5, 5), (3, 3), dict(kernel=3, legacy_pad=0, pad=1)),
    ('legacy_valid', 1, 2, (6, 5), (3, 3), dict(kernel=3, legacy_pad=1)),
    ('legacy_valid_stride_2', 1, 2, (6, 5), (3, 3), dict(kernel=3, legacy_pad=1, stride=2)),
    ('legacy_valid_dilation_2', 1, 2, (6, 7), (3, 3), dict(kernel=3, legacy_pad=1, dilation=2)),
    ('legacy_same', 1, 2, (5, 6), (3, 3), dict(kernel=3, legacy_pad=2)),
    ('legacy_same_even_kernel', 1, 2, (5, 6), (2, 4), dict(kernels=[2, 4], legacy_pad=2)),
    ('legacy_same_stride_2', 1, 2, (5, 6), (3, 3), dict(kernel=3, legacy_pad=2, stride=2)),
    ('legacy_same_stride_3', 1, 2, (7, 8), (3, 3), dict(kernel=3, legacy_pad=2, stride=3)),
    ('legacy_caffe', 1, 2, (6, 6), (3, 3), dict(kernel=3, legacy_pad=3, stride=2)),
    ('legacy_caffe_pad_1', 1, 2, (6, 7), (3, 3), dict(kernel=3, legacy_pad=3, stride=2, pad=1)),
    ('legacy_caffe_exact', 1, 2, (7, 7), (3, 3), dict(kernel=3, legacy_pad=3, stride=2)),
    ('shared_buffer', 1, 2, (5, 5), (3, 3), dict(kernel=3, shared_buffer=1)),
    ('arguments_of_others', 1, 2, (5, 5), (3, 3), dict(kernel=3, exhaustive_search=1, cudnn_exhaustive_search=0)),
]
GROUPED = [
    ('group_2', 4, 6, (5, 4), (3, 3), dict(kernel=3, pad=1, group=2), 2),
    ('group_2_1x1', 4, 6, (5, 4), (1, 1), dict(kernel=1, group=2), 2),
    ('group_2_stride_2', 4, 2, (5, 4), (2, 2), dict(kernel=2, stride=2, group=2), 2),
    ('group_3_dilation_2', 6, 3, (6, 5), (2, 2), dict(kernel=2, dilation=2, group=3), 3),
    ('group_1', 2, 3, (4, 4), (3, 3), dict(kernel=3, group=1), 1),
    ('depthwise', 4, 4, (5, 5), (3, 3), dict(kernel=3, pad=1, group=4), 4),
    ('depthwise_stride_2', 4, 4, (6, 5), (3, 3), dict(kernel=3, pad=1, stride=2, group=4), 4),
    ('depthwise_multiplier_2', 3, 6, (5, 5), (3, 3), dict(kernel=3, group=3), 3),
    ('depthwise_1x1', 3, 3, (4, 4), (1, 1), dict(kernel=1, group=3), 3),
    ('depthwise_5x5', 2, 2, (6, 6), (5, 5), dict(kernel=5, pad=2, group=2), 2),
]
LINE = [
    ('1d', 2, 3, (7,), (3,), dict(kernels=[3])),
    ('1d_all', 2, 3, (9,), (3,), dict(kernels=[3], strides=[2], pads=[1, 2], dilations=[2])),
    ('1d_1', 2, 3, (5,), (1,), dict(kernels=[1])),
    ('1d_pads_uneven', 1, 2, (5,), (2,), dict(kernels=[2], pads=[0, 1])),
]
SOLID = [
    ('3d', 2, 2, (3, 4, 3), (2, 2, 2), dict(kernels=[2, 2, 2])),
    ('3d_all', 1, 2, (4, 5, 6), (2, 3, 2), dict(kernels=[2, 3, 2], strides=[2, 1, 2], pads=[1, 0, 1, 0, 2, 1])),
    ('3d_dilations', 1, 2, (4, 5, 6), (2, 2, 2), dict(kernels=[2, 2, 2], dilations=[1, 2, 3])),
    ('3d_1', 2, 3, (2, 3, 2), (1, 1, 1), dict(kernels=[1, 1, 1])),
]
SOLID_GROUPED = [
    ('3d_group_2', 4, 4, (3, 3, 3), (2, 2, 2), dict(kernels=[2, 2, 2], group=2), 2),
    ('3d_depthwise', 3, 3, (3, 3, 3), (3, 3, 3), dict(kernels=[3, 3, 3], pads=[1] * 6, group=3), 3),
]
LINE_GROUPED = [('1d_group_2', 4, 2, (6,), (3,), dict(kernels=[3], pads=[1, 1], group=2), 2)]

# The reading of arguments has nothing to do with the storage order: these are not tried again in NHWC.
NCHW_ONLY = {
    'kernel_h_w', 'kernels', 'pad_bottom_right', 'pad_t_alone_is_ignored', 'stride_h_alone_is_ignored',
    'kernel_wins_over_kernel_h_w', 'pad_wins_over_pad_t_l_b_r', 'legacy_notset', 'arguments_of_others', 'group_1',
    '3x3_stride_3', '1x1_one_of_all',
}
TOLERANT = dict(tolerance=SUMS)


def conv(op, name, x, w, b=None, kind='Conv', outputs=('Y',), **args):
    blobs = {'X': x, 'W': w}
    if b is not None:
        blobs['b'] = b
    return name, op(kind, list(blobs), list(outputs), **args), blobs, dict(TOLERANT)


def cases(op, rng):
    for nhwc in (False, True):
        order, suffix = (dict(order='NHWC'), '_nhwc') if nhwc else ({}, '')
        for name, c, m, size, kernel, args, *group in (
                PLANE + GROUPED + LINE + LINE_GROUPED + SOLID + SOLID_GROUPED):
            if nhwc and name in NCHW_ONLY:
                continue
            x = normal(rng, *image_shape(2, c, size, nhwc))
            w = normal(rng, *filter_shape(m, c, kernel, group[0] if group else 1, nhwc))
            yield conv(op, name + suffix, x, w, normal(rng, m), **args, **order)
        # Without bias: one case of each code path.
        for name, c, m, size, kernel, args, *group in (
                [PLANE[0], PLANE[5], PLANE[8]] + GROUPED[:1] + [GROUPED[5]] + LINE[:1] + SOLID[:1]):
            x = normal(rng, *image_shape(1, c, size, nhwc))
            w = normal(rng, *filter_shape(m, c, kernel, group[0] if group else 1, nhwc))
            yield conv(op, name + '_no_bias' + suffix, x, w, **args, **order)
        w = normal(rng, *filter_shape(3, 2, (3, 3), 1, nhwc))
        yield conv(op, 'empty_batch' + suffix, np.zeros(image_shape(0, 2, (5, 5), nhwc), F), w, normal(rng, 3),
                   kernel=3, pad=1, **order)
        yield conv(op, 'large_batch' + suffix, normal(rng, *image_shape(5, 2, (4, 4), nhwc)), w, normal(rng, 3),
                   kernel=3, **order)
        x = normal(rng, *image_shape(1, 2, (5, 5), nhwc))
        x.flat[0], x.flat[30] = NAN, INF
        yield conv(op, 'nan_and_infinity' + suffix, x, w, kernel=3, **order)

    x1, x2, x3 = normal(rng, 1, 2, 5), normal(rng, 1, 2, 5, 5), normal(rng, 1, 2, 3, 3, 3)
    w1, w2, w3 = normal(rng, 3, 2, 3), normal(rng, 3, 2, 3, 3), normal(rng, 3, 2, 2, 2, 2)
    b = normal(rng, 3)
    yield conv(op, 'kernels', x1, w1, b, kind='Conv1D', kernels=[3], pads=[1, 1])
    yield conv(op, 'nhwc', x1.transpose(0, 2, 1), w1.transpose(0, 2, 1), b, kind='Conv1D', kernels=[3], order='NHWC')
    yield conv(op, 'refuses_image', x2, w2, b, kind='Conv1D', kernels=[3])
    yield conv(op, 'refuses_kernel_not_a_list', x1, w1, b, kind='Conv1D', kernel=3)
    yield conv(op, 'kernel', x2, w2, b, kind='Conv2D', kernel=3, pad=1)
    yield conv(op, 'nhwc', x2.transpose(0, 2, 3, 1), w2.transpose(0, 2, 3, 1), b, kind='Conv2D', kernel=3, order='NHWC')
    yield conv(op, 'kernels', x3, w3, b, kind='Conv3D', kernels=[2, 2, 2])
    yield conv(op, 'nhwc', x3.transpose(0, 2, 3, 4, 1), w3.transpose(0, 2, 3, 4, 1), b, kind='Conv3D',
               kernels=[2, 2, 2], order='NHWC')
    yield conv(op, 'order_lower_case', x2.transpose(0, 2, 3, 1), w2.transpose(0, 2, 3, 1), b, kernel=3, order='nhwc')
    yield conv(op, 'four_spatial_dimensions', normal(rng, 1, 2, 2, 3, 2, 2), normal(rng, 2, 2, 2, 2, 1, 2),
               kernels=[2, 2, 1, 2])
    for engine in ('NO_SUCH_ENGINE', 'DEPTHWISE_3x3,NNPACK', 'CUDNN'):
        name, o, blobs, options = conv(op, 'engine_' + engine.lower().replace(',', '_'), normal(rng, 1, 4, 6, 6),
                                       normal(rng, 4, 1, 3, 3), normal(rng, 4), kernel=3, pad=1, group=4)
        o.engine = engine
        yield name, o, blobs, options

    name, o, blobs, options = conv(op, 'name_has_no_effect', x2, w2, b, kernel=3, pad=-1)
    named = copy.deepcopy(o)
    named.name = 'Conv1'
    options.update(diverges='Caffe2 refuses negative pads when the name begins with Conv; names mean nothing to us',
                   ours=(o, blobs))
    yield name, named, blobs, options

    wrong = dict(diverges=WRONG_FIELD, ours='refused')
    for name, args in (('pads_not_a_list', dict(pads=1)), ('strides_of_floats', dict(strides=[2.0, 2.0])),
                       ('dilations_not_a_list', dict(dilations=2))):
        name, o, blobs, options = conv(op, name, x2, w2, b, kernel=3, **args)
        yield name, o, blobs, dict(options, **wrong)

    def refused(name, x=x2, w=w2, b=b, outputs=('Y',), **args):
        return conv(op, 'refuses_' + name, x, w, b, outputs=outputs, **args)

    yield refused('no_kernel')
    yield refused('kernel_0', kernel=0)
    yield refused('kernel_negative', kernel=-3)
    yield refused('stride_negative', kernel=3, stride=-1)
    yield refused('dilation_negative', kernel=3, dilation=-1)
    yield refused('kernel_h_alone', kernel_h=3)
    yield refused('kernel_other_than_filter', kernel=2)
    yield refused('kernels_and_kernel_h_w', kernels=[3, 3], kernel_h=3, kernel_w=3)
    yield refused('strides_of_other_length', kernels=[3, 3], strides=[1])
    yield refused('dilations_of_other_length', kernels=[3, 3], dilations=[1, 1, 1])
    yield refused('pads_of_other_length', kernels=[3, 3], pads=[1, 1])
    yield refused('kernel_float', kernel=3.0)
    yield refused('kernel_list', kernel=[3, 3])
    yield refused('kernels_float', kernels=[3.0, 3.0])
    yield refused('kernels_not_a_list', kernels=3)
    yield refused('pad_float', kernel=3, pad=1.0)
    yield refused('stride_string', kernel=3, stride='2')
    yield refused('order_unknown', kernel=3, order='HWCN')
    yield refused('order_number', kernel=3, order=1)
    yield refused('legacy_valid_with_pad', kernel=3, legacy_pad=1, pad=1)
    yield refused('legacy_same_with_pad_0', kernel=3, legacy_pad=2, pad=0)
    yield refused('legacy_same_with_pads', kernel=3, legacy_pad=2, pads=[0, 0, 0, 0])
    yield refused('legacy_same_with_pad_t_l_b_r', kernel=3, legacy_pad=2, pad_t=0, pad_l=0, pad_b=0, pad_r=0)
    yield refused('legacy_same_with_dilation', kernel=3, legacy_pad=2, dilation=2)
    yield refused('legacy_caffe_with_negative_pad', kernel=3, legacy_pad=3, pad=-1)
    yield refused('image_below_kernel', x=normal(rng, 1, 2, 2, 5), kernel=3)
    yield refused('image_below_dilated_kernel', kernel=3, dilation=3)
    yield refused('other_channels', x=normal(rng, 1, 3, 5, 5), kernel=3)
    yield refused('group_not_dividing_outputs', x=normal(rng, 1, 4, 5, 5), group=2, kernel=3)
    yield refused('group_not_matching_channels', group=2, kernel=3)
    yield refused('group_0', group=0, kernel=3)
    yield refused('no_channels', x=np.zeros((1, 0, 5, 5), F), w=np.zeros((3, 0, 3, 3), F), kernel=3)
    yield refused('no_pixels', x=np.zeros((1, 2, 0, 5), F), kernel=3, pad=3)
    yield refused('filter_of_other_rank', w=normal(rng, 3, 18), kernel=3)
    yield refused('nhwc_filter_in_nchw_layout', x=normal(rng, 1, 5, 5, 2), kernel=3, order='NHWC')
    yield refused('bias_of_other_length', b=normal(rng, 2), kernel=3)
    yield refused('bias_of_rank_2', b=normal(rng, 3, 1), kernel=3)
    yield refused('float64_image', x=x2.astype(np.float64), kernel=3)
    yield refused('float64_filter', w=w2.astype(np.float64), kernel=3)
    yield refused('float64_bias', b=b.astype(np.float64), kernel=3)
    yield refused('uint8_filter', w=np.ones((3, 2, 3, 3), np.uint8), kernel=3)
    yield refused('int32_image', x=ramp(1, 2, 5, 5, dtype=np.int32), kernel=3)
    yield refused('in_place', w=normal(rng, 2, 2, 1, 1), b=normal(rng, 2), outputs=['X'], kernel=1)
    yield refused('two_outputs', outputs=['Y', 'Z'], kernel=3)
    yield 'refuses_no_filter', op('Conv', ['X'], ['Y'], kernel=3), {'X': x2}
    yield 'refuses_missing_filter', op('Conv', ['X', 'absent'], ['Y'], kernel=3), {'X': x2}

    # The filter is as large as the image, and so must the kernel be.
    plane, whole = dict(kernels=[3, 4]), normal(rng, 4, 2, 3, 4)
    yield conv(op, 'global', normal(rng, 2, 2, 3, 4), whole, normal(rng, 4), global_pooling=1, **plane)
    yield conv(op, 'global_nhwc', normal(rng, 2, 3, 4, 2), normal(rng, 4, 3, 4, 2), global_pooling=1, order='NHWC', **plane)
    yield conv(op, 'global_group_2', normal(rng, 1, 4, 3, 4), whole, global_pooling=1, group=2, **plane)
    yield refused('global_filter_below_image', w=normal(rng, 3, 2, 3, 3), kernel=5, global_pooling=1)
    yield refused('global_with_pad', w=normal(rng, 3, 2, 5, 5), kernel=5, pad=1, global_pooling=1)
    yield refused('line_with_kernel_of_a_plane', x=x1, w=w1, kernel=3)
    yield refused('float16_compute_float', kernel=3, float16_compute=1.0)
    yield refused('shared_buffer_float', kernel=3, shared_buffer=1.0)
    yield refused('group_float', kernel=3, group=1.0)
    yield conv(op, 'float16_compute', x2, w2, b, kernel=3, float16_compute=1)
    for engine in ('EIGEN', 'NNPACK', 'DEPTHWISE_3x3', 'CHANNELWISE_3D'):
        name, o, blobs, options = conv(op, 'engine_%s_plain' % engine.lower(), x2, w2, b, kernel=3)
        o.engine = engine
        yield name, o, blobs, options
