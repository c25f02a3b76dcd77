"""ConvTranspose.

No case has an adj as large as the stride: Caffe2 accepts it, and adds memory that nobody wrote to the output.
"""
import numpy as np
from common import F, INF, NAN, REFUSED_TYPES, SUMS, WRONG_FIELD, normal


# name, channels in, channels out, image, kernel, arguments, group
PLANE = [
    ('1x1', 3, 4, (5, 4), (1, 1), dict(kernel=1)),
    ('1x1_one_of_all', 1, 1, (1, 1), (1, 1), dict(kernel=1)),
    ('1x1_stride_2', 3, 4, (3, 4), (1, 1), dict(kernel=1, stride=2)),
    ('2x2_stride_2', 3, 2, (3, 4), (2, 2), dict(kernel=2, stride=2)),
    ('2x2_stride_3', 3, 2, (3, 4), (2, 2), dict(kernel=2, stride=3)),
    ('3x3', 2, 3, (5, 6), (3, 3), dict(kernel=3)),
    ('3x3_one_channel', 1, 3, (4, 5), (3, 3), dict(kernel=3)),
    ('3x3_pad_1', 2, 3, (5, 6), (3, 3), dict(kernel=3, pad=1)),
    ('3x3_stride_2_pad_1_adj_1', 2, 3, (4, 5), (3, 3), dict(kernel=3, stride=2, pad=1, adj=1)),
    ('4x4_stride_2_pad_1', 3, 2, (4, 5), (4, 4), dict(kernel=4, stride=2, pad=1)),
    ('5x5_stride_3', 2, 2, (3, 2), (5, 5), dict(kernel=5, stride=3, pad=1)),
    ('4x4_one_pixel', 5, 3, (1, 1), (4, 4), dict(kernel=4)),
    ('pad_beyond_kernel', 2, 3, (5, 5), (3, 3), dict(kernel=3, pad=3)),
    ('pad_all_of_it', 2, 3, (1, 1), (2, 2), dict(kernel=2, pad=1)),
    ('kernel_h_w', 2, 2, (3, 4), (2, 3), dict(kernel_h=2, kernel_w=3)),
    ('kernels', 2, 2, (3, 4), (2, 3), dict(kernels=[2, 3])),
    ('all_lists', 2, 2, (3, 4), (2, 3), dict(kernels=[2, 3], strides=[2, 3], pads=[1, 0, 2, 1], adjs=[1, 2])),
    ('all_of_each', 2, 2, (3, 4), (2, 3), dict(
        kernel_h=2, kernel_w=3, stride_h=2, stride_w=3, adj_h=1, adj_w=2, pad_t=1, pad_l=0, pad_b=1, pad_r=2)),
    ('strides', 2, 2, (3, 4), (3, 3), dict(kernel=3, strides=[2, 1])),
    ('stride_h_alone_is_ignored', 1, 2, (4, 4), (2, 2), dict(kernel=2, stride_h=2)),
    ('pads', 2, 2, (3, 4), (3, 3), dict(kernel=3, pads=[1, 0, 0, 2])),
    ('pad_t_alone_is_ignored', 1, 2, (4, 4), (2, 2), dict(kernel=2, pad_t=1)),
    ('pad_wins_over_pad_t_l_b_r', 1, 2, (4, 4), (3, 3), dict(kernel=3, pad=1, pad_t=0, pad_l=0, pad_b=0, pad_r=0)),
    ('adj_0', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adj=0)),
    ('adj_reached_through_pad', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adj=1, pads=[2, 2, 0, 0])),
    ('adjs', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adjs=[0, 1])),
    ('adj_h_w', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adj_h=1, adj_w=0)),
    ('adj_h_alone_is_ignored', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adj_h=1)),
    ('adj_wins_over_adj_h_w', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=2, adj=1, adj_h=0, adj_w=0)),
    ('adjs_win_over_adj', 2, 2, (3, 4), (3, 3), dict(kernel=3, stride=3, adj=1, adjs=[0, 2])),
    ('legacy_notset', 1, 2, (3, 3), (3, 3), dict(kernel=3, legacy_pad=0, pad=1)),
    ('legacy_valid', 1, 2, (3, 4), (3, 3), dict(kernel=3, legacy_pad=1)),
    ('legacy_same', 1, 2, (3, 4), (3, 3), dict(kernel=3, legacy_pad=2)),
    ('legacy_same_stride_2', 2, 2, (3, 4), (3, 3), dict(kernel=3, legacy_pad=2, stride=2, adj=1)),
    ('shared_buffer', 2, 2, (3, 4), (3, 3), dict(kernel=3, shared_buffer=1)),
    ('no_bias_has_no_effect', 2, 2, (3, 4), (3, 3), dict(kernel=3, no_bias=1)),
    ('arguments_of_conv_have_no_effect', 2, 2, (3, 4), (3, 3), dict(kernel=3, dilation=2, global_pooling=1)),
    ('group_1', 2, 3, (3, 4), (3, 3), dict(kernel=3, group=1)),
    ('group_2', 4, 6, (3, 4), (3, 3), dict(kernel=3, stride=2, group=2)),
    ('group_3_more_channels', 6, 3, (3, 4), (2, 2), dict(kernel=2, pad=1, group=3)),
    ('depthwise', 4, 4, (3, 4), (4, 4), dict(kernel=4, stride=2, pad=1, group=4)),
    ('depthwise_stride_1', 3, 3, (3, 4), (3, 3), dict(kernel=3, group=3)),
    ('depthwise_multiplier_2', 3, 6, (3, 4), (3, 3), dict(kernel=3, stride=3, group=3)),
]
# The reading of arguments has nothing to do with the storage order: these are not tried again in NHWC.
NCHW_ONLY = {
    '1x1_one_of_all', 'kernel_h_w', 'kernels', 'strides', 'stride_h_alone_is_ignored', 'pads', 'pad_t_alone_is_ignored',
    'pad_wins_over_pad_t_l_b_r', 'adj_0', 'adjs', 'adj_h_alone_is_ignored', 'adj_wins_over_adj_h_w', 'adjs_win_over_adj',
    'legacy_notset', 'no_bias_has_no_effect', 'arguments_of_conv_have_no_effect', 'group_1',
}


