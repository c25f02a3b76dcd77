"""EQ, NE, LT, LE, GT, GE; And, Or, Xor; Pow."""
import numpy as np
from common import ALL_TYPES, EXPS, F, I32, I64, INF, NAN, SPECIAL, normal, ramp, strings
from elementwise import LEGACY, NUMPY_PAIRS, REFUSED_LEGACY, REFUSED_NUMPY, broadcasting, name_of

RELATIONS = ('EQ', 'NE', 'LT', 'LE', 'GT', 'GE')
COMPARED = (F, np.float64, I32, I64, np.bool_)


def few(rng, dtype, *shape):
    """Few different values, so that some pairs are equal."""
    return np.asarray(rng.randint(0, 3, shape)).astype(dtype)


def refusals(op, kind, accepted):
    def case(name, a, b, **args):
        return name, op(kind, ['A', 'B'], ['C'], **args), {'A': a, 'B': b}

    for dtype in ALL_TYPES:
        if dtype not in accepted:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype), np.ones(2, dtype))
    yield case('refuses_strings', strings(b'a'), strings(b'b'))
    yield 'refuses_no_input', op(kind, [], ['C']), {}
    yield 'refuses_three_inputs', op(kind, ['A', 'A', 'A'], ['C']), {'A': np.ones(2, accepted[0])}
    yield 'refuses_missing_blob', op(kind, ['A', 'absent'], ['C']), {'A': np.ones(2, accepted[0])}


def relations(op, kind, rng):
    def case(name, a, b, out='C', **args):
        return name, op(kind, ['A', 'B'], [out], **args), {'A': a, 'B': b}

    yield from broadcasting(op, kind, rng)
    for dtype in COMPARED:
        low = np.dtype(dtype).name
        a, b = few(rng, dtype, 3, 17), few(rng, dtype, 3, 17)
        yield case('type_' + low, a, b)
        yield case('type_%s_rows' % low, a, b[0])
        yield case('type_%s_scalar' % low, a, b[0, 0])
        yield case('type_%s_legacy' % low, a, b[:, 0].copy(), broadcast=1, axis=0)
        yield case('type_%s_empty' % low, a[:0], b[:1])
        yield 'same_input_twice_' + low, op(kind, ['A', 'A'], ['C']), {'A': a}
    for dtype in (I32, I64):
        ends = np.array([np.iinfo(dtype).min, -1, 0, 1, np.iinfo(dtype).max], dtype)
        yield case('ends_' + np.dtype(dtype).name, ends.reshape(-1, 1), ends)
    special = SPECIAL.reshape(-1, 1)
    yield case('special_values', special, SPECIAL)
    yield case('special_values_float64', special.astype(np.float64), SPECIAL.astype(np.float64))
    yield case('refuses_in_place_first', np.array([True]), np.array([False]), 'A')
    yield case('refuses_in_place_second', np.array([True]), np.array([False]), 'B')
    for a, b in ((F, np.float64), (I32, I64), (np.bool_, I32)):
        yield case('refuses_%s_and_%s' % (np.dtype(a).name, np.dtype(b).name), np.ones(2, a), np.ones(2, b))
    yield from refusals(op, kind, COMPARED)


def connectives(op, kind, rng):
    def case(name, a, b, out='C', **args):
        blobs = {'A': np.asarray(a, np.bool_), 'B': np.asarray(b, np.bool_)}
        return name, op(kind, ['A', 'B'], [out], **args), blobs

    def truths(*shape):
        return np.asarray(rng.rand(*shape) < 0.5)

    yield case('table', [False, False, True, True], [False, True, False, True])
    yield case('scalars', True, False)
    for a, b in NUMPY_PAIRS:
        yield case('numpy_%s_and_%s' % (name_of(a), name_of(b)), truths(*a), truths(*b))
    for a, b, args in LEGACY:
        suffix = '_axis_%s' % str(args['axis']).replace('-', 'minus_') if args else ''
        yield case('legacy_%s_and_%s%s' % (name_of(a), name_of(b), suffix), truths(*a), truths(*b), broadcast=1, **args)
    for a, b in REFUSED_NUMPY:
        yield case('refuses_numpy_%s_and_%s' % (name_of(a), name_of(b)), truths(*a), truths(*b))
    for a, b, args in REFUSED_LEGACY:
        suffix = '_axis_%s' % str(args['axis']).replace('-', 'minus_') if args else ''
        yield case('refuses_legacy_%s_and_%s%s' % (name_of(a), name_of(b), suffix), truths(*a), truths(*b),
                   broadcast=1, **args)
    yield case('axis_str_c', truths(2, 3, 2, 2), truths(3), broadcast=1, axis_str='C')
    yield case('axis_str_c_nhwc', truths(2, 2, 2, 3), truths(3), broadcast=1, axis_str='C', order='NHWC')
    yield case('in_place_first', truths(2, 3), truths(2, 3), 'A')
    yield case('in_place_first_broadcast', truths(2, 3), truths(3), 'A')
    yield case('in_place_first_legacy', truths(2, 3), truths(2), 'A', broadcast=1, axis=0)
    yield case('refuses_in_place_first_growing', truths(3), truths(2, 3), 'A')
    yield case('refuses_in_place_second', truths(2, 3), truths(2, 3), 'B')
    yield 'same_input_twice', op(kind, ['A', 'A'], ['C']), {'A': truths(5)}
    yield 'refuses_bool_and_int32', op(kind, ['A', 'B'], ['C']), {'A': truths(2), 'B': np.ones(2, I32)}
    yield from refusals(op, kind, (np.bool_,))


