"""Reductions: over axes, over the first or last dimensions, over everything."""
import numpy as np
from common import F, I32, I64, NAN, NUMERIC, REFUSED_TYPES, SUMS, WRONG_FIELD, normal, ramp, strings

AXES = ('ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2')
ENDS = ('Sum', 'Mean', 'Max')
UNREAD = 'Caffe2 documents num_reduce_dims but reads num_reduce_dim; we refuse what disagrees'


def lengths(*values, dtype=I32):
    return np.array(values, dtype)


def signed(x):
    """Every third element negative."""
    return np.where(np.arange(x.size).reshape(x.shape) % 3 == 1, -x, x).astype(x.dtype)


def over_axes(op, rng, kind):
    options = {} if kind in ('ReduceMax', 'ReduceMin') else dict(tolerance=SUMS)
    types = (F,) if kind in ('ReduceMean', 'ReduceL1', 'ReduceL2') else NUMERIC

    def case(name, x, **args):
        return name, op(kind, ['X'], ['Y'], **args), {'X': x}, options

    for dtype in types:
        low = np.dtype(dtype).name
        yield case(low, signed(ramp(2, 3, dtype=dtype)))
        yield case(low + '_axis_0', signed(ramp(2, 3, 4, dtype=dtype)), axes=[0])
        yield case(low + '_axis_1', signed(ramp(2, 3, 4, dtype=dtype)), axes=[1], keepdims=0)
        yield case(low + '_axis_2', signed(ramp(2, 3, 4, dtype=dtype)), axes=[2])
        yield case(low + '_empty', np.zeros((0, 3), dtype), axes=[0])
    for dtype in REFUSED_TYPES + (np.int64, np.int8):
        if dtype not in types:
            yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 2), dtype))
    yield case('refuses_strings', strings(b'a', b'b'))
    x = normal(rng, 2, 3, 4, 2)
    for axes in ([0, 1], [1, 3], [0, 2], [2, 3], [0, 3], [3, 0, 1], [-1, -2], [0, 1, 2, 3], [-4]):
        for keep in (0, 1):
            name = 'axes_%s_keep_%d' % ('_'.join(str(a).replace('-', 'm') for a in axes), keep)
            yield case(name, x, axes=axes, keepdims=keep)
    yield case('all_by_default', x)
    yield case('all_without_keepdims', x, keepdims=0)
    yield case('no_axes_is_all', x, axes=[])
    yield case('same_axis_twice', x, axes=[2, 2])
    yield case('keepdims_2', x, axes=[1], keepdims=2)
    yield case('ones', normal(rng, 1, 3, 1, 2), axes=[0, 1])
    yield case('nothing_to_reduce', normal(rng, 3, 1, 2), axes=[1])
    yield case('long_row', normal(rng, 2, 203), axes=[1])
    yield case('long_column', normal(rng, 203, 2), axes=[0])
    yield case('narrow_columns', normal(rng, 70, 3), axes=[0])
    yield case('wide_columns', normal(rng, 3, 133), axes=[0])
    yield case('middle_of_wide', normal(rng, 2, 5, 70), axes=[1])
    yield case('front_and_back', normal(rng, 3, 5, 70), axes=[0, 2])
    yield case('unknown_argument', ramp(2, 3), axis=0)
    yield case('one_element', ramp(1))
    yield case('scalar', F(-3))
    yield case('scalar_without_keepdims', F(-3), keepdims=0)
    yield case('scalar_no_axes', F(-3), axes=[])
    yield case('empty_all', np.zeros((0, 3), F))
    yield case('empty_kept', np.zeros((0, 3), F), axes=[1])
    yield case('empty_middle', np.zeros((2, 0, 3), F), axes=[1], keepdims=0)
    yield case('empty_result', np.zeros((2, 0, 3), F), axes=[0], keepdims=0)
    nan = np.array([[1, NAN, 3], [NAN, 2, NAN]], F)
    yield case('nan_in_rows', nan, axes=[1])
    yield case('nan_in_columns', nan, axes=[0])
    yield case('refuses_axis_beyond_rank', ramp(2, 3), axes=[2])
    yield case('refuses_negative_axis_beyond_rank', ramp(2, 3), axes=[-3])
    yield case('refuses_axis_of_scalar', F(3), axes=[0])
    yield case('refuses_axis_beyond_int32', ramp(2, 3), axes=[2 ** 40])
    yield case('refuses_float_keepdims', ramp(2, 3), keepdims=1.0)
    yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': ramp(2)}
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2)}
    yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}
    wrong = dict(diverges=WRONG_FIELD, ours='refused')
    yield 'axes_not_a_list', op(kind, ['X'], ['Y'], axes=1), {'X': ramp(2, 3)}, wrong


