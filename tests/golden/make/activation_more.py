"""Clip, Elu, Gelu, HardSigmoid, PRelu, ReluN, Selu, Softplus, Softsign, Swish, Tanh, ThresholdedRelu."""
import numpy as np
from common import EXPS, F, INF, NAN, REFUSED_TYPES, SPECIAL, normal, ramp, strings, with_arg

# Differences of values about one, each of which is rounded.
DIFFERENCES = dict(rtol=1e-5, atol=1e-6)
# Kind, tolerance, whether it works in place, arguments that are floats.
KINDS = (
    ('Clip', None, True, ('min', 'max')),
    ('Elu', DIFFERENCES, True, ('alpha',)),
    ('Gelu', DIFFERENCES, False, ()),
    ('HardSigmoid', None, True, ('alpha', 'beta')),
    ('ReluN', None, True, ('n',)),
    ('Selu', DIFFERENCES, True, ('alpha', 'scale')),
    ('Softplus', DIFFERENCES, True, ()),
    ('Softsign', None, True, ()),
    ('Swish', EXPS, False, ()),
    ('Tanh', EXPS, True, ()),
    ('ThresholdedRelu', None, True, ('alpha',)),
)
FAR = np.array([3, -3, 5, -5, 7.9, -7.9, 8, -8, 9.1, -9.1, 16, -16, 40, -40, 87, -87, 88, -88, 89, -89, 100, -100,
                1000, -1000, 1e38, -1e38], F)


def shapes(rng):
    yield 'scalar', np.float32(-2.5)
    yield 'one_element', np.array([-2.5], F)
    yield 'empty', np.zeros(0, F)
    yield 'empty_2x0x3', np.zeros((2, 0, 3), F)
    yield 'rank_4', normal(rng, 2, 3, 4, 5) * F(3)
    for n in (3, 8, 17, 33):
        yield 'length_%d' % n, normal(rng, n) * F(3)
    yield 'special', np.tile(SPECIAL, 3)
    yield 'far', FAR
    yield 'near_zero', (FAR * 1e-5).astype(F)


def each(op, rng):
    for kind, tolerance, in_place, floats in KINDS:
        options = dict(tolerance=tolerance) if tolerance else {}
        for name, x in shapes(rng):
            yield name, op(kind, ['X'], ['Y']), {'X': x}, options
        prefix = '' if in_place else 'refuses_'
        yield prefix + 'in_place', op(kind, ['X'], ['X']), {'X': normal(rng, 3, 7)}, options
        yield prefix + 'in_place_special', op(kind, ['X'], ['X']), {'X': np.tile(SPECIAL, 3)}, options
        for name in floats:
            yield 'refuses_integer_' + name, op(kind, ['X'], ['Y'], **{name: 2}), {'X': ramp(2)}
        for dtype in REFUSED_TYPES:
            if dtype != np.float32:
                yield 'refuses_' + np.dtype(dtype).name, op(kind, ['X'], ['Y']), {'X': np.ones((2, 2), dtype)}
        yield 'refuses_strings', op(kind, ['X'], ['Y']), {'X': strings(b'a')}
        yield 'refuses_no_input', op(kind, [], ['Y']), {}
        yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': ramp(2)}
        yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}


def name_of(value):
    return str(value).replace('-', 'minus_').replace('.', '_')


