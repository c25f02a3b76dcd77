"""Rows of codes with a scale and a bias each: from values, to values, picked by their index."""
import numpy as np
from common import F, I32, I64, INF, NAN, REFUSED_TYPES, SPECIAL, any_values, normal, ramp

H = np.float16
U8 = np.uint8


def values(rng, width):
    """Rows of many magnitudes, in some of which the range is a tiny part of the values."""
    rows = [normal(rng, width) * F(10.0 ** e) for e in (-9, -5, -1, 0, 2, 4, 8, 20)]
    rows += [normal(rng, width) + F(offset) for offset in (-3, 100, 7e4)]
    return np.array(rows, F)


def flat(width):
    """Rows of equal values, of zeros of one and of both signs, and of two neighbouring floats."""
    constant = [np.full(width, v, F) for v in (0.0, -0.0, 0.7, -3.0, 1e-30, 65504.0, 1e6, -1e6)]
    zeros = [np.where(np.arange(width) % 3 == k, F(-0.0), F(0.0)) for k in range(3)]
    mixed = [np.where(np.arange(width) % 4 == k, F(-0.0), F(s)) * (np.arange(width) % 2) for k, s in ((0, 1), (3, -1))]
    near = [np.where(np.arange(width) % 2 == 0, F(1), np.nextafter(F(1), F(2)))]
    return np.array(constant + zeros + mixed + near, F)


def extreme(rng, width):
    """Rows that reach the ends of float and half, and denormal ones."""
    rows = [normal(rng, width) * F(s) for s in (3e37, 1e38, 2e4, 4e4, 1e-38, 1e-41, 3e-8, 6e-8)]
    ends = normal(rng, width)
    ends[0], ends[-1] = -3.4028235e38, 3.4028235e38
    return np.array(rows + [ends], F)


def special(rng, width, count):
    """Rows with NaN, infinities and other special values anywhere."""
    rows = normal(rng, count, width)
    places = rng.rand(count, width) < np.linspace(0.02, 0.5, count)[:, None]
    return np.where(places, rng.choice(SPECIAL, (count, width)), rows).astype(F)


def not_numbers(width):
    """Rows of nothing but NaN or infinities, and with a NaN first or last."""
    rows = [np.full(width, v, F) for v in (NAN, INF, -INF)]
    for at in (0, width // 2, width - 1):
        for v in (NAN, INF, -INF):
            row = ramp(width) - F(2)
            row[at] = v
            rows.append(row)
    return np.array(rows, F)


def ties(width):
    """Rows whose values lie halfway between codes of 8, 4 and 2 bits."""
    steps = np.arange(width, dtype=F)
    rows = [np.minimum(steps / F(2), F(top)) for top in (255, 15, 3)]
    for row, top in zip(rows, (255, 15, 3)):
        row[-1] = top
    return np.array(rows, F)


def quantizer(op, rng, kind, dtype, unit, matrix=False, engine='', reads_first=False):
    prefix = 'greedy_' if engine else ''

    def case(name, x, **options):
        name = name.replace('refuses_', 'refuses_' + prefix) if name.startswith('refuses_') else prefix + name
        return name, op(kind, ['X'], ['Y'], engine=engine), {'X': np.asarray(x)}, options

    def rows(name, x):
        with np.errstate(over='ignore'):
            return case(name, x.astype(dtype))

    # The engine never ends where a step is too small to change a value, as in the last rows.
    few = -1 if engine else None
    for width in sorted({unit, 4, 8, 12, 36, 64, 100}):
        yield rows('width_%d' % width, values(rng, width)[:few])
    yield rows('flat', flat(12)[:few])
    yield rows('flat_wide', flat(44)[:few])
    yield rows('extreme', extreme(rng, 40))
    yield rows('special', special(rng, 36, 12))
    yield rows('special_narrow', special(rng, 8, 12))
    yield rows('not_numbers', not_numbers(36))
    yield rows('ties', ties(36))
    yield rows('one_row', ramp(1, unit))
    yield rows('no_rows', np.zeros((0, 4), F))
    if not reads_first:     # Caffe2 reads the first value of a row without values
        yield case('no_values', np.zeros((2, 0), dtype))
    if matrix:
        yield case('refuses_vector', ramp(4, dtype=dtype))
        yield case('refuses_rank_3', ramp(2, 2, 4, dtype=dtype))
    else:
        yield case('vector', ramp(8, dtype=dtype))
        yield case('rank_3', ramp(2, 3, 4, dtype=dtype))
        yield case('no_rows_rank_3', np.zeros((2, 0, 4), dtype))
    yield case('refuses_scalar', np.array(1, dtype))
    if engine:
        return
    if unit > 1 and not matrix:
        for width in range(1, unit):
            yield case('refuses_width_%d' % (unit + width), ramp(2, unit + width, dtype=dtype))
    for other in REFUSED_TYPES + (F,):
        if other != dtype:
            yield case('refuses_' + np.dtype(other).name, any_values(other, 2, 4))
    yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': ramp(2, 4, dtype=dtype)}
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2, 4, dtype=dtype)}
    yield 'refuses_no_input', op(kind, [], ['Y']), {}


