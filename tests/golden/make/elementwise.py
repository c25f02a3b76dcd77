"""Add, Sub, Mul, Div, Sum.

Sub, whose operands cannot be exchanged, meets every rule of shapes; the others a part of them."""
import numpy as np
from common import F, I32, I64, INF, NAN, NUMERIC, REFUSED_TYPES, SPECIAL, normal, ramp, strings

KINDS = ('Add', 'Sub', 'Mul', 'Div')


NUMPY_PAIRS = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((2, 3), ()), ((), (2, 3)), ((0, 3), (3,)),
    ((), ()), ((1,), (1,)), ((4, 1, 3), (2, 1)), ((2, 1, 3, 1), (1, 4, 1, 2)), ((1, 1, 5), (2, 3, 5)), ((2, 3), (1,)),
    ((0, 3), (1, 3)), ((0,), (1,)), ((2, 0), (2, 1)), ((2, 0), (0,)), ((1,), (0, 2)), ((2, 3, 4, 2), (3, 1, 1)),
    ((17,), (17,)), ((3, 17), (17,)), ((3, 17), (3, 1)),
]
REFUSED_NUMPY = [((0,), (2,)), ((2, 3), (3, 2)), ((2, 3, 4), (2, 3)), ((2, 3), (2, 1, 1, 2))]
# With broadcast=1: A, B, arguments.
LEGACY = [
    ((2, 3), (3,), {}), ((2, 3), (2,), dict(axis=0)), ((2, 3, 4, 2), (3,), dict(axis=1)), ((2, 3), (1,), {}),
    ((2, 3, 4, 2), (1, 3, 4, 1), {}), ((2, 3), (2, 3), {}), ((2, 3), (), {}), ((2, 3), (1, 1, 1, 1), {}),
    ((2, 3), (3,), dict(axis=1)), ((2, 3), (3,), dict(axis=-1)), ((2, 3, 4, 2), (3, 4), dict(axis=1)),
    ((2, 3, 4, 2), (2, 3), dict(axis=0)), ((2, 3, 4, 2), (1, 3, 1, 1), {}), ((2, 3, 4, 2), (1, 3, 1), dict(axis=0)),
    ((2, 3, 4, 2), (4, 2), {}), ((0, 3), (3,), {}), ((2, 0), (0,), {}), ((0,), (1,), {}),
]
REFUSED_LEGACY = [
    ((2, 3, 4, 2), (1, 3, 1), dict(axis=1)), ((2, 3, 4, 2), (2, 1, 4, 1), {}), ((3,), (2, 3), {}),
    ((2, 3), (3,), dict(axis=-2)), ((2, 3), (3,), dict(axis=2)), ((2, 3), (3,), dict(axis=0)),
]


def name_of(shape):
    return 'x'.join(map(str, shape)) or 'scalar'


