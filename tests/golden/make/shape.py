"""Copy, Reshape, Flatten, Transpose."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, NUMERIC, WRONG_FIELD, any_values, ramp, strings, with_arg

TEXT = strings(b'', b'a', b'\x00\xff', b'bc', 'ü'.encode(), b'x' * 50)


def typed(*shape):
    for dtype in ALL_TYPES:
        yield np.dtype(dtype).name, any_values(dtype, *shape)
    yield 'strings', TEXT[:int(np.prod(shape))].reshape(shape)


def copies(op):
    for name, x in typed(2, 3):
        yield name, op('Copy', ['X'], ['Y']), {'X': x}
        yield 'empty_' + name, op('Copy', ['X'], ['Y']), {'X': x[:, :0]}
    yield 'scalar', op('Copy', ['X'], ['Y']), {'X': F(2)}
    yield 'rank_5', op('Copy', ['X'], ['Y']), {'X': ramp(2, 1, 3, 1, 2)}
    yield 'refuses_in_place', op('Copy', ['X'], ['X']), {'X': ramp(2)}
    yield 'refuses_two_inputs', op('Copy', ['X', 'X'], ['Y']), {'X': ramp(2)}
    yield 'refuses_missing_blob', op('Copy', ['absent'], ['Y']), {}


def flattens(op):
    def case(name, x, **args):
        return name, op('Flatten', ['X'], ['Y'], **args), {'X': x}

    for name, x in typed(1, 2, 3):
        yield case(name, x)
    yield case('rank_4', ramp(2, 3, 2, 2))
    for axis in range(4):
        yield case('axis_%d' % axis, ramp(2, 3, 4), axis=axis)
    yield case('rank_1', ramp(3))
    yield case('rank_1_axis_0', ramp(3), axis=0)
    yield case('scalar_axis_0', F(5), axis=0)
    yield case('empty_batch', np.zeros((0, 3), F))
    yield case('empty_tail', np.zeros((3, 0, 2), F))
    yield case('empty_axis_0', np.zeros((3, 0), I64), axis=0)
    yield case('empty_strings', TEXT[:0].reshape(0, 2))
    yield case('refuses_axis_beyond_rank', ramp(2, 3), axis=3)
    yield case('refuses_scalar', F(5))
    yield case('refuses_axis_minus_1', ramp(2, 3), axis=-1)
    yield case('refuses_float_axis', ramp(2, 3), axis=1.0)
    yield case('refuses_axis_list', ramp(2, 3), axis=[1])
    yield 'refuses_in_place', op('Flatten', ['X'], ['X']), {'X': ramp(2, 3)}


def transposes(op):
    def case(name, x, *options, **args):
        return (name, op('Transpose', ['X'], ['Y'], **args), {'X': x}) + options

    for name, x in typed(2, 3):
        yield case(name if name in [np.dtype(t).name for t in NUMERIC] else 'refuses_' + name, x)
    for dtype in NUMERIC:
        low = np.dtype(dtype).name
        yield case('rank_3_' + low, any_values(dtype, 2, 3, 4), axes=[1, 2, 0])
        yield case('empty_' + low, np.zeros((3, 0, 2), dtype), axes=[2, 0, 1])
    x = ramp(2, 3, 4)
    for axes in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        yield case('rank_3_axes_%d%d%d' % axes, x, axes=list(axes))
    yield case('nchw_to_nhwc', ramp(2, 3, 4, 5), axes=[0, 2, 3, 1])
    yield case('nhwc_to_nchw', ramp(2, 4, 5, 3), axes=[0, 3, 1, 2])
    yield case('rank_6', ramp(2, 1, 2, 1, 2, 3), axes=[5, 4, 0, 1, 2, 3])
    yield case('tall', ramp(37, 3))
    yield case('default_is_reversed', x)
    yield case('empty_axes_is_reversed', x, axes=[])
    yield case('scalar', F(5))
    yield case('rank_1', ramp(3))
    yield case('rank_1_axes_0', ramp(3), axes=[0])
    yield case('empty_batch', np.zeros((0, 3), F))
    wrong = dict(diverges=WRONG_FIELD, ours='refused')
    yield case('axes_not_a_list', ramp(2, 3), wrong, axes=0)
    yield case('axes_of_floats', ramp(2, 3), wrong, axes=[0.0, 1.0])
    yield case('axes_of_strings', ramp(2, 3), wrong, axes=['0', '1'])
    yield case('refuses_negative_axes', ramp(2, 3), axes=[-1, 0])
    yield case('refuses_too_few_axes', ramp(2, 3), axes=[0])
    yield case('refuses_too_many_axes', ramp(2, 3), axes=[0, 1, 2])
    yield case('refuses_axis_twice', ramp(2, 3), axes=[0, 0])
    yield case('refuses_axis_left_out', ramp(2, 3), axes=[0, 2])
    yield case('refuses_axis_beyond_int32', ramp(2, 3), axes=[2 ** 40, 0])
    yield 'refuses_in_place', op('Transpose', ['X'], ['X']), {'X': ramp(2, 2)}


def reshapes(op):
    def case(name, x, *options, **args):
        return (name, op('Reshape', ['X'], ['Y', 'old'], **args), {'X': x}) + options

    for name, x in typed(2, 3):
        yield case(name, x, shape=[3, 2])
        yield case('empty_' + name, x[:0], shape=[3, 0])
    x = ramp(2, 3, 4)
    yield case('same_shape', x, shape=[2, 3, 4])
    yield case('flat', x, shape=[24])
    yield case('inferred_all', x, shape=[-1])
    yield case('inferred_first', x, shape=[-1, 4])
    yield case('inferred_middle', x, shape=[2, -1, 2])
    yield case('inferred_one', x, shape=[24, -1])
    yield case('copied_dimension', x, shape=[0, 12])
    yield case('copied_and_inferred', x, shape=[0, -1])
    yield case('copied_second', x, shape=[8, 0, 1])
    yield case('copied_all', x, shape=[0, 0, 0])
    yield case('scalar_to_rank_1', F(5), shape=[1])
    yield case('scalar_to_rank_2', F(5), shape=[1, 1])
    yield case('scalar_inferred', F(5), shape=[-1])
    yield case('scalar_to_scalar', F(5), shape=[])
    yield case('one_element_to_scalar', ramp(1, 1), shape=[])
    yield case('empty_inferred', np.zeros((0, 3), F), shape=[-1])
    yield case('empty_inferred_second', np.zeros((0, 3), F), shape=[3, -1])
    yield case('empty_zero_stays_zero', np.zeros((2, 0, 3), F), shape=[0, 0, 3])
    yield case('empty_zero_and_inferred', np.zeros((2, 0, 3), F), shape=[0, -1])
    yield case('empty_other_sizes', np.zeros((2, 0, 3), F), shape=[5, 0])
    yield 'in_place', op('Reshape', ['X'], ['X', 'old'], shape=[4, -1]), {'X': x}
    yield 'in_place_strings', op('Reshape', ['X'], ['X', 'old'], shape=[3, 2]), {'X': TEXT.reshape(2, 3)}

    wrong = dict(diverges=WRONG_FIELD, ours='refused')
    yield case('shape_not_a_list', ramp(1), wrong, shape=1)
    yield case('shape_of_floats', ramp(1), wrong, shape=[1.0])
    yield case('refuses_no_shape', x)
    yield case('refuses_other_size', x, shape=[5])
    yield case('refuses_size_not_divisible', x, shape=[-1, 5])
    yield case('refuses_two_inferred', x, shape=[-1, -1])
    yield case('refuses_copied_beyond_rank', x, shape=[2, 3, 4, 0])
    yield case('refuses_empty_list', x, shape=[])
    yield case('refuses_scalar_shape_argument', x, shape=24)
    yield case('refuses_two_inferred_of_empty', np.zeros((0, 3), F), shape=[-1, -1])
    yield case('refuses_zero_with_inferred', ramp(6), shape=[-1, 0])
    yield with_outputs(op, 'refuses_one_output', ['Y'])
    yield with_outputs(op, 'refuses_three_outputs', ['Y', 'old', 'more'])
    yield with_outputs(op, 'refuses_old_shape_in_place', ['Y', 'X'])

    def by_blob(name, wanted, outputs=('Y', 'old'), **args):
        return name, op('Reshape', ['X', 'S'], list(outputs), **args), {'X': x, 'S': wanted}

    yield by_blob('shape_input_int64', np.array([4, 6], I64))
    yield by_blob('shape_input_int32', np.array([4, 6], I32))
    yield by_blob('shape_input_inferred', np.array([4, -1], I64))
    yield by_blob('shape_input_copied', np.array([0, -1], I32))
    yield by_blob('shape_input_in_place', np.array([4, 6], I64), outputs=['X', 'old'])
    yield by_blob('refuses_shape_input_and_argument', np.array([4, 6], I64), shape=[4, 6])
    yield by_blob('refuses_shape_input_and_empty_argument', np.array([4, 6], I64), shape=[])
    yield by_blob('refuses_shape_input_float', np.array([4, 6], F))
    yield by_blob('refuses_shape_input_uint8', np.array([4, 6], np.uint8))
    yield by_blob('refuses_shape_input_of_rank_2', np.array([[4, 6]], I64))
    yield by_blob('refuses_shape_input_of_rank_0', np.array(24, I64))
    yield by_blob('refuses_shape_input_empty', np.array([], I64))
    yield by_blob('refuses_shape_input_other_size', np.array([4, 5], I64))
    yield by_blob('refuses_old_shape_over_shape_input', np.array([4, 6], I64), outputs=['Y', 'S'])
    argument = with_arg(op('Reshape', ['X'], ['Y', 'old']), 'shape', ints=[4, 6], i=3, floats=[1.0])
    yield 'shape_in_several_fields', argument, {'X': x}


def with_outputs(op, name, outputs):
    return name, op('Reshape', ['X'], outputs, shape=[6]), {'X': ramp(2, 3)}


def cases(op, rng):
    yield from copies(op)
    yield from flattens(op)
    yield from transposes(op)
    yield from reshapes(op)
