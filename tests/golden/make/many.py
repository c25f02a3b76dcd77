"""Max, Min, Mean, WeightedSum; and Sum of many."""
import numpy as np
from common import F, I32, NAN, INF, REFUSED_TYPES, SPECIAL, SUMS, normal, ramp, strings

TYPES = dict(Max=(F,), Min=(F,), Mean=(F, np.float64))
SECOND = 'with two inputs Caffe2 does not check the shape of the second'


def alike(op, kind, rng):
    def case(name, *xs, out='Y', inputs=None):
        blobs = {'X%d' % i: np.asarray(x) for i, x in enumerate(xs)}
        return name, op(kind, inputs or list(blobs), [out]), blobs

    a, b, c = (normal(rng, 3, 5) for _ in range(3))
    for dtype in TYPES[kind]:
        low = np.dtype(dtype).name
        x, y, z = (v.astype(dtype) for v in (a, b, c))
        yield case('one_' + low, x)
        yield case('two_' + low, x, y)
        yield case('three_' + low, x, y, z)
        yield case('seven_' + low, x, y, z, x * y, y * z, x * z, x * x)
        yield case('empty_' + low, x[:0], y[:0])
        yield case('scalars_' + low, dtype(2), dtype(3))
        yield case('one_element_' + low, x[:1, :1], y[:1, :1])
    yield case('rank_4', normal(rng, 2, 3, 4, 5), normal(rng, 2, 3, 4, 5))
    for n in (3, 8, 17, 33):
        yield case('length_%d' % n, normal(rng, n), normal(rng, n), normal(rng, n))
    left, right = np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))
    yield case('special_values', left, right)
    yield case('special_values_three', left, right, left[::-1].copy())
    yield case('special_one', np.array([NAN, INF, -0.0], F))
    yield case('in_place', a, b, c, out='X0')
    yield case('in_place_two', a, b, out='X0')
    yield case('in_place_alone', a, out='X0')
    yield case('same_input_three_times', a, inputs=['X0', 'X0', 'X0'])
    yield case('refuses_in_place_on_second', a, b, out='X1')
    yield case('refuses_same_input_in_place', a, inputs=['X0', 'X0'], out='X0')
    yield case('refuses_third_of_other_size', a, b, a[:, :1])
    yield case('refuses_third_of_other_shape', ramp(2, 3), ramp(2, 3), ramp(3, 2))
    yield case('refuses_third_of_other_rank', ramp(2, 3), ramp(2, 3), ramp(1, 2, 3))
    second = case('second_of_other_shape', ramp(2, 3), ramp(3, 2))
    if kind == 'Mean':
        yield ('refuses_' + second[0],) + second[1:]
    else:
        yield second + (dict(diverges=SECOND, ours='refused'),)
    yield case('refuses_other_type', ramp(2), ramp(2, dtype=np.float64))
    yield case('refuses_other_type_third', ramp(2), ramp(2), ramp(2, dtype=I32))
    for dtype in REFUSED_TYPES:
        if dtype not in TYPES[kind]:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype))
    yield case('refuses_strings', strings(b'a'))
    yield 'refuses_no_input', op(kind, [], ['Y']), {}
    yield 'refuses_missing_blob', op(kind, ['X0', 'absent'], ['Y']), {'X0': a}


def weighted(op, rng):
    def case(name, *xs, out='Y', inputs=None, options=None):
        blobs = {'X%d' % i: np.asarray(x) for i, x in enumerate(xs)}
        return name, op('WeightedSum', inputs or list(blobs), [out]), blobs, options or dict(tolerance=SUMS)

    a, b, c = (normal(rng, 3, 5) for _ in range(3))
    one, half, minus = np.array([1], F), np.array([0.5], F), np.array([-2.25], F)
    yield case('one', a, half)
    yield case('two', a, half, b, minus)
    yield case('three', a, half, b, minus, c, one)
    yield case('in_place', a, half, b, minus, c, one, out='X0')
    yield case('in_place_alone', a, half, out='X0')
    yield case('scalars', F(2), half, F(3), minus)
    yield case('one_element', a[0, :1], half)
    yield case('weights_of_other_ranks', a, F(0.5), b, minus.reshape(1, 1))
    yield case('rank_4', normal(rng, 2, 3, 4, 5), half, normal(rng, 2, 3, 4, 5), minus)
    for n in (8, 17, 33):
        yield case('length_%d' % n, normal(rng, n), half, normal(rng, n), minus)
    yield case('order_matters', np.array([1e8], F), one, one, one, np.array([-1e8], F), one)
    yield case('same_input_twice', a, half, inputs=['X0', 'X1', 'X0', 'X1'])
    yield case('special_one', SPECIAL, half)
    yield case('special_by_0', SPECIAL, np.zeros(1, F))
    for weight in (0.0, INF, NAN, -1.0):
        yield case('special_weight_%s' % str(weight).replace('-', 'minus_'), SPECIAL, one, SPECIAL[::-1].copy(),
                   np.array([weight], F))
    yield case('other_shape_of_the_same_size', ramp(2, 3), half, ramp(3, 2), minus)
    yield case('empty', a[:0], half, b[:0], minus, options=dict(
        diverges='Caffe2 refuses empty tensors', ours={'Y': a[:0]}))
    yield case('refuses_in_place_on_second', a, half, b, minus, out='X2')
    yield case('refuses_in_place_on_weight', half, half, b[0, :1], minus, out='X1')
    yield case('refuses_other_size', a, half, b[:, :1], minus)
    yield case('refuses_odd_count', a, half, b)
    yield case('refuses_weight_of_two', a, np.ones(2, F))
    yield case('refuses_later_weight_of_two', a, half, b, np.ones(2, F))
    yield case('refuses_empty_weight', a, half, b, np.zeros(0, F))
    yield case('refuses_other_type', a, half, b.astype(np.float64), half)
    yield case('refuses_weight_float64', a, half.astype(np.float64))
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype), half)
    yield case('refuses_strings', strings(b'a'), half)
    yield 'refuses_no_input', op('WeightedSum', [], ['Y']), {}
    yield 'refuses_missing_blob', op('WeightedSum', ['X0', 'absent'], ['Y']), {'X0': a}


def cases(op, rng):
    for kind in TYPES:
        yield from alike(op, kind, rng)
    yield from weighted(op, rng)
    # More inputs than come at once.
    for count in (9, 10, 18):
        xs = {'X%d' % i: normal(rng, 2, 5) for i in range(count)}
        for kind in TYPES:
            yield 'inputs_%d' % count, op(kind, list(xs), ['Y']), xs, dict(tolerance=SUMS) if kind == 'Mean' else {}
        yield 'inputs_%d' % count, op('Sum', list(xs), ['Y']), xs
        terms = dict(xs, **{'w%d' % i: np.array([i - 3.5], F) for i in range(count)})
        names = [name for i in range(count) for name in ('X%d' % i, 'w%d' % i)]
        yield 'inputs_%d' % count, op('WeightedSum', names, ['Y']), terms, dict(tolerance=SUMS)
