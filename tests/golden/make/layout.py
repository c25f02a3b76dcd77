"""Concat, Split, Dropout, Slice, Squeeze, ExpandDims, FlattenToVec, ResizeLike, StopGradient, Alias, EnsureCPUOutput,
Shape, Size, HasElements, IsEmpty."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, NAN, any_values, ramp, strings

TEXT = strings(b'', b'a', b'\x00\xff', b'bc', 'ü'.encode(), b'x' * 50)


def typed(*shape):
    for dtype in ALL_TYPES:
        yield np.dtype(dtype).name, any_values(dtype, *shape)
    yield 'strings', TEXT[:int(np.prod(shape))].reshape(shape)


def concats(op):
    def case(name, xs, *options, **args):
        names = ['X%d' % i for i in range(len(xs))]
        return (name, op('Concat', names, ['Y', 'info'], **args), dict(zip(names, xs))) + options

    for name, x in typed(2, 3):
        yield case(name, [x, x[:, :1], x[:, 1:]])
        yield case('added_' + name, [x, x], axis=0, add_axis=1)
        yield case('empty_' + name, [x[:, :0], x[:, :0]], axis=1)
    x = ramp(2, 3, 2)
    for axis in range(-3, 3):
        yield case('axis_%d' % axis, [x, x + 20], axis=axis)
    for axis in range(-4, 4):
        yield case('add_axis_%d' % axis, [x, x + 20], axis=axis, add_axis=1)
    yield case('nchw', [ramp(1, 2, 2, 2), ramp(1, 1, 2, 2)], order='NCHW')
    yield case('nhwc', [ramp(1, 2, 2, 2), ramp(1, 2, 2, 1)], order='NHWC')
    yield case('one_input', [x])
    yield case('add_axis_without_axis', [x, x], add_axis=1)
    yield case('scalars_added', [F(1), F(2)], axis=0, add_axis=1)
    yield case('one_empty', [ramp(0, 3), ramp(2, 3)], axis=0)
    yield case('many', [ramp(1) + i for i in range(20)], axis=0)
    yield case('refuses_axis_and_order', [x, x], axis=1, order='NCHW')
    yield case('refuses_order', [x, x], order='CHW')
    yield case('refuses_axis_beyond_rank', [x, x], axis=3)
    yield case('refuses_axis_below_rank', [x, x], axis=-4)
    yield case('refuses_other_size', [x, x[:1]], axis=1)
    yield case('refuses_other_size_added', [x, x[:1]], axis=0, add_axis=1)
    yield case('refuses_mixed_types', [x, x.astype(I32)], axis=0)
    yield case('refuses_lower_rank', [x, x[0]], axis=0)
    yield case('higher_rank', [x, x[..., None]], dict(
        diverges='Caffe2 ignores what later inputs have in more dimensions', ours='refused'), axis=0)
    yield case('refuses_scalars', [F(1), F(2)], axis=0)
    yield 'refuses_one_output', op('Concat', ['X'], ['Y'], axis=0), {'X': x}


def splits(op):
    def case(name, x, parts, *options, **args):
        return (name, op('Split', ['X'], ['Y%d' % i for i in range(parts)], **args), {'X': x}) + options

    for name, x in typed(2, 3):
        yield case(name, x, 3)
        yield case('uneven_' + name, x, 2, axis=1, split=[2, 1])
        yield case('empty_' + name, x[:0], 2, axis=0)
    x = ramp(2, 4, 6)
    for axis in range(-3, 3):
        yield case('axis_%d' % axis, x, 2, axis=axis)
        yield case('add_axis_%d' % axis, x, x.shape[axis], axis=axis, add_axis=1)
    yield case('nchw', ramp(1, 4, 2, 2), 2, order='NCHW')
    yield case('nhwc', ramp(1, 2, 2, 4), 2, order='NHWC')
    yield case('zero_part', x, 2, axis=-1, split=[0, 6])
    yield case('one_part', x, 1, axis=0)
    yield case('empty_split_is_none', x, 2, axis=1, split=[])
    yield case('added_with_split', x, 2, axis=0, add_axis=1, split=[1, 1])
    yield case('refuses_not_divisible', x, 3, axis=1)
    yield case('refuses_sum', x, 2, axis=1, split=[1, 2])
    yield case('refuses_negative', x, 2, axis=1, split=[-1, 5])
    yield case('refuses_count', x, 2, axis=1, split=[4])
    yield case('refuses_axis', x, 2, axis=3)
    yield case('refuses_axis_and_order', x, 2, axis=1, order='NCHW')
    yield case('refuses_added_other_size', x, 3, axis=0, add_axis=1)

    def by_blob(name, sizes, *options, **args):
        return (name, op('Split', ['X', 'S'], ['A', 'B'], **args), {'X': x, 'S': sizes}) + options

    yield by_blob('sizes_input', np.array([1, 3], I32), axis=1)
    yield by_blob('sizes_input_of_rank_2', np.array([[4, 2]], I32), axis=2)
    yield by_blob('refuses_sizes_twice', np.array([1, 3], I32), axis=1, split=[1, 3])
    yield by_blob('refuses_sizes_int64', np.array([1, 3], I64), axis=1)
    yield by_blob('refuses_sizes_empty', np.array([], I32), axis=1)
    yield by_blob('refuses_sizes_sum', np.array([1, 2], I32), axis=1)


def dropouts(op):
    def case(name, x, outputs, **args):
        return name, op('Dropout', ['X'], outputs, **args), {'X': x}

    x = np.array([[0.0, -0.0, 1.5], [NAN, np.inf, -3]], F)
    yield case('test', x, ['Y'], is_test=1)
    yield case('test_in_place', x, ['X'], is_test=1)
    yield case('test_empty', x[:0], ['Y'], is_test=1)
    yield case('test_with_mask', x, ['Y', 'mask'], is_test=1) + (dict(fetch=['Y']),)
    yield case('test_scalar', F(2), ['Y'], is_test=1, ratio=0.1)
    yield case('train_nothing', x, ['Y', 'mask'], is_test=0, ratio=0.0)
    yield case('train_nothing_in_place', x, ['X', 'mask'], is_test=0, ratio=0.0)
    yield case('train_empty', x[:0], ['Y', 'mask'], is_test=0)
    yield case('refuses_no_is_test', x, ['Y', 'mask'])
    yield case('refuses_ratio_1', x, ['Y'], is_test=1, ratio=1.0)
    yield case('refuses_ratio_negative', x, ['Y'], is_test=1, ratio=-0.5)
    yield case('refuses_double', x.astype(np.float64), ['Y'], is_test=1)
    yield case('refuses_train_without_mask', x, ['Y'], is_test=0)


def slices(op):
    def case(name, x, starts, ends, *options):
        return (name, op('Slice', ['X'], ['Y'], starts=starts, ends=ends), {'X': x}) + options

    for name, x in typed(2, 3):
        yield case(name, x, [0, 1], [-1, 3])
        yield case('rows_' + name, x, [1], [2])
        yield case('empty_' + name, x[:0], [0, 1], [-1, 2])
    x = ramp(3, 4)
    yield case('negative', x, [0, -3], [-1, -2])
    yield case('whole', x, [0, 0], [3, 4])
    yield case('nothing_given', x, [], [])
    yield case('beyond', x, [1], [9])
    yield case('behind', x, [9], [9])
    yield case('start_minus_size', x, [-4], [-1])
    yield case('end_minus_size', x, [0], [-4])
    yield case('middle', ramp(2, 3, 2), [0, 1, 0], [-1, 2, -1])
    yield case('scalar', F(2), [], [])
    for name, starts, ends in (('two_dimensions', [1, 1], [2, 2]), ('end_before_start', [2], [1]),
                               ('start_below', [-5], [-1]), ('end_below', [0], [-5]), ('three', [0] * 3, [1] * 3),
                               ('lengths', [0, 0], [1])):
        yield case('refuses_' + name, x, starts, ends)

    def by_blob(name, first, last, **args):
        return name, op('Slice', ['X', 'S', 'E'], ['Y'], **args), {'X': x, 'S': first, 'E': last}

    for dtype in (I32, I64):
        yield by_blob('inputs_' + np.dtype(dtype).name, np.array([1, 0], dtype), np.array([2, -1], dtype))
    one, two = np.array([1], I32), np.array([2], I32)
    yield by_blob('inputs_beat_arguments', one, two, starts=[0], ends=[1])
    yield by_blob('inputs_empty', one[:0], two[:0])
    yield by_blob('refuses_inputs_mixed', one.astype(I64), two)
    yield by_blob('refuses_inputs_float', one.astype(F), two.astype(F))
    yield by_blob('refuses_inputs_rank_2', one[None], two[None])
    yield 'refuses_no_starts', op('Slice', ['X'], ['Y'], ends=[1]), {'X': x}
    yield 'refuses_no_ends', op('Slice', ['X'], ['Y'], starts=[1]), {'X': x}
    yield 'refuses_in_place', op('Slice', ['X'], ['X'], starts=[1], ends=[2]), {'X': x}


def unit_dims(op):
    for kind in ('Squeeze', 'ExpandDims'):
        def case(name, x, output='Y', **args):
            return name, op(kind, ['X'], [output], **args), {'X': x}

        for name, x in typed(1, 2, 3):
            yield case(name, x, dims=[0])
            yield case('empty_' + name, x[:, :0], dims=[0])
        if kind == 'Squeeze':
            x, lists = ramp(1, 2, 1, 3, 1), ([0], [2], [4], [0, 2], [4, 0], [2, 0, 2, 4])
        else:
            x, lists = ramp(2, 3, 1), ([0], [2], [3], [0, 2], [4, 0], [2, 0, 2, 4])
        for dims in lists:
            yield case('dims_' + ''.join(map(str, dims)), x, dims=dims)
        yield case('in_place', x, 'X', dims=lists[1])
        yield case('refuses_negative', x, dims=[-1])
        yield case('refuses_beyond', x, dims=[6])
        yield case('refuses_empty_dims', x, dims=[])
        yield case('refuses_no_dims', x)
    yield 'scalar', op('ExpandDims', ['X'], ['Y'], dims=[0, 1]), {'X': F(2)}
    yield 'to_scalar', op('Squeeze', ['X'], ['Y'], dims=[0, 1]), {'X': ramp(1, 1)}
    yield 'refuses_not_1', op('Squeeze', ['X'], ['Y'], dims=[1]), {'X': ramp(1, 2)}


def vectors(op):
    for name, x in typed(2, 3):
        yield name, op('FlattenToVec', ['X'], ['Y']), {'X': x}
        yield name, op('ResizeLike', ['X', 'like'], ['Y']), {'X': x, 'like': ramp(3, 2)}
    yield 'empty', op('FlattenToVec', ['X'], ['Y']), {'X': ramp(0, 3)}
    yield 'refuses_scalar', op('FlattenToVec', ['X'], ['Y']), {'X': F(1)}
    yield 'refuses_in_place', op('FlattenToVec', ['X'], ['X']), {'X': ramp(2)}
    yield 'empty', op('ResizeLike', ['X', 'like'], ['Y']), {'X': ramp(0, 3), 'like': ramp(5, 0)}
    yield 'scalar', op('ResizeLike', ['X', 'like'], ['Y']), {'X': ramp(1), 'like': F(1)}
    yield 'like_int', op('ResizeLike', ['X', 'like'], ['Y']), {'X': ramp(2, 3), 'like': ramp(6, dtype=I32)}
    yield 'refuses_other_size', op('ResizeLike', ['X', 'like'], ['Y']), {'X': ramp(2), 'like': ramp(3)}
    yield 'refuses_in_place', op('ResizeLike', ['X', 'like'], ['X']), {'X': ramp(2), 'like': ramp(2)}


def tells(op):
    for kind in ('StopGradient', 'Alias', 'EnsureCPUOutput', 'Shape', 'Size', 'HasElements', 'IsEmpty'):
        for name, x in typed(2, 3):
            yield name, op(kind, ['X'], ['Y']), {'X': x}
        yield 'empty', op(kind, ['X'], ['Y']), {'X': ramp(0, 3)}
        yield 'scalar', op(kind, ['X'], ['Y']), {'X': F(2)}
        yield ('' if kind == 'StopGradient' else 'refuses_') + 'in_place', op(kind, ['X'], ['X']), {'X': ramp(2)}
        if kind != 'HasElements':
            yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2)}
    x = ramp(2, 3, 4)
    for axes in ([], [0], [2, 0], [1, 1]):
        yield 'axes_' + ''.join(map(str, axes)), op('Shape', ['X'], ['Y'], axes=axes), {'X': x}
    yield 'refuses_axis_beyond', op('Shape', ['X'], ['Y'], axes=[3]), {'X': x}
    yield 'refuses_axis_negative', op('Shape', ['X'], ['Y'], axes=[-1]), {'X': x}
    yield 'second_full', op('HasElements', ['X', 'Z'], ['Y']), {'X': x[:0], 'Z': ramp(1)}
    yield 'all_empty', op('HasElements', ['X', 'Z'], ['Y']), {'X': x[:0], 'Z': ramp(0)}


def cases(op, rng):
    for family in (concats, splits, dropouts, slices, unit_dims, vectors, tells):
        yield from family(op)
