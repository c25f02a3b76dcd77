"""Functions of one value: Abs, Cbrt, Ceil, Cos, Cube, Exp, Floor, Log, Negative, Not, Reciprocal, Rsqrt, Sign, Sin,
Sqr, Sqrt, Tan."""
import numpy as np
from common import ALL_TYPES, EXPS, F, I32, I64, INF, NAN, SPECIAL, any_values, normal, ramp, strings

FLOAT, FLOATS, NUMBERS = (F,), (F, np.float64), (F, np.float64, I32, I64)
# Caffe2's vectorised square root and reciprocal are off in the last place at times.
ROUNDING = {4: dict(rtol=1e-6, atol=0.0), 8: dict(rtol=1e-15, atol=0.0)}
# Kind, types, whether it works in place, whether to the bit.
KINDS = (
    ('Abs', FLOAT, False, True), ('Cbrt', FLOAT, True, False), ('Ceil', FLOAT, True, True),
    ('Cos', FLOAT, False, False), ('Cube', NUMBERS, False, True), ('Exp', FLOAT, True, False),
    ('Floor', FLOAT, True, True), ('Log', FLOAT, True, False), ('Negative', NUMBERS, True, True),
    ('Not', (np.bool_,), False, True), ('Reciprocal', FLOAT, True, False), ('Rsqrt', FLOAT, True, False),
    ('Sign', NUMBERS, False, True), ('Sin', FLOAT, False, False), ('Sqr', FLOAT, True, True),
    ('Sqrt', FLOATS, True, False), ('Tan', FLOAT, False, False),
)
WIDE = np.array([2, -2, 3, -3, 4, 27, -27, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 0.4999999, 0.5000001, -0.4999999, 1e-3,
                 8388607.5, 8388609, -16777217, 2147483648, -2147483648, 1e10, -1e10, 1e-10, 1e30, 1e-30], F)
ANGLES = np.array([np.pi / 6, np.pi / 4, np.pi / 3, np.pi, -np.pi, 2 * np.pi, 3, 10, -10, 100, -100, 1000, 12345.678,
                   1e5, 1e6, 1e7, -1e7, 1e10, 1e20], F)
EXPONENTS = np.array([5, -5, 10, -10, 40, -40, 87, -87, 88, -88, 88.7, 88.8, 89, -89, -100, -103, -104, -110, 1000,
                      -1000, 1e38, -1e38], F)


def values(kind, dtype, rng):
    """Values by name, for a type that the operator takes."""
    if dtype == np.bool_:
        yield 'rank_2', any_values(np.bool_, 3, 5)
    elif np.issubdtype(dtype, np.integer):
        yield 'rank_2', (normal(rng, 3, 5) * 100).astype(dtype)
        yield 'ends', np.array([np.iinfo(dtype).min, np.iinfo(dtype).min + 1, -1, 0, 1, np.iinfo(dtype).max], dtype)
    else:
        x = normal(rng, 2, 3, 4, 5)
        yield 'rank_4', (abs(x) if kind in ('Log', 'Rsqrt', 'Sqrt') else x).astype(dtype)
        yield 'special', np.tile(SPECIAL, 3).astype(dtype)
        far = dict(Exp=EXPONENTS, Sin=ANGLES, Cos=ANGLES, Tan=ANGLES).get(kind, WIDE)
        yield 'far', far.astype(dtype)
        for n in (3, 8, 17, 33):
            yield 'length_%d' % n, abs(normal(rng, n)).astype(dtype)
    yield 'scalar', any_values(dtype, 2)[1]
    yield 'one_element', any_values(dtype, 2)[1:]
    yield 'empty', np.zeros(0, dtype)
    yield 'empty_2x0x3', np.zeros((2, 0, 3), dtype)


def cases(op, rng):
    for kind, types, in_place, exact in KINDS:
        prefix = '' if in_place else 'refuses_'
        for dtype in types:
            rounding = ROUNDING[np.dtype(dtype).itemsize] if kind in ('Reciprocal', 'Sqrt') else EXPS
            options = {} if exact else dict(tolerance=rounding)
            suffix = '_' + np.dtype(dtype).name if len(types) > 1 else ''
            for name, x in values(kind, dtype, rng):
                yield name + suffix, op(kind, ['X'], ['Y']), {'X': x}, options
            x = any_values(dtype, 3, 5)
            yield prefix + 'in_place' + suffix, op(kind, ['X'], ['X']), {'X': x}, options
        for dtype in ALL_TYPES:
            if dtype not in types:
                yield 'refuses_' + np.dtype(dtype).name, op(kind, ['X'], ['Y']), {'X': np.ones((2, 2), dtype)}
        yield 'refuses_strings', op(kind, ['X'], ['Y']), {'X': strings(b'a')}
        yield 'refuses_no_input', op(kind, [], ['Y']), {}
        yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2, dtype=types[0])}
        yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}