def image(rng, n, c, size, nhwc):
    return normal(rng, *((n,) + size + (c,) if nhwc else (n, c) + size))


def filters(rng, c, m, kernel, group, nhwc):
    return normal(rng, *((c,) + kernel + (m // group,) if nhwc else (c, m // group) + kernel))


def cases(op, rng):
    def case(name, x, w, b=None, outputs=('Y',), **args):
        blobs = {'X': x, 'W': w}
        if b is not None:
            blobs['b'] = b
        return name, op('ConvTranspose', list(blobs), list(outputs), **args), blobs, dict(tolerance=SUMS)

    for nhwc in (False, True):
        order, suffix = (dict(order='NHWC'), '_nhwc') if nhwc else ({}, '')
        for name, c, m, size, kernel, args in PLANE:
            if nhwc and name in NCHW_ONLY:
                continue
            x, w = image(rng, 2, c, size, nhwc), filters(rng, c, m, kernel, args.get('group', 1), nhwc)
            yield case(name + suffix, x, w, normal(rng, m), **args, **order)
        # Without bias: one case of each code path.
        for name, c, m, size, kernel, args in (PLANE[0], PLANE[5], PLANE[9], PLANE[-5], PLANE[-3]):
            x, w = image(rng, 1, c, size, nhwc), filters(rng, c, m, kernel, args.get('group', 1), nhwc)
            yield case(name + '_no_bias' + suffix, x, w, **args, **order)
        w, b = filters(rng, 2, 3, (3, 3), 1, nhwc), normal(rng, 3)
        yield case('empty_batch' + suffix, image(rng, 0, 2, (5, 4), nhwc), w, b, kernel=3, pad=1, **order)
        yield case('large_batch' + suffix, image(rng, 5, 2, (3, 4), nhwc), w, b, kernel=3, **order)
        yield case('no_filters' + suffix, image(rng, 1, 2, (5, 4), nhwc), filters(rng, 2, 0, (3, 3), 1, nhwc),
                   normal(rng, 0), kernel=3, **order)
        # Beyond one tile of a product, in channels as well as in pixels.
        wide = filters(rng, 20, 18, (4, 4), 1, nhwc)
        yield case('many_channels' + suffix, image(rng, 1, 20, (7, 9), nhwc), wide, normal(rng, 18), kernel=4, stride=2,
                   pad=1, **order)
        x = image(rng, 1, 2, (4, 5), nhwc)
        x.flat[0], x.flat[15] = NAN, INF
        yield case('nan_and_infinity' + suffix, x, w, kernel=3, **order)
        cut = normal(rng, *x.shape)
        cut.flat[0] = NAN
        yield case('nan_cut_off' + suffix, cut, w, kernel=3, pad=3, **order)

    x, w, b = normal(rng, 1, 2, 3, 4), normal(rng, 2, 3, 3, 3), normal(rng, 3)
    yield case('order_lower_case', normal(rng, 1, 3, 4, 2), normal(rng, 2, 3, 3, 3), b, kernel=3, order='nhwc')
    name, o, blobs, options = case('engine_is_ignored', x, w, b, kernel=3)
    o.engine = 'CUDNN,BLOCK'
    yield name, o, blobs, options

    def differs(why, name, x=x, w=w, b=b, **args):
        name, o, blobs, options = case(name, x, w, b, **args)
        return name, o, blobs, dict(options, diverges=why, ours='refused')

    yield differs(WRONG_FIELD, 'pads_not_a_list', kernel=3, pads=1)
    yield differs(WRONG_FIELD, 'adjs_not_a_list', kernel=3, adjs=1)
    yield differs(WRONG_FIELD, 'strides_of_floats', kernel=3, strides=[2.0, 2.0])
    first = 'Caffe2 reads the first two kernels of any number; we want two'
    yield differs(first, 'kernels_of_a_volume', kernels=[3, 3, 3])
    yield differs(first, 'kernels_and_kernel_h_w', kernels=[3, 3], kernel_h=3, kernel_w=3)

    def refused(name, x=x, w=w, b=b, outputs=('Y',), **args):
        return case('refuses_' + name, x, w, b, outputs=outputs, **args)

    yield refused('no_kernel')
    yield refused('kernel_0', kernel=0)
    yield refused('kernel_negative', kernel=-3)
    yield refused('kernel_h_alone', kernel_h=3)
    yield refused('kernel_float', kernel=3.0)
    yield refused('kernel_list', kernel=[3, 3])
    yield refused('kernels_not_a_list', kernels=3)
    yield refused('kernel_other_than_filter', kernel=2)
    yield refused('stride_0', kernel=3, stride=0)
    yield refused('stride_negative', kernel=3, stride=-1)
    yield refused('stride_string', kernel=3, stride='2')
    yield refused('strides_of_other_length', kernel=3, strides=[1])
    yield refused('pad_negative', kernel=3, pad=-1)
    yield refused('pads_negative', kernel=3, pads=[0, 0, -1, 0])
    yield refused('pad_float', kernel=3, pad=1.0)
    yield refused('pads_of_other_length', kernel=3, pads=[1, 1])
    yield refused('adj_negative', kernel=3, stride=2, adj=-1)
    yield refused('adj_beyond_stride', kernel=3, stride=2, adj=3)
    yield refused('adjs_beyond_strides', kernel=3, strides=[3, 2], adjs=[3, 3])
    yield refused('adjs_of_other_length', kernel=3, stride=2, adjs=[1])
    yield refused('adjs_and_adj_h_w', kernel=3, stride=2, adjs=[0, 1], adj_h=1, adj_w=1)
    yield refused('adj_float', kernel=3, stride=2, adj=1.0)
    yield refused('legacy_valid_with_pad', kernel=3, legacy_pad=1, pad=1)
    yield refused('legacy_same_with_pad_0', kernel=3, legacy_pad=2, pad=0)
    yield refused('legacy_same_with_pads', kernel=3, legacy_pad=2, pads=[0, 0, 0, 0])
    yield refused('legacy_same_with_pad_t_l_b_r', kernel=3, legacy_pad=2, pad_t=0, pad_l=0, pad_b=0, pad_r=0)
    yield refused('group_negative', x=normal(rng, 1, 4, 3, 4), w=normal(rng, 4, 3, 3, 3), group=-1, kernel=3)
    yield refused('group_not_dividing_channels', x=normal(rng, 1, 4, 3, 4), w=normal(rng, 4, 1, 3, 3), group=3, kernel=3)
    yield refused('other_channels', x=normal(rng, 1, 3, 3, 4), kernel=3)
    yield refused('no_channels', x=np.zeros((1, 0, 3, 4), F), w=np.zeros((0, 3, 3, 3), F), kernel=3)
    yield refused('no_pixels', x=np.zeros((1, 2, 0, 4), F), kernel=3)
    yield refused('no_pixels_nhwc', x=np.zeros((1, 3, 0, 2), F), kernel=3, order='NHWC')
    yield refused('empty_batch_without_channels', x=np.zeros((0, 0, 3, 4), F), w=np.zeros((0, 3, 3, 3), F), kernel=3)
    yield refused('line', x=normal(rng, 1, 2, 5), w=normal(rng, 2, 3, 3), kernels=[3])
    yield refused('volume', x=normal(rng, 1, 2, 3, 3, 3), w=normal(rng, 2, 3, 2, 2, 2), kernels=[2, 2, 2])
    yield refused('filter_of_other_rank', w=normal(rng, 2, 27), kernel=3)
    yield refused('nhwc_filter_in_nchw_layout', x=normal(rng, 1, 3, 4, 2), w=normal(rng, 2, 5, 3, 3), kernel=3, order='NHWC')
    yield refused('bias_of_other_length', b=normal(rng, 2), kernel=3)
    yield refused('bias_of_a_group', x=normal(rng, 1, 4, 3, 4), w=normal(rng, 4, 3, 3, 3), group=2, kernel=3)
    yield refused('bias_of_rank_2', b=normal(rng, 3, 1), kernel=3)
    for dtype in REFUSED_TYPES:
        kind = np.dtype(dtype).name
        yield refused('%s_image' % kind, x=np.ones((1, 2, 3, 4), dtype), kernel=3)
        yield refused('%s_filter' % kind, w=np.ones((2, 3, 3, 3), dtype), kernel=3)
        yield refused('%s_bias' % kind, b=np.ones(3, dtype), kernel=3)
    yield refused('in_place', w=normal(rng, 2, 2, 1, 1), b=normal(rng, 2), outputs=['X'], kernel=1)
    yield refused('two_outputs', outputs=['Y', 'Z'], kernel=3)
    yield 'refuses_no_filter', op('ConvTranspose', ['X'], ['Y'], kernel=3), {'X': x}
    yield 'refuses_missing_filter', op('ConvTranspose', ['X', 'absent'], ['Y'], kernel=3), {'X': x}