def arguments(op, rng):
    x = np.concatenate([np.tile(SPECIAL, 2), FAR])

    def case(kind, name, options=None, **args):
        return name, op(kind, ['X'], ['Y'], **args), {'X': x}, options or {}

    for low, high in ((-1.0, None), (None, 1.0), (-1.0, 1.0), (1.0, -1.0), (NAN, None), (None, NAN), (0.0, 0.0),
                      (-0.0, None), (None, -0.0), (-INF, INF), (INF, None), (1e-40, None)):
        args = {k: v for k, v in (('min', low), ('max', high)) if v is not None}
        yield case('Clip', '_'.join('%s_%s' % (k, name_of(v)) for k, v in args.items()), **args)
    for alpha in (-1.0, 0.0, 0.1, 2.0, INF, NAN, 1e-40):
        yield case('Elu', 'alpha_' + name_of(alpha), dict(tolerance=DIFFERENCES), alpha=alpha)
    for alpha in (-1.0, 0.0, 0.05, 2.0, INF, -INF, NAN, -1e-45):
        yield case('ThresholdedRelu', 'alpha_' + name_of(alpha), alpha=alpha)
    for alpha, beta in ((-1.0, 0.5), (0.0, 0.5), (1.0, 0.0), (INF, 0.0), (0.2, NAN), (0.2, 2.0), (0.3, -0.1),
                        (0.0, -1.0)):
        yield case('HardSigmoid', 'alpha_%s_beta_%s' % (name_of(alpha), name_of(beta)), alpha=alpha, beta=beta)
    yield case('HardSigmoid', 'alpha_alone', alpha=0.1)
    yield case('HardSigmoid', 'beta_alone', beta=0.1)
    for n in (1.0, 0.1, 1e-40, INF):
        yield case('ReluN', 'n_' + name_of(n), n=n)
    for n in (0.0, -1.0, NAN):
        yield case('ReluN', 'refuses_n_' + name_of(n), n=n)
    for alpha, scale in ((1.0, 2.0), (-1.0, 2.0), (0.0, 1.5), (INF, 2.0), (NAN, 2.0), (1.0, INF)):
        yield case('Selu', 'alpha_%s_scale_%s' % (name_of(alpha), name_of(scale)), dict(tolerance=DIFFERENCES),
                   alpha=alpha, scale=scale)
    yield case('Selu', 'alpha_alone', dict(tolerance=DIFFERENCES), alpha=0.5)
    yield case('Selu', 'scale_alone', dict(tolerance=DIFFERENCES), scale=1.25)
    for scale in (1.0, 0.5, -2.0, NAN):
        yield case('Selu', 'refuses_scale_' + name_of(scale), scale=scale)
    for fast in (0, 1, 2, True, False):
        yield case('Gelu', 'fast_gelu_' + name_of(fast).lower(), dict(tolerance=DIFFERENCES), fast_gelu=fast)
    yield 'fast_gelu_rank_4', op('Gelu', ['X'], ['Y'], fast_gelu=1), {'X': normal(rng, 2, 3, 4, 5)}, dict(
        tolerance=DIFFERENCES)
    yield 'refuses_float_fast_gelu', op('Gelu', ['X'], ['Y'], fast_gelu=1.0), {'X': ramp(2)}
    yield 'refuses_fast_gelu_without_value', with_arg(op('Gelu', ['X'], ['Y']), 'fast_gelu'), {'X': ramp(2)}