def broadcasting(op, kind, rng):
    def case(name, a, b, **args):
        return name, op(kind, ['A', 'B'], ['C'], **args), {'A': a, 'B': b}

    def suffix(args):
        return '_axis_%s' % str(args['axis']).replace('-', 'minus_') if args else ''

    every = kind == 'Sub'
    for a_dims, b_dims in NUMPY_PAIRS if every else NUMPY_PAIRS[:7]:
        a, b = np.asarray(normal(rng, *a_dims)), normal(rng, *b_dims) + F(3)
        pair = case('numpy_%s_and_%s' % (name_of(a_dims), name_of(b_dims)), a, b)
        if kind == 'Div' and a.size == 1 < b.size:
            pair += dict(diverges='Caffe2 multiplies one element by the reciprocals of many; ours divides',
                         ours={'C': a / b}),
        yield pair
    for a, b, args in LEGACY if every else LEGACY[:5]:
        yield case('legacy_%s_and_%s%s' % (name_of(a), name_of(b), suffix(args)),
                   normal(rng, *a), normal(rng, *b) + F(3), broadcast=1, **args)
    yield case('refuses_numpy_mismatch', np.ones((2, 3), F), np.ones(2, F))
    yield case('refuses_legacy_mismatch', np.ones((2, 3), F), np.ones(2, F), broadcast=1)
    a, nhwc, c = normal(rng, 2, 3, 4, 5), normal(rng, 2, 4, 5, 3), normal(rng, 3) + F(3)
    yield case('axis_str_c_nhwc', nhwc, c, broadcast=1, axis_str='C', order='NHWC')
    yield case('axis_without_broadcast_is_ignored', ramp(2, 3), c, axis=0)
    if not every:
        return

    for a_dims, b_dims in REFUSED_NUMPY:
        yield case('refuses_numpy_%s_and_%s' % (name_of(a_dims), name_of(b_dims)),
                   np.ones(a_dims, F), np.ones(b_dims, F))
    for a_dims, b_dims, args in REFUSED_LEGACY:
        yield case('refuses_legacy_%s_and_%s%s' % (name_of(a_dims), name_of(b_dims), suffix(args)),
                   np.ones(a_dims, F), np.ones(b_dims, F), broadcast=1, **args)
    yield case('axis_str_c', a, c, broadcast=1, axis_str='C')
    yield case('axis_str_h', a, normal(rng, 4), broadcast=1, axis_str='H')
    yield case('axis_str_of_an_order_of_its_own', normal(rng, 3, 2), c, broadcast=1, axis_str='a', order='ab')
    yield case('broadcast_2_is_true', ramp(2, 3), c, broadcast=2)
    yield case('axis_and_axis_str_without_broadcast_are_ignored', ramp(2, 3), c, axis=0, axis_str='C')
    yield case('refuses_axis_and_axis_str', a, c, broadcast=1, axis=1, axis_str='C')
    yield case('refuses_axis_str_unknown', a, c, broadcast=1, axis_str='X')
    yield case('refuses_axis_str_of_two', a, c, broadcast=1, axis_str='NC')
    yield case('refuses_float_broadcast', ramp(2, 3), c, broadcast=1.0)
    yield case('refuses_string_axis', a, c, broadcast=1, axis='C')


def in_place(op, kind, rng):
    def case(name, a, b, out, **args):
        return name, op(kind, ['A', 'B'], [out], **args), {'A': a, 'B': b}

    x, y, row, column = normal(rng, 2, 3), normal(rng, 2, 3) + F(3), normal(rng, 3) + F(3), normal(rng, 2) + F(3)
    yield case('in_place_first', x, y, 'A')
    yield case('in_place_first_broadcast', x, row, 'A')
    yield case('in_place_first_legacy', x, column, 'A', broadcast=1, axis=0)
    yield case('in_place_first_legacy_scalar', x, column[:1], 'A', broadcast=1)
    yield case('refuses_in_place_first_growing', row, x, 'A')
    prefix = 'refuses_' if kind == 'Div' else ''
    yield case(prefix + 'in_place_second', x, y, 'B')
    yield case(prefix + 'in_place_second_broadcast', row, x, 'B')
    yield case('refuses_in_place_second_growing', x, row, 'B')
    yield case('refuses_in_place_second_legacy', x, y, 'B', broadcast=1)
    yield 'same_input_twice', op(kind, ['A', 'A'], ['C']), {'A': y}
    yield prefix + 'same_input_twice_in_place', op(kind, ['A', 'A'], ['A']), {'A': y}


