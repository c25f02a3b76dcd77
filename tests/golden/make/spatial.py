"""ChannelShuffle, NCHW2NHWC, NHWC2NCHW, PadImage, ResizeNearest, UpsampleBilinear, SpaceToBatch, BatchToSpace."""
import numpy as np
from common import F, I32, REFUSED_TYPES, SPECIAL, normal, ramp

# One product of two weights and a pixel each, in any order.
BLENDS = dict(tolerance=dict(rtol=1e-6, atol=1e-6))


def caser(op, kind, base):
    """case(name, x, *options, **args) for operators of one input, and the cases of refused types."""
    def case(name, x, *options, **args):
        return (name, op(kind, ['X'], ['Y'], **args), {'X': x}) + options

    def refused():
        for dtype in REFUSED_TYPES:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(base, dtype))
        yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': np.ones(base, F)}
        yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}
    return case, refused


def channel_shuffles(op):
    case, refused = caser(op, 'ChannelShuffle', (1, 2, 1, 1))
    yield from refused()
    x = ramp(2, 6, 2, 3)
    yield case('default_is_one_group', x)
    for group in (1, 2, 3, 6):
        yield case('group_%d' % group, x, group=group)
        yield case('nhwc_group_%d' % group, ramp(2, 2, 3, 6), group=group, order='NHWC')
    yield case('lower_case_order', ramp(1, 2, 4), group=2, order='nhwc')
    yield case('rank_2', ramp(2, 4), group=2)
    yield case('rank_2_nhwc', ramp(2, 4), group=2, order='NHWC')
    yield case('rank_5', ramp(2, 4, 2, 1, 2), group=2)
    yield case('rank_5_nhwc', ramp(2, 2, 1, 2, 4), group=2, order='NHWC')
    yield case('special_values', SPECIAL[:14].reshape(1, 14), group=7)
    yield case('one_element', ramp(1, 1, 1, 1))
    for name, shape in (('batch', (0, 4, 2)), ('channels', (2, 0, 2)), ('space', (2, 4, 0))):
        yield case('empty_' + name, np.zeros(shape, F), group=2)
        yield case('empty_nhwc_' + name, np.zeros((shape[0], shape[2], shape[1]), F), group=2, order='NHWC')
    yield case('refuses_group_that_does_not_divide', x, group=4)
    yield case('refuses_unknown_order', x, group=2, order='HWC')
    yield case('refuses_rank_1', ramp(4), group=2)
    yield case('refuses_scalar', F(1), group=1)
    yield case('refuses_float_group', x, group=2.0)


def order_switches(op):
    for kind in ('NCHW2NHWC', 'NHWC2NCHW'):
        case, refused = caser(op, kind, (1, 2, 1, 1))
        yield from refused()
        yield case('rank_3', ramp(2, 3, 4))
        yield case('rank_4', ramp(2, 3, 4, 5))
        yield case('rank_5', ramp(2, 3, 2, 1, 4))
        yield case('rank_6', ramp(1, 2, 2, 3, 1, 2))
        yield case('wide', ramp(1, 17, 5, 7))
        yield case('special_values', SPECIAL.reshape(1, 3, 5))
        yield case('one_element', ramp(1, 1, 1, 1))
        yield case('empty_batch', np.zeros((0, 2, 3), F))
        yield case('empty_second', np.zeros((2, 0, 3), F))
        yield case('empty_last', np.zeros((2, 3, 0), F))
        yield case('refuses_rank_2', ramp(2, 3))
        yield case('refuses_rank_1', ramp(2))
        yield case('refuses_scalar', F(1))