def pow_one(op, rng):
    def case(name, x, out='Y', **args):
        return name, op('Pow', ['X'], [out], **args), {'X': x}, dict(tolerance=EXPS)

    positive = np.array([1e-30, 1e-3, 0.1, 0.7, 1, 1.3, 2, 10, 1e3, 1e10], F)
    for exponent in (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 0.3, 5.0, -7.0, 1e-40, INF, -INF, NAN):
        name = str(exponent).replace('-', 'minus_').replace('.', '_')
        yield case('exponent_' + name, np.tile(SPECIAL, 2), exponent=exponent)
        yield case('exponent_%s_positive' % name, positive, exponent=exponent)
    x = abs(normal(rng, 2, 3, 4, 5))
    yield case('one_rank_4', x, exponent=1.7)
    yield case('one_in_place', x, 'X', exponent=1.7)
    yield case('one_scalar', F(3), exponent=2.0)
    yield case('one_element', np.array([3], F), exponent=2.0)
    yield case('one_empty', x[:0], exponent=2.0)
    yield case('one_with_broadcast', x, exponent=2.0, broadcast=1)
    yield case('one_with_axis', x, exponent=2.0, axis=1)
    yield case('refuses_no_exponent', x)
    yield case('refuses_integer_exponent', x, exponent=2)
    for dtype in ALL_TYPES:
        if dtype != F:
            yield case('refuses_' + np.dtype(dtype).name, np.ones(2, dtype), exponent=2.0)
    yield case('refuses_strings', strings(b'a'), exponent=2.0)
    yield 'refuses_no_input', op('Pow', [], ['Y'], exponent=2.0), {}
    yield 'refuses_missing_blob', op('Pow', ['absent'], ['Y'], exponent=2.0), {}


def pow_two(op, rng):
    def case(name, x, exponents, out='Y', **args):
        blobs = {'X': np.asarray(x), 'E': np.asarray(exponents)}
        return name, op('Pow', ['X', 'E'], [out], **args), blobs, dict(tolerance=EXPS)

    x, e = abs(normal(rng, 2, 3)), normal(rng, 2, 3)
    yield case('two', x, e)
    yield case('two_rank_4', abs(normal(rng, 2, 3, 4, 5)), normal(rng, 2, 3, 4, 5))
    yield case('two_scalars', F(2), F(3))
    yield case('two_empty', x[:0], e[:0])
    yield case('two_in_place_first', x, e, 'X')
    yield case('two_in_place_second', x, e, 'E')
    yield 'same_input_twice', op('Pow', ['X', 'X'], ['Y']), {'X': x}, dict(tolerance=EXPS)
    yield case('two_with_exponent_ignored', x, e, exponent=2.0)
    yield case('two_with_axis_minus_1', x, e, axis=-1)
    yield case('special_values', np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL)))
    for a, b, args in LEGACY:
        suffix = '_axis_%s' % str(args['axis']).replace('-', 'minus_') if args else ''
        yield case('legacy_%s_and_%s%s' % (name_of(a), name_of(b), suffix), abs(normal(rng, *a)), normal(rng, *b),
                   broadcast=1, **args)
    yield case('axis_str_c', abs(normal(rng, 2, 3, 2, 2)), e[0], broadcast=1, axis_str='C')
    yield case('axis_str_c_nhwc', abs(normal(rng, 2, 2, 2, 3)), e[0], broadcast=1, axis_str='C', order='NHWC')
    yield case('legacy_in_place_first', x, e[0], 'X', broadcast=1)
    for a, b, args in REFUSED_LEGACY:
        suffix = '_axis_%s' % str(args['axis']).replace('-', 'minus_') if args else ''
        yield case('refuses_legacy_%s_and_%s%s' % (name_of(a), name_of(b), suffix), np.ones(a, F), np.ones(b, F),
                   broadcast=1, **args)
    yield case('refuses_in_place_second_legacy', x, e, 'E', broadcast=1)
    yield case('refuses_row_without_broadcast', x, e[0])
    yield case('refuses_scalar_without_broadcast', x, F(2))
    yield case('refuses_other_shape', x, e.reshape(3, 2))
    yield case('refuses_axis_without_broadcast', x, e, axis=0)
    yield case('refuses_axis_str_without_broadcast', x, e, axis_str='C')
    yield case('refuses_axis_and_axis_str', x, e, broadcast=1, axis=0, axis_str='N')
    yield case('refuses_axis_str_unknown', x, e, broadcast=1, axis_str='X')
    yield case('refuses_float_broadcast', x, e, broadcast=1.0)
    yield case('refuses_exponents_float64', x, e.astype(np.float64))
    yield case('refuses_float64_both', x.astype(np.float64), e.astype(np.float64))
    yield 'refuses_three_inputs', op('Pow', ['X', 'X', 'X'], ['Y']), {'X': x}


def cases(op, rng):
    for kind in RELATIONS:
        yield from relations(op, kind, rng)
    for kind in ('And', 'Or', 'Xor'):
        yield from connectives(op, kind, rng)
    yield from pow_one(op, rng)
    yield from pow_two(op, rng)