def prelu(op, rng):
    def case(name, x, slope, out='Y', options=None, **args):
        blobs = {'X': np.asarray(x, F), 'W': np.asarray(slope, F)}
        return name, op('PRelu', ['X', 'W'], [out], **args), blobs, options or {}

    nchw, nhwc, slopes = normal(rng, 2, 3, 4, 5), normal(rng, 2, 4, 5, 3), normal(rng, 3)
    yield case('nchw_channels', nchw, slopes)
    yield case('nhwc_channels', nhwc, slopes, order='NHWC')
    yield case('nchw_lower_case', nchw, slopes, order='nchw')
    yield case('nhwc_lower_case', nhwc, slopes, order='nhwc')
    yield case('nchw_shared', nchw, [0.25])
    yield case('nhwc_shared', nhwc, [0.25], order='NHWC')
    yield case('nchw_in_place', nchw, slopes, 'X')
    yield case('nhwc_in_place', nhwc, slopes, 'X', order='NHWC')
    yield case('shared_in_place', nchw, [0.25], 'X')
    yield case('nchw_rank_2', normal(rng, 5, 3), slopes)
    yield case('nchw_rank_2_in_place', normal(rng, 5, 3), slopes, 'X')
    yield case('nchw_rank_3', normal(rng, 2, 3, 7), slopes)
    yield case('nhwc_rank_2', normal(rng, 5, 3), slopes, order='NHWC')
    yield case('nhwc_rank_1', normal(rng, 3), slopes, order='NHWC')
    yield case('nhwc_rank_1_shared', normal(rng, 9), [0.25], order='NHWC')
    yield case('slope_scalar', nchw, 0.25)
    yield case('slope_rank_2', nchw, slopes.reshape(1, 3))
    yield case('slope_rank_2_shared', nchw, [[0.25]])
    yield case('one_element', [[-2]], [0.25])
    yield case('many_channels', normal(rng, 2, 33, 2), normal(rng, 33))
    yield case('nhwc_many_channels', normal(rng, 2, 2, 33), normal(rng, 33), order='NHWC')
    yield case('empty_batch', np.zeros((0, 3, 2)), slopes)
    yield case('empty_channels', np.zeros((2, 0)), np.zeros(0))
    yield case('empty_channels_shared', np.zeros((2, 0)), [0.25])
    yield case('empty_plane', np.zeros((2, 3, 0)), slopes)
    special = [-0.5, 0.0, 1.0, 2.0, INF, NAN]
    rows = np.tile(SPECIAL, (len(special), 1))
    yield case('nchw_special', rows[None], special)
    yield case('nhwc_special', rows.T, special, order='NHWC')
    yield case('nchw_rank_2_special', rows.T, special)
    for slope in special:
        yield case('shared_%s_special' % name_of(slope), np.tile(SPECIAL, 3)[None], [slope])
        yield case('nhwc_shared_%s_special' % name_of(slope), np.tile(SPECIAL, 3)[None], [slope], order='NHWC')
    for order in ('Nhwc', 'CN', ''):
        yield case('order_%s_shared' % (order.lower() or 'empty') + '_unknown', nchw, [0.25], order=order, options=dict(
            diverges='with one slope Caffe2 never looks at the order', ours='refused'))
    yield case('refuses_order_unknown', nchw, normal(rng, 5), order='Nhwc')
    yield case('refuses_order_integer', nchw, slopes, order=1)
    yield case('refuses_other_number_of_slopes', nchw, slopes[:2])
    yield case('refuses_slopes_of_other_order', nchw, slopes, order='NHWC')
    yield case('refuses_no_slope', nchw, [])
    yield case('refuses_other_number_of_slopes_empty_batch', np.zeros((0, 3, 2)), slopes[:2])
    yield case('refuses_slopes_without_channels', np.zeros((2, 0)), slopes[:2])
    yield case('refuses_rank_1', normal(rng, 3), slopes)
    yield case('refuses_rank_1_shared', normal(rng, 3), [0.25])
    yield case('refuses_scalar', 1.0, [0.25])
    yield case('refuses_scalar_nhwc', 1.0, [0.25], order='NHWC')
    yield case('refuses_in_place_slope', normal(rng, 1, 3), slopes, 'W')
    for dtype in REFUSED_TYPES:
        if dtype != np.float32:
            name = np.dtype(dtype).name
            yield 'refuses_' + name, op('PRelu', ['X', 'W'], ['Y']), {'X': np.ones((2, 3), dtype), 'W': ramp(3)}
            yield 'refuses_slope_' + name, op('PRelu', ['X', 'W'], ['Y']), {'X': ramp(2, 3), 'W': np.ones(3, dtype)}
    yield 'refuses_one_input', op('PRelu', ['X'], ['Y']), {'X': ramp(2, 3)}
    yield 'refuses_three_inputs', op('PRelu', ['X', 'W', 'W'], ['Y']), {'X': ramp(2, 3), 'W': ramp(3)}
    yield 'refuses_missing_blob', op('PRelu', ['X', 'absent'], ['Y']), {'X': ramp(2, 3)}


def cases(op, rng):
    yield from each(op, rng)
    yield from arguments(op, rng)
    yield from prelu(op, rng)