def pads(op):
    case, refused = caser(op, 'PadImage', (1, 1, 2, 2))
    yield from refused()
    x, pixels = ramp(2, 2, 3, 4), ramp(2, 3, 4, 2)
    four = dict(pad_t=1, pad_l=2, pad_b=2, pad_r=0)
    crop = dict(pads=[1, -1, -2, 2])
    yield case('default_is_a_copy', x)
    for mode in ('constant', 'reflect', 'edge'):
        for name, args in (('pad', dict(pad=1)), ('four', four), ('crop', crop), ('list', dict(pads=[0, 1, 2, 3]))):
            yield case('%s_%s' % (mode, name), x, mode=mode, **args)
            yield case('nhwc_%s_%s' % (mode, name), pixels, mode=mode, order='NHWC', **args)
        yield case('beyond_%s' % mode, ramp(1, 1, 3, 2), mode=mode, pads=[-3, 0, 2, 0])
    yield case('lower_case_order', pixels, order='nhwc', pad=1)
    yield case('value', x, value=-7.5, pad=1)
    yield case('value_nan', ramp(1, 1, 1, 1), value=float('nan'), pad=1)
    yield case('edge_more_than_the_image', ramp(1, 1, 2, 2), mode='edge', pad=5)
    yield case('special_values', SPECIAL.reshape(1, 1, 3, 5), mode='reflect', pad=2)
    yield case('incomplete_sides_are_no_padding', x, pad_t=1, pad_l=1)
    yield case('list_before_single', x, pads=[1, 0, 0, 1], pad=2)
    yield case('list_filled_up_by_single', x, pads=[1, 0], pad=2)
    yield case('kernel_has_no_effect', x, kernel=3, pad=1)
    yield case('ones', x, strides=[1, 1], dilation=1, dilation_h=2, dilation_w=2, pad=1)
    yield case('pair_of_ones', x, stride_h=1, stride_w=1, pad=1)
    yield case('refuses_list_and_pair', x, strides=[1, 1], stride_h=1, stride_w=1)
    yield case('stride_h_alone_is_not_read', x, stride_h=2)
    yield case('empty_batch', np.zeros((0, 1, 2, 2), F), pad=1)
    yield case('global_pooling', x, dict(diverges='Caffe2 gives the first pixel of each image', ours='refused'),
               global_pooling=1)
    yield case('refuses_global_pooling_with_pad', x, global_pooling=1, pad=1)
    yield case('refuses_unknown_mode', x, mode='wrap')
    yield case('refuses_unknown_order', x, order='HWC')
    yield case('refuses_stride', x, stride=2)
    yield case('refuses_strides', x, strides=[1, 2])
    yield case('refuses_one_of_strides', x, strides=[1])
    yield case('refuses_stride_pair', x, stride_h=1, stride_w=2)
    yield case('refuses_dilation', x, dilation=2)
    yield case('refuses_dilation_pair', x, dilation_h=2, dilation_w=1)
    for legacy in (1, 2, 3):
        yield case('refuses_legacy_pad_%d' % legacy, x, legacy_pad=legacy)
    yield case('refuses_two_pads', x, pads=[1, 1])
    yield case('refuses_six_pads', x, pads=[1] * 6)
    yield case('refuses_list_and_sides', x, pads=[1] * 4, **four)
    yield case('refuses_to_crop_everything', x, pad=-2)
    yield case('refuses_float_pad', x, pad=1.0)
    yield case('refuses_no_channels', np.zeros((1, 0, 2, 2), F), pad=1)
    yield case('refuses_no_pixels', np.zeros((1, 1, 0, 2), F), pad=1)
    yield case('refuses_rank_3', ramp(1, 2, 2), pad=1)
    yield case('refuses_rank_5', ramp(1, 1, 2, 2, 2), pad=1)
    yield case('arguments_without_effect', x, pad=1, group=3, shared_buffer=1, float16_compute=1)
    yield case('kernel_of_nothing', x, pad=1, kernels=[0, 5])
    yield case('kernel_h_alone_is_not_read', x, pad=1, kernel_h=-1)
    yield case('refuses_kernel_negative', x, pad=1, kernel=-1)
    yield case('refuses_kernel_pair_negative', x, pad=1, kernel_h=1, kernel_w=-1)
    for name in ('group', 'shared_buffer', 'float16_compute', 'kernel', 'legacy_pad', 'global_pooling'):
        yield case('refuses_float_' + name, x, pad=1, **{name: 1.0})
    yield case('refuses_integer_value', x, pad=1, value=1)
    yield case('refuses_integer_mode', x, pad=1, mode=1)
    yield case('refuses_integer_order', x, pad=1, order=1)