QUANTIZERS = [
    ('FloatToFused8BitRowwiseQuantized', F, 1, {}),
    ('HalfFloatToFused8BitRowwiseQuantized', H, 1, {}),
    ('FloatToFused8BitRowwiseQuantizedHalfScaleBias', F, 1, {}),
    ('HalfFloatToFused8BitRowwiseQuantizedHalfScaleBias', H, 1, {}),
    ('FloatToFused4BitRowwiseQuantized', F, 2, {}),
    ('HalfToFused4BitRowwiseQuantized', H, 2, dict(reads_first=True)),
    ('FloatToFused2BitRowwiseQuantized', F, 4, {}),
    ('HalfToFused2BitRowwiseQuantized', H, 4, dict(reads_first=True)),
    ('FloatToFused4BitFakeRowwiseQuantized', F, 1, dict(matrix=True, reads_first=True)),
    ('HalfToFused4BitFakeRowwiseQuantized', H, 1, dict(matrix=True, reads_first=True)),
    ('FloatToFused2BitFakeRowwiseQuantized', F, 1, dict(matrix=True, reads_first=True)),
    ('HalfToFused2BitFakeRowwiseQuantized', H, 1, dict(matrix=True, reads_first=True)),
]


def stored(rng, rows, codes, dtype, tails=None):
    """Rows of random codes with the given scales and biases."""
    tails = normal(rng, rows, 2) if tails is None else np.array(tails)
    with np.errstate(over='ignore'):
        tails = np.ascontiguousarray(tails.astype(dtype)).view(U8)
    return np.concatenate([rng.randint(0, 256, (len(tails), codes)).astype(U8), tails], 1)


TAILS = [(0, 0), (1, -0.0), (-0.0, -0.0), (-0.3, 0.7), (INF, 1), (-INF, 1), (1, INF), (1, -INF), (INF, -INF),
         (NAN, 1), (1, NAN), (6e-8, 1e-7), (1e-40, -1e-39), (3e38, -3e38), (3e38, 3e38), (60000, 60000), (1e4, -6e4),
         (1 / 3, -1e5)]