def ends(op, rng, kind):
    front = 'Front' in kind
    options = {} if kind.endswith('Max') else dict(tolerance=SUMS)
    types = (F,) if kind.endswith('Max') else NUMERIC

    def case(name, x, counts=None, more=options, **args):
        inputs = {'X': x} if counts is None else {'X': x, 'L': counts}
        return name, op(kind, list(inputs), ['Y'], **args), inputs, more

    def turned(x):
        """So that the dimension that is reduced is the first or the last."""
        return x.T.copy() if front else x

    for dtype in types:
        low = np.dtype(dtype).name
        yield case(low, signed(ramp(2, 3, dtype=dtype)))
        yield case(low + '_2', signed(ramp(2, 3, 2, dtype=dtype)), num_reduce_dim=2)
        yield case(low + '_empty', turned(np.zeros((3, 0), dtype)))
        yield case(low + '_lengths', turned(signed(ramp(2, 3, dtype=dtype))), lengths(2, 3))
    for dtype in REFUSED_TYPES + (np.int64, np.int8):
        if dtype not in types:
            yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 2), dtype))
    x = normal(rng, 2, 3, 2)
    for n in range(4):
        yield case('dims_%d' % n, x, num_reduce_dim=n)
    yield case('long', turned(normal(rng, 2, 203)))
    yield case('many_results', turned(normal(rng, 133, 3)))
    yield case('rank_1', normal(rng, 5))
    yield case('scalar', F(3), num_reduce_dim=0)
    yield case('empty_result', turned(np.zeros((0, 3), F)))
    yield case('empty_both', np.zeros((0, 0), F))
    yield case('empty_all', np.zeros((0, 3), F), num_reduce_dim=2)
    yield case('empty_none', np.zeros(0, F), num_reduce_dim=0)
    yield case('nan', turned(np.array([[NAN, 1, 3], [1, NAN, 3], [1, 3, NAN], [NAN] * 3], F)))
    square = turned(signed(ramp(4, 3)))
    yield case('lengths', square, lengths(1, 2, 3, 1))
    many = turned(normal(rng, 300, 40))
    yield case('lengths_many', many, lengths(*(i * 7 % 41 or 1 for i in range(300))))
    yield case('lengths_of_0', square, lengths(0, 2, 0, 3))
    yield case('lengths_of_rank_2', square, lengths(1, 2, 3, 1).reshape(2, 2))
    yield case('lengths_rank_3', normal(rng, 2, 2, 2), lengths(1, 2, 1, 2), num_reduce_dim=1)
    yield case('lengths_rank_1', normal(rng, 3), lengths(2))
    yield case('lengths_scalar', normal(rng, 3), I32(2))
    yield case('lengths_of_empty', turned(np.zeros((3, 0), F)), lengths(0, 0, 0))
    yield case('lengths_none', np.zeros((0, 0), F), lengths())
    yield case('lengths_nan', turned(np.array([[NAN, 1, 3], [1, NAN, 3]], F)), lengths(2, 2))
    yield case('num_reduce_dims_agrees', x, num_reduce_dims=1)
    yield case('num_reduce_dims_unread', x, more=dict(diverges=UNREAD, ours='refused'), num_reduce_dims=2)
    yield case('refuses_dims_beyond_rank', x, num_reduce_dim=4)
    yield case('refuses_negative_dims', x, num_reduce_dim=-1)
    yield case('refuses_scalar_by_default', F(3))
    yield case('refuses_too_few_lengths', square, lengths(1, 2, 3))
    yield case('refuses_too_many_lengths', square, lengths(1, 2, 3, 1, 1))
    yield case('refuses_int64_lengths', square, lengths(1, 2, 3, 1, dtype=I64))
    yield case('refuses_lengths_of_2_dims', x, lengths(1, 1), num_reduce_dim=2)
    yield case('refuses_lengths_of_0_dims', normal(rng, 2), lengths(1, 1), num_reduce_dim=0)
    yield case('negative_lengths', square, lengths(-1, 2, 3, 1), more=dict(
        diverges='a negative length is an error here', ours='refused'))
    yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': ramp(2)}
    yield 'refuses_three_inputs', op(kind, ['X', 'X', 'X'], ['Y']), {'X': ramp(2)}


def elements(op, rng, kind):
    types = (F,) if kind == 'SumElements' else (F, np.float64)

    def case(name, x, **args):
        return name, op(kind, ['X'], ['Y'], **args), {'X': x}, dict(tolerance=SUMS)

    for dtype in types:
        low = np.dtype(dtype).name
        yield case(low, normal(rng, 2, 3, dtype=dtype))
        yield case(low + '_average', normal(rng, 2, 3, dtype=dtype), average=1)
        yield case(low + '_empty', np.zeros((0, 3), dtype))
        yield case(low + '_empty_average', np.zeros((0, 3), dtype), average=1)
    for dtype in REFUSED_TYPES + (np.int64, np.int8):
        if dtype not in types:
            yield case('refuses_' + np.dtype(dtype).name, np.ones((2, 2), dtype))
    yield case('scalar', F(-3))
    yield case('one_element', ramp(1), average=1)
    yield case('long', normal(rng, 303))
    yield case('average_0', normal(rng, 5), average=0)
    yield case('average_5', normal(rng, 5), average=5)
    yield case('nan', np.array([1, NAN, 2], F))
    yield case('refuses_float_average', ramp(2), average=1.0)
    yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': ramp(2)}
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2)}
    yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}


def cases(op, rng):
    for kind in AXES:
        yield from over_axes(op, rng, kind)
    for end in ('Front', 'Back'):
        for kind in ENDS:
            yield from ends(op, rng, 'Reduce' + end + kind)
    for kind in ('SumElements', 'SumSqrElements'):
        yield from elements(op, rng, kind)