def resizes(op, rng):
    for kind in ('ResizeNearest', 'UpsampleBilinear'):
        nearest = kind == 'ResizeNearest'
        close = () if nearest else (BLENDS,)
        case, refused = caser(op, kind, (1, 1, 1, 1))
        yield from refused()

        def scaled(name, x, scales, *options, **args):
            return (name, op(kind, ['X', 'scales'], ['Y'], **args), {'X': x, 'scales': scales}) + options

        x = normal(rng, 2, 2, 3, 4)
        factors = [(1, 1), (2, 2), (1, 2), (2, 1), (1.5, 2.5), (3, 3), (0.5, 0.5), (0.7, 1.3), (1 / 3, 0.25), (2.3, 0.9)]
        for i, (h, w) in enumerate(factors):
            h, w = float(h), float(w)
            yield case('scale_%d' % i, x, *close, height_scale=h, width_scale=w)
            yield scaled('scale_input_%d' % i, x, np.array([h, w], F), *close)
            if nearest:
                yield case('nhwc_scale_%d' % i, x, order='NHWC', height_scale=h, width_scale=w)
                yield scaled('nhwc_scale_input_%d' % i, x, np.array([h, w], F), order='nhwc')
        yield case('default_is_a_copy', SPECIAL.reshape(1, 1, 3, 5))
        yield case('width_only', x, *close, width_scale=2.0)
        yield case('height_only', x, *close, height_scale=2.0)
        yield case('tenths', normal(rng, 1, 1, 10, 10), *close, height_scale=1.1, width_scale=1.7)
        yield case('one_pixel', ramp(1, 2, 1, 1), *close, height_scale=2.0, width_scale=3.0)
        yield case('one_row', ramp(1, 1, 1, 3), *close, height_scale=3.0, width_scale=2.0)
        yield case('one_column_left', x, *close, width_scale=0.25)
        yield case('nothing_left', x, width_scale=0.1)
        yield scaled('input_before_arguments', x, np.array([2, 1], F), *close, width_scale=3.0, height_scale=5.0)
        yield scaled('scale_of_zero', x, np.array([0, 1], F))
        for name, shape in (('batch', (0, 1, 2, 2)), ('channels', (1, 0, 2, 2)), ('rows', (1, 1, 0, 2)),
                            ('columns', (1, 1, 2, 0))):
            yield case('empty_' + name, np.zeros(shape, F), width_scale=2.0)
        dropped = dict(diverges='Caffe2 drops the dimensions behind the fourth', ours='refused')
        yield case('rank_5', ramp(1, 1, 2, 2, 2), dropped, width_scale=2.0)
        yield case('refuses_rank_3', ramp(1, 2, 2), width_scale=2.0)
        for name in ('width_scale', 'height_scale'):
            for scale in (0.0, -1.0, float('nan')):
                yield case('refuses_%s_%s' % (name, scale), x, **{name: scale})
            yield case('refuses_integer_' + name, x, **{name: 2})
        if nearest:
            yield case('refuses_unknown_order', x, order='HWC')
        else:
            yield case('order_has_no_effect', x, *close, order='NHWC', width_scale=2.0)
        yield scaled('refuses_one_scale', x, np.ones(1, F))
        yield scaled('refuses_three_scales', x, np.ones(3, F))
        yield scaled('refuses_matrix_of_scales', x, np.ones((1, 2), F))
        yield scaled('refuses_scalar_scale', x, F(1))
        yield scaled('refuses_negative_scale', x, np.array([-1, 1], F))
        yield scaled('refuses_integer_scales', x, np.ones(2, I32))
        yield scaled('refuses_double_scales', x, np.ones(2, np.float64))
        yield ('refuses_three_inputs', op(kind, ['X', 's', 's'], ['Y']),
               {'X': x, 's': np.ones(2, F)})


def space_batches(op):
    for kind in ('SpaceToBatch', 'BatchToSpace'):
        to_batch = kind == 'SpaceToBatch'
        case, refused = caser(op, kind, (4, 1, 2, 2))
        yield from refused()
        x = ramp(2, 2, 4, 6) if to_batch else ramp(8, 2, 2, 3)
        yield case('default', x)
        yield case('block_size_1', x, block_size=1)
        yield case('block_size_3', ramp(1, 2, 3, 6) if to_batch else ramp(9, 2, 1, 2), block_size=3)
        yield case('block_size_2x4', ramp(3, 1, 4, 2) if to_batch else ramp(12, 1, 2, 1), block_size=2)
        yield case('pad', x, pad=1)
        yield case('pad_2', x, pad=2) if to_batch else case('pad_2', ramp(4, 1, 3, 4), pad=2)
        yield case('pad_t', x if to_batch else ramp(8, 1, 3, 2), pad=1, pad_t=3)
        yield case('pad_t_and_no_pad', x, pad_t=2)
        yield case('other_sides_are_not_read', x, pad=1, pad_l=3, pad_b=5, pad_r=7)
        yield case('order', x, order='nchw')
        yield case('pads_kernel_and_stride_have_no_effect', x, pads=[1, 0, 1, 0], kernel=3, stride=2, legacy_pad=1)
        yield case('special_values', SPECIAL[:12].reshape(1, 1, 2, 6) if to_batch else SPECIAL[:12].reshape(4, 1, 1, 3))
        yield case('one_pixel', ramp(1, 1, 1, 1), block_size=1)
        if to_batch:
            yield case('crop', ramp(1, 1, 4, 4), pad=-1)
            yield case('crop_and_pad', ramp(1, 1, 4, 6), pad=-1, pad_t=3)
            yield case('refuses_height_that_does_not_divide', ramp(1, 1, 3, 2))
            yield case('refuses_width_that_does_not_divide', ramp(1, 1, 2, 3))
            yield case('refuses_block_size_3', x, block_size=3)
            yield case('refuses_pad_on_one_side', x, pad_t=1)
        else:
            yield case('odd_rows_cut_off', x, pad_t=1)
            yield case('surplus_images_are_not_read', ramp(11, 1, 1, 2))
            leak = dict(diverges='Caffe2 writes a pixel of the surplus image', ours={'Y': np.array([[[[13, 10], [7, 4]]]], F)})
            yield case('surplus_image_and_pad', ramp(5, 1, 2, 2), leak, pad=1)
        yield case('refuses_order_nhwc', x, order='NHWC')
        yield case('refuses_unknown_order', x, order='HWC')
        yield case('refuses_rank_3', ramp(4, 2, 2))
        yield case('refuses_rank_5', ramp(4, 1, 2, 2, 2))
        yield case('refuses_rank_1', ramp(4))
        yield case('refuses_float_block_size', x, block_size=2.0)
        yield case('refuses_float_pad', x, pad=1.0)


def cases(op, rng):
    yield from channel_shuffles(op)
    yield from order_switches(op)
    yield from pads(op)
    yield from resizes(op, rng)
    yield from space_batches(op)