def dequantizer(op, rng, kind, dtype, per_byte, to_half):
    def case(name, x, **options):
        return name, op(kind, ['X'], ['Y']), {'X': np.asarray(x)}, options

    for codes in (1, 2, 7, 8, 9, 31, 33, 64, 100):
        yield case('codes_%d' % codes, stored(rng, 5, codes, dtype))
    yield case('every_code', np.concatenate([np.tile(np.arange(256, dtype=U8), (4, 1)),
                                             stored(rng, 4, 0, dtype, normal(rng, 4, 2) * 0.01)], 1))
    yield case('tails', stored(rng, 0, 12, dtype, TAILS))
    yield case('no_codes', stored(rng, 3, 0, dtype))
    yield case('no_rows', stored(rng, 0, 5, dtype, np.zeros((0, 2))))
    yield case('vector', stored(rng, 1, 5, dtype)[0])
    yield case('rank_3', stored(rng, 6, 5, dtype).reshape(2, 3, -1))
    tail = 2 * np.dtype(dtype).itemsize
    for width in (0, 1, tail - 1):
        yield case('refuses_width_%d' % width, np.zeros((2, width), U8))
    yield case('refuses_scalar', np.array(1, U8))
    for other in (F, H, np.int8, np.int32, np.bool_):
        yield case('refuses_' + np.dtype(other).name, any_values(other, 2, 12))
    yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': stored(rng, 2, 4, dtype)}
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': stored(rng, 2, 4, dtype)}


DEQUANTIZERS = [
    ('Fused8BitRowwiseQuantizedToFloat', F, 1, False),
    ('Fused8BitRowwiseQuantizedToHalfFloat', F, 1, True),
    ('Fused8BitRowwiseQuantizedHalfScaleBiasToFloat', H, 1, False),
    ('Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat', H, 1, False),
    ('Fused4BitRowwiseQuantizedToFloat', H, 2, False),
    ('Fused4BitRowwiseQuantizedToHalf', H, 2, True),
    ('Fused2BitRowwiseQuantizedToFloat', H, 4, False),
    ('Fused2BitRowwiseQuantizedToHalf', H, 4, True),
]


def gather(op, rng):
    def case(name, data, indices, **options):
        return name, op('GatherFused8BitRowwise', ['D', 'I'], ['Y']), {'D': np.asarray(data), 'I': np.asarray(indices)}, options

    data = stored(rng, 5, 7, F)
    for dtype in (I32, I64):
        low = np.dtype(dtype).name
        yield case(low, data, np.array([4, 0, 0, 2], dtype))
        yield case('refuses_beyond_' + low, data, np.array([0, 5], dtype))
        yield case('refuses_negative_' + low, data, np.array([0, -1], dtype))
        yield case('refuses_smallest_' + low, data, np.array([np.iinfo(dtype).min], dtype))
    for codes in (1, 31, 33, 100):
        yield case('codes_%d' % codes, stored(rng, 4, codes, F), np.array([3, 1, 1], I32))
    yield case('tails', stored(rng, 0, 9, F, TAILS), np.arange(len(TAILS)).astype(I32))
    yield case('no_indices', data, np.zeros(0, I32))
    yield case('no_rows_no_indices', data[:0], np.zeros(0, I64))
    yield case('refuses_no_rows', data[:0], np.zeros(1, I64))
    yield case('refuses_8_columns', np.zeros((2, 8), U8), np.zeros(1, I32))
    yield case('refuses_7_columns', np.zeros((2, 7), U8), np.zeros(1, I32))
    yield case('refuses_vector', np.zeros(12, U8), np.zeros(1, I32))
    yield case('refuses_rank_3', np.zeros((1, 2, 12), U8), np.zeros(1, I32))
    yield case('refuses_indices_matrix', data, np.zeros((1, 1), I32))
    yield case('refuses_indices_float', data, np.zeros(1, F))
    yield case('refuses_float', np.zeros((2, 12), F), np.zeros(1, I32))
    yield 'refuses_in_place', op('GatherFused8BitRowwise', ['D', 'I'], ['D']), {'D': data, 'I': np.zeros(1, I32)}
    yield 'refuses_one_input', op('GatherFused8BitRowwise', ['D'], ['Y']), {'D': data}


