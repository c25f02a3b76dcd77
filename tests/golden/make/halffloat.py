"""FloatToHalf, HalfToFloat."""
import numpy as np
from common import F, INF, NAN, REFUSED_TYPES, SPECIAL, any_values, normal, ramp

H = np.float16


def cases(op, rng):
    def narrow(name, x, options=None, **args):
        return name, op('FloatToHalf', ['X'], ['Y'], **args), {'X': np.asarray(x)}, options or {}

    def widen(name, x):
        return name, op('HalfToFloat', ['X'], ['Y']), {'X': np.asarray(x)}

    # Floats halfway between two halves, and next to these.
    with np.errstate(over='ignore'):
        below = rng.randint(0, 0x7bff, 40).astype(np.uint16)
        middle = (below.view(H).astype(F) + (below + 1).astype(np.uint16).view(H).astype(F)) / F(2)
    near = np.concatenate([middle, np.nextafter(middle, F(0)), np.nextafter(middle, F(INF)), -middle]).astype(F)
    limits = np.array([65504, 65519.99, 65520, 65536, -65520, 1e30, -1e30, 5.9e-8, 2.98e-8, 2.99e-8, 6.1e-5, 6.09e-5], F)
    for clip in (None, 0, 1, 2):
        args = {} if clip is None else dict(clip=clip)
        name = 'clip_%s' % ('absent' if clip is None else clip)
        numbers = SPECIAL[~np.isnan(SPECIAL)]
        yield narrow(name, np.concatenate([numbers, limits]), **args)
        yield narrow(name + '_ties', near, **args)
    yield narrow('nan', np.array([NAN, 1, -NAN] * 4, F))
    x = np.array([NAN, 1e9, -NAN, 1], F)
    with np.errstate(over='ignore'):
        ours = {'Y': np.array([NAN, 65504, NAN, 1], H)}
    yield narrow('nan_clipped', x, dict(diverges='clip makes NaN a number, which one depends on its place; ours stays NaN',
                                        ours=ours), clip=1)
    for n in (1, 7, 8, 9, 17):
        yield narrow('length_%d' % n, normal(rng, n) * F(100))
    yield narrow('rank_3', normal(rng, 2, 3, 4))
    yield narrow('scalar', np.array(0.1, F))
    yield narrow('empty', np.zeros((0, 3), F))
    for dtype in REFUSED_TYPES:
        yield narrow('refuses_' + np.dtype(dtype).name, any_values(dtype, 3))
    yield narrow('refuses_clip_float', ramp(3), clip=1.0)
    yield 'refuses_in_place', op('FloatToHalf', ['X'], ['X']), {'X': ramp(3)}
    yield 'refuses_two_inputs', op('FloatToHalf', ['X', 'X'], ['Y']), {'X': ramp(3)}

    halves = np.concatenate([np.arange(0, 0x7c01, 61), np.arange(0x8000, 0xfc01, 61), [0x7c00, 0xfc00, 1, 0x8001]])
    yield widen('values', halves.astype(np.uint16).view(H))
    yield widen('nan', np.array([0x7e00, 0xfe00, 0x7c01, 0x3c00, 0x7fff], np.uint16).view(H))
    for n in (1, 7, 8, 9, 17):
        yield widen('length_%d' % n, normal(rng, n, dtype=H))
    yield widen('rank_3', normal(rng, 2, 3, 4, dtype=H))
    yield widen('scalar', np.array(0.1, H))
    yield widen('empty', np.zeros((0, 3), H))
    for dtype in REFUSED_TYPES[1:] + (F,):
        yield widen('refuses_' + np.dtype(dtype).name, any_values(dtype, 3))
    yield 'refuses_in_place', op('HalfToFloat', ['X'], ['X']), {'X': ramp(3, dtype=H)}
    yield 'refuses_two_inputs', op('HalfToFloat', ['X', 'X'], ['Y']), {'X': ramp(3, dtype=H)}