def data_types(op, kind, rng):
    def case(name, a, b):
        return name, op(kind, ['A', 'B'], ['C']), {'A': a, 'B': b}

    for dtype in NUMERIC:
        low = np.dtype(dtype).name
        a = (normal(rng, 3, 5) * 100).astype(dtype)
        b = (normal(rng, 3, 5) * 5).astype(dtype)
        b[b == 0] = 3
        yield case('type_' + low, a, b)
        yield case('type_%s_rows' % low, a, b[0])
        yield case('type_%s_empty' % low, a[:0], b[:1])
    for dtype in (I32, I64):
        low, top, bottom = np.dtype(dtype).name, np.iinfo(dtype).max, np.iinfo(dtype).min
        if kind == 'Div':
            yield case('truncates_' + low, np.array([7, -7, 7, -7, top, bottom, 0, 1], dtype),
                       np.array([2, 2, -2, -2, 3, 3, -5, bottom], dtype))
        else:
            yield case('wraps_' + low, np.array([top, bottom, top, bottom, top, bottom], dtype),
                       np.array([1, -1, top, bottom, -1, 1], dtype))
    special = SPECIAL.reshape(-1, 1)
    yield case('special_values', special, SPECIAL)
    yield case('special_values_float64', special.astype(np.float64), SPECIAL.astype(np.float64))
    for dtype in REFUSED_TYPES:
        if dtype not in NUMERIC:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype), np.ones(2, dtype))
    yield case('refuses_strings', strings(b'a'), strings(b'b'))
    for a, b in ((F, np.float64), (I32, I64)):
        yield case('refuses_%s_and_%s' % (np.dtype(a).name, np.dtype(b).name), np.ones(2, a), np.ones(2, b))
    yield 'refuses_one_input', op(kind, ['A'], ['C']), {'A': np.ones(2, F)}
    yield 'refuses_missing_blob', op(kind, ['A', 'absent'], ['C']), {'A': np.ones(2, F)}


def sums(op, rng):
    def case(name, *xs, out='Y', inputs=None):
        blobs = {'X%d' % i: np.asarray(x) for i, x in enumerate(xs)}
        return name, op('Sum', inputs or list(blobs), [out]), blobs

    a, b, c = (normal(rng, 3, 5) for _ in range(3))
    for dtype in NUMERIC:
        low = np.dtype(dtype).name
        x, y, z = ((v * 100).astype(dtype) for v in (a, b, c))
        yield case('one_' + low, x)
        yield case('two_' + low, x, y)
        yield case('three_' + low, x, y, z)
        yield case('empty_' + low, x[:0], y[:0])
    yield case('five', a, b, c, a * F(1e6), b * F(-1e6))
    yield case('order_matters', np.array([1e8], F), np.array([1], F), np.array([-1e8], F))
    yield case('scalars', F(2), F(3))
    yield case('special_values', np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL)))
    yield case('wraps', np.array([2 ** 31 - 1], I32), np.array([1], I32))
    yield case('in_place', a, b, c, out='X0')
    yield case('in_place_alone', a, out='X0')
    yield case('same_input_three_times', a, inputs=['X0', 'X0', 'X0'])
    yield case('special_one', np.array([NAN, INF, -0.0], F))
    yield case('refuses_in_place_on_second', a, b, out='X1')
    yield case('refuses_same_input_in_place', a, inputs=['X0', 'X0'], out='X0')
    yield case('refuses_other_size', a, a[:, :1])
    yield case('refuses_other_shape', ramp(2, 3), ramp(3, 2))
    yield case('refuses_other_rank', ramp(2, 3), ramp(1, 2, 3))
    yield case('refuses_other_type', ramp(2), ramp(2, dtype=np.float64))
    yield case('refuses_other_type_third', ramp(2), ramp(2), ramp(2, dtype=I32))
    for dtype in REFUSED_TYPES:
        if dtype not in NUMERIC:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype))
    yield case('refuses_strings', strings(b'a'))
    yield 'refuses_no_input', op('Sum', [], ['Y']), {}
    yield 'refuses_missing_blob', op('Sum', ['X0', 'absent'], ['Y']), {'X0': a}


def cases(op, rng):
    for kind in KINDS:
        yield from broadcasting(op, kind, rng)
        yield from in_place(op, kind, rng)
        yield from data_types(op, kind, rng)
    yield from sums(op, rng)
