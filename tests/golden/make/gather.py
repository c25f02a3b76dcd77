"""Gather, BatchGather, GatherRanges, LengthsToRanges, Where, Conditional, Mod."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, REFUSED_TYPES, any_values, ramp, strings

TEXT = strings(b'', b'a', b'\x00\xff', b'bc', 'ü'.encode(), b'x' * 50)


def ints(*values, dtype=I32):
    return np.array(values, dtype)


def typed(*shape):
    for dtype in ALL_TYPES:
        yield np.dtype(dtype).name, any_values(dtype, *shape)
    yield 'strings', TEXT[:int(np.prod(shape))].reshape(shape)


def gathers(op):
    def case(name, data, indices, *options, **args):
        return (name, op('Gather', ['DATA', 'INDICES'], ['OUTPUT'], **args),
                {'DATA': data, 'INDICES': np.asarray(indices)}) + options

    for name, x in typed(3, 2):
        yield case(name, x, ints(2, 0, 2))
        yield case('axis_1_' + name, x, ints(1, 1, 0, dtype=I64), axis=1)
    x = ramp(2, 3, 4)
    for axis in range(-3, 3):
        yield case('axis_%d' % axis if axis >= 0 else 'axis_minus_%d' % -axis, x, ints(1, 0), axis=axis)
    yield case('floats_one_by_one', ramp(5), ints(4, 0, 0, 3, dtype=I64))
    yield case('matrix_of_indices', x, ints(1, 0, 1, 1, 0, 0).reshape(2, 3))
    yield case('matrix_of_indices_axis_1', x, ints(2, 0, 1, 1, dtype=I64).reshape(2, 2), axis=1)
    yield case('scalar_index', x, np.array(1, I32))
    yield case('scalar_index_axis_2', x, np.array(3, I64), axis=2)
    yield case('no_indices', x, ints())
    yield case('no_indices_axis_1', x, np.zeros((2, 0), I64), axis=1)
    yield case('negative_wraps', x, ints(-1, -2, 0))
    yield case('negative_wraps_when_asked', x, ints(-1, -3, 2, dtype=I64), axis=1, wrap_indices=1)
    yield case('wrap_asked_for_axis_0', x, ints(-1), axis=0, wrap_indices=True)
    yield case('refuses_negative_axis_1', x, ints(-1), axis=1)
    yield case('refuses_negative_axis_minus_3', x, ints(-1), axis=-3)
    yield case('refuses_negative_without_wrap', x, ints(-1), wrap_indices=0)
    yield case('refuses_index_too_large', x, ints(0, 2))
    yield case('refuses_index_below_wrapping', x, ints(0, -3, dtype=I64))
    yield case('refuses_largest_index', x, ints(2 ** 63 - 1, dtype=I64))
    yield case('refuses_smallest_index', x, ints(-2 ** 63, dtype=I64))
    yield case('one_element', ramp(1), ints(0))
    yield case('empty_axis', np.zeros((0, 3), F), ints(5, 6))
    yield case('empty_axis_1', np.zeros((2, 0, 3), F), ints(5), axis=1)
    yield case('empty_axis_match_outer', np.zeros((2, 0, 3), F), ints(5), axis=1, match_outer=1)
    yield case('empty_block', np.zeros((2, 0), F), ints(1, 0, 1))
    yield case('empty_block_unread_index', np.zeros((2, 0), F), ints(7))
    yield case('empty_outer', np.zeros((0, 3), F), ints(1, 2), axis=1)
    yield case('empty_strings', TEXT[:0].reshape(0, 2), ints(1))
    yield case('refuses_axis_3', x, ints(0), axis=3)
    yield case('refuses_axis_minus_4', x, ints(0), axis=-4)
    yield case('refuses_scalar_data', F(1), ints(0))
    for dtype in (F, np.uint8, np.bool_):
        yield case('refuses_indices_' + np.dtype(dtype).name, x, np.array([0], dtype))
    match = dict(axis=1, match_outer=1)
    yield case('match_outer', x, ints(2, 0, 1, 1).reshape(2, 2), **match)
    yield case('match_outer_floats', ramp(2, 3), ints(2, 0, 1, 1, dtype=I64).reshape(2, 2), **match)
    yield case('match_outer_one_index', x, ints(2, 0), **match)
    yield case('match_outer_axis_2', x, ints(3, 0, 1, 1, 2, 0).reshape(2, 3), axis=2, match_outer=True)
    yield case('match_outer_more_indices', x, ints(*[0, 1, 2, 1] * 2).reshape(2, 2, 2), **match)
    yield case('match_outer_wraps', x, ints(-1, 0).reshape(2, 1), wrap_indices=1, **match)
    yield case('match_outer_negative_axis', x, ints(2, 0).reshape(2, 1), axis=-2, match_outer=1)
    yield case('match_outer_strings', TEXT.reshape(2, 3), ints(2, 0).reshape(2, 1), **match)
    yield case('refuses_match_outer_axis_0', x, ints(0), match_outer=1)
    yield case('refuses_match_outer_other_dims', x, ints(0, 0, 0).reshape(3, 1), **match)
    yield case('refuses_match_outer_index_of_first_row', x, ints(3, 0).reshape(2, 1), **match)
    for axis in (1.0, [1]):
        yield case('refuses_axis_%s' % type(axis).__name__, x, ints(0), axis=axis)
    yield 'refuses_in_place', op('Gather', ['DATA', 'INDICES'], ['DATA']), {'DATA': x, 'INDICES': ints(0)}
    yield 'refuses_in_place_indices', op('Gather', ['DATA', 'INDICES'], ['INDICES']), {'DATA': x, 'INDICES': ints(0)}
    yield 'refuses_one_input', op('Gather', ['DATA'], ['OUTPUT']), {'DATA': x}


def batch_gathers(op):
    def case(name, data, indices, *options, **args):
        return (name, op('BatchGather', ['DATA', 'INDICES'], ['OUTPUT'], **args),
                {'DATA': data, 'INDICES': np.asarray(indices)}) + options

    for name, x in typed(2, 3):
        yield case(name, x, ints(2, 0, 2, 1))
    x = ramp(2, 3, 4)
    yield case('indices_int64', x, ints(2, 0, dtype=I64))
    yield case('matrix_of_indices', x, ints(2, 0, 1, 1).reshape(2, 2))
    yield case('scalar_index', x, np.array(1, I32))
    yield case('no_indices', x, ints())
    yield case('empty_batch', np.zeros((0, 3), F), ints(1))
    yield case('empty_axis', np.zeros((2, 0), F), ints(1))
    yield case('match_outer', x, ints(2, 0, 1, 1).reshape(2, 2), match_outer=1)
    yield case('match_outer_strings', TEXT.reshape(2, 3), ints(2, 0).reshape(2, 1), match_outer=1)
    yield case('refuses_match_outer_other_dims', x, ints(0), match_outer=1)
    yield case('refuses_negative', x, ints(-1))
    yield case('refuses_index_too_large', x, ints(0, 3))
    yield case('refuses_rank_1', ramp(3), ints(0))
    yield case('refuses_indices_float', x, np.zeros(1, F))
    yield 'refuses_in_place', op('BatchGather', ['DATA', 'INDICES'], ['DATA']), {'DATA': x, 'INDICES': ints(0)}


def ranges(op):
    def case(name, data, of, *options, dtype=I32):
        return (name, op('GatherRanges', ['DATA', 'RANGES'], ['OUTPUT', 'LENGTHS']),
                {'DATA': data, 'RANGES': np.array(of, dtype)}) + options

    good = [[[0, 1], [2, 2]], [[4, 1], [5, 1]]]
    for name, x in typed(6):
        yield case(name, x, good)
        yield case('int64_' + name, x, good, dtype=I64)
    x = ramp(6)
    yield case('overlapping', x, [[[0, 6], [1, 5]], [[5, 1], [0, 6]]])
    yield case('one_example', x, [[[3, 2]]])
    yield case('all_empty', x, [[[0, 0], [6, 0]], [[3, 0], [0, 0]]])
    yield case('empty_range_anywhere', x, [[[100, 0], [-3, 0], [1, 1]]])
    yield case('no_examples', x, np.zeros((0, 2, 2)))
    yield case('empty_data', ramp(0), [[[0, 0]]])
    yield case('refuses_range_beyond_data', x, [[[5, 2]]])
    yield case('refuses_start_beyond_data', x, [[[7, 1]]], dtype=I64)
    yield case('refuses_no_ranges', x, np.zeros((2, 0, 2)))
    yield case('refuses_last_dimension_3', x, np.zeros((2, 1, 3)))
    yield case('refuses_ranges_of_rank_2', x, [[0, 1]])
    yield case('refuses_ranges_float', x, good, dtype=F)
    yield case('refuses_data_of_rank_2', ramp(2, 3), good)
    yield case('refuses_scalar_data', F(1), good)
    yield case('refuses_negative_length', x, [[[0, 2], [2, -1]]])
    for at, name in enumerate(('DATA', 'RANGES')):
        for out in range(2):
            outputs = ['OUTPUT', 'LENGTHS']
            outputs[out] = name
            yield ('refuses_in_place_%d_%d' % (at, out), op('GatherRanges', ['DATA', 'RANGES'], outputs),
                   {'DATA': x, 'RANGES': np.array(good, I32)})


def lengths(op):
    def case(name, x, *options):
        return (name, op('LengthsToRanges', ['lengths'], ['ranges']), {'lengths': x}) + options

    yield case('plain', ints(1, 3, 0, 2))
    yield case('one', ints(5))
    yield case('empty', ints())
    yield case('zeros', ints(0, 0, 0))
    yield case('largest', ints(1, 2 ** 31 - 1))
    yield case('negative', ints(1, -2, 3), dict(diverges='a segment of negative length makes no sense', ours='refused'))
    yield case('too_many', ints(1, 2 ** 31 - 1, 5), dict(diverges='Caffe2 wraps around', ours='refused'))
    yield case('refuses_rank_2', ints(1, 2).reshape(1, 2))
    yield case('refuses_scalar', np.array(1, I32))
    for dtype in REFUSED_TYPES + (I64,):
        if dtype != I32:
            yield case('refuses_' + np.dtype(dtype).name, np.zeros(2, dtype))
    yield 'refuses_in_place', op('LengthsToRanges', ['lengths'], ['lengths']), {'lengths': ints(1, 2)}


def choices(op, kind, named, row):
    """Where and Conditional; `row`: the arguments that make it choose by row."""
    def case(name, c, x, y, *options, **args):
        return (name, op(kind, ['C', 'X', 'Y'], ['Z'], **args), {'C': np.asarray(c), 'X': x, 'Y': y}) + options

    c = np.array([True, False, False])
    for name, x in typed(3, 2):
        y = x[::-1].copy()
        taken = not named or name in named
        yield case(name if taken else 'refuses_' + name, c, x, y, **row)
        if taken:
            yield case('rows_of_one_' + name, c, x[:, 1].copy(), y[:, 1].copy(), **row)
    x, y = ramp(3, 2, 2), -ramp(3, 2, 2)
    yield case('rank_3', c, x, y, **row)
    yield case('one_row', c[:1], x[:1], y[:1], **row)
    yield case('no_rows', c[:0], x[:0], y[:0], **row)
    yield case('empty_rows', c, x[:, :0], y[:, :0], **row)
    yield case('refuses_fewer_conditions', c[:2], x, y, **row)
    yield case('refuses_matrix_of_conditions', np.array([c, c]).T.copy(), ramp(3, 2), ramp(3, 2), **row)
    yield case('refuses_other_dims', c, x, y[:, :1], **row)
    yield case('refuses_other_rank', c, x, ramp(3, 4), **row)
    yield case('refuses_fewer_rows', c, x, y[:2], **row)
    yield case('refuses_scalars', np.array(True), F(1), F(2), **row)
    yield case('refuses_int_condition', c.astype(I32), x, y, **row)
    yield case('refuses_larger_type', c, ramp(3), ramp(3, dtype=np.float64), **row)
    for i, name in enumerate('CXY'):
        of = dict(zip('CXY', (c, c, ~c)))
        yield 'refuses_in_place_%d' % i, op(kind, ['C', 'X', 'Y'], [name], **row), of
    yield 'refuses_two_inputs', op(kind, ['C', 'X'], ['Z'], **row), {'C': c, 'X': x}


def wheres(op):
    named = ('float32', 'float64', 'int32', 'int64', 'bool', 'strings')
    yield from choices(op, 'Where', named, dict(broadcast_on_rows=1))

    def case(name, c, x, y, **args):
        return name, op('Where', ['C', 'X', 'Y'], ['Z'], **args), {'C': np.asarray(c), 'X': x, 'Y': y}

    c = np.array([[True, False], [False, True]])
    for name, x in typed(2, 2):
        if name in named:
            yield case('elements_' + name, c, x, x.T.copy())
    yield case('elements_scalar', np.array(True), F(1), F(2))
    yield case('elements_empty', c[:0], ramp(0, 2), ramp(0, 2))
    yield case('elements_rank_4', np.arange(12).reshape(1, 3, 2, 2) % 3 == 0, ramp(1, 3, 2, 2), -ramp(1, 3, 2, 2))
    yield case('elements_not_rows', c, ramp(2, 2), -ramp(2, 2), broadcast_on_rows=0)
    yield case('refuses_elements_for_rows', c[0], ramp(2, 2), ramp(2, 2))
    yield case('refuses_elements_other_dims', c, ramp(2, 2), ramp(2, 1))
    yield case('refuses_elements_float16', c, ramp(2, 2, dtype=np.float16), ramp(2, 2, dtype=np.float16))
    yield case('refuses_broadcast_of_float', c, ramp(2, 2), ramp(2, 2), broadcast_on_rows=1.0)


def conditionals(op):
    yield from choices(op, 'Conditional', None, {})
    yield ('type_of_one_size', op('Conditional', ['C', 'X', 'Y'], ['Z']),
           {'C': np.array([True, False]), 'X': ramp(2), 'Y': ramp(2, dtype=I32)},
           dict(diverges='Caffe2 takes the bytes of integers for floats', ours='refused'))


def mods(op):
    def case(name, x, *options, y='Y', **args):
        return (name, op('Mod', ['X'], [y], **args), {'X': x}) + options

    for dtype in (I32, I64):
        low = np.dtype(dtype).name
        x = np.arange(-7, 8).astype(dtype).reshape(3, 5)
        for divisor in (1, 3, 10, -3):
            sign = '%d' % divisor if divisor > 0 else 'minus_%d' % -divisor
            yield case('%s_%s' % (low, sign), x, divisor=divisor)
            yield case('%s_%s_follow' % (low, sign), x, divisor=divisor, sign_follow_divisor=1)
        yield case('in_place_' + low, x, y='X', divisor=4)
        yield case('in_place_follow_' + low, x, y='X', divisor=4, sign_follow_divisor=True)
        ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, -1, 0, 1], dtype)
        yield case('ends_' + low, ends, divisor=1000)
        yield case('ends_follow_' + low, ends, divisor=1000, sign_follow_divisor=1)
        yield case('large_divisor_' + low, ends, divisor=2 ** 40)
        yield case('large_divisor_follow_' + low, ends, divisor=2 ** 40 + 5, sign_follow_divisor=1)
        yield case('empty_' + low, x[:0], divisor=3)
        yield case('scalar_' + low, np.array(-5, dtype), divisor=3)
    yield case('int32_minus_1', ints(-2 ** 31, 5), divisor=-1)
    yield case('sign_not_followed', ints(-5), divisor=3, sign_follow_divisor=0)
    yield case('refuses_divisor_0', ints(5), divisor=0)
    yield case('refuses_no_divisor', ints(5))
    yield case('refuses_float_divisor', ints(5), divisor=2.0)
    for dtype in REFUSED_TYPES + (F,):
        if dtype != I32:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype), divisor=2)


def cases(op, rng):
    yield from gathers(op)
    yield from batch_gathers(op)
    yield from ranges(op)
    yield from lengths(op)
    yield from wheres(op)
    yield from conditionals(op)
    yield from mods(op)