def separate(op, rng):
    kind = 'FloatToRowwiseQuantized8Bits'

    def case(name, x, **options):
        return name, op(kind, ['X'], ['Y', 'S']), {'X': np.asarray(x)}, options

    for width in (1, 2, 3, 5, 8, 33, 65):
        yield case('width_%d' % width, values(rng, width))
    for width in (4, 5, 11):
        yield case('flat_%d' % width, flat(width))
    yield case('extreme', extreme(rng, 35))
    for width in (3, 9, 34, 36):
        yield case('special_%d' % width, special(rng, width, 12))
    yield case('not_numbers', not_numbers(37))
    yield case('ties', ties(41))
    yield case('ranges_about_1e_10', np.array([[0, 9e-11], [0, 1e-10], [0, 1.1e-10], [1, 1], [5, 5.0000005]], F))
    yield case('vector', ramp(5))
    yield case('rank_3', normal(rng, 3, 2, 5))
    yield case('no_rows', np.zeros((0, 4), F))
    yield case('refuses_scalar', np.array(1, F))
    for other in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(other).name, any_values(other, 2, 4))
    yield 'refuses_one_output', op(kind, ['X'], ['Y']), {'X': ramp(2, 2)}
    yield 'refuses_in_place', op(kind, ['X'], ['X', 'S']), {'X': ramp(2, 2)}

    kind = 'Rowwise8BitQuantizedToFloat'

    def back(name, codes, lines, **options):
        return name, op(kind, ['X', 'S'], ['Y']), {'X': np.asarray(codes), 'S': np.asarray(lines)}, options

    def codes(*shape):
        return rng.randint(0, 256, shape).astype(U8)

    for width in (1, 7, 8, 33, 100):
        yield back('width_%d' % width, codes(4, width), normal(rng, 4, 2))
    with np.errstate(over='ignore'):
        yield back('lines', codes(len(TAILS), 5), np.array(TAILS).astype(F))
    yield back('vector', codes(3), normal(rng, 3, 2))
    yield back('rank_3', codes(2, 3, 2), normal(rng, 2, 2))
    yield back('no_rows', codes(0, 3), np.zeros((0, 2), F))
    yield back('no_codes', codes(2, 0), normal(rng, 2, 2))
    yield back('refuses_other_rows', codes(2, 3), normal(rng, 3, 2))
    yield back('refuses_three_columns', codes(2, 3), normal(rng, 2, 3))
    yield back('refuses_vector_of_lines', codes(2, 3), normal(rng, 4))
    yield back('refuses_rank_3_lines', codes(2, 3), normal(rng, 2, 2, 1))
    yield back('refuses_scalar', np.array(1, U8), normal(rng, 1, 2))
    yield back('refuses_float', normal(rng, 2, 3), normal(rng, 2, 2))
    yield back('refuses_float16_lines', codes(2, 3), normal(rng, 2, 2, dtype=H))
    yield 'refuses_one_input', op(kind, ['X'], ['Y']), {'X': codes(2, 3)}
    yield 'refuses_in_place', op(kind, ['X', 'S'], ['X']), {'X': codes(2, 3), 'S': normal(rng, 2, 2)}


def cases(op, rng):
    for kind, dtype, unit, options in QUANTIZERS:
        yield from quantizer(op, rng, kind, dtype, unit, **options)
        if '8Bit' not in kind:
            options = dict(options, reads_first=True)
            yield from quantizer(op, rng, kind, dtype, unit, engine='GREEDY', **options)
    for row in DEQUANTIZERS:
        yield from dequantizer(op, rng, *row)
    yield from gather(op, rng)
    yield from separate(op, rng)
    # There and back.
    for there, back in (('FloatToFused8BitRowwiseQuantized', 'Fused8BitRowwiseQuantizedToFloat'),
                        ('HalfToFused4BitRowwiseQuantized', 'Fused4BitRowwiseQuantizedToHalf'),
                        ('FloatToFused2BitFakeRowwiseQuantized', 'Fused8BitRowwiseQuantizedToFloat')):
        x = values(rng, 12)
        net = [op(there, ['X'], ['Q']), op(back, ['Q'], ['Y'])]
        with np.errstate(over='ignore'):
            yield 'after_' + there, net, {'X': x.astype(H) if there.startswith('Half') else x}
