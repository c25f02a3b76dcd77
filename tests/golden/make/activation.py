"""Relu, LeakyRelu, Sigmoid, Softmax, Scale; and, on them, the rules of arguments and construction."""
import numpy as np
from common import EXPS, F, INF, NAN, REFUSED_TYPES, SPECIAL, normal, ramp, strings, with_arg


def shapes(rng):
    yield 'scalar', np.float32(-2.5)
    yield 'one_element', np.array([-2.5], F)
    yield 'empty', np.zeros(0, F)
    yield 'empty_2x0x3', np.zeros((2, 0, 3), F)
    yield 'rank_4', normal(rng, 2, 3, 4, 5)
    for n in (3, 8, 17, 33):
        yield 'length_%d' % n, normal(rng, n)
    yield 'special', np.tile(SPECIAL, 3)


def refusals(op, kind, accepted):
    for dtype in REFUSED_TYPES:
        if dtype not in accepted:
            yield 'refuses_' + np.dtype(dtype).name, op(kind, ['X'], ['Y']), {'X': np.ones(4, dtype).reshape(2, 2)}
    yield 'refuses_strings', op(kind, ['X'], ['Y']), {'X': strings(b'a').reshape(1, 1)}
    yield 'refuses_no_input', op(kind, [], ['Y']), {}
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y']), {'X': np.ones((2, 2), F)}
    yield 'refuses_missing_blob', op(kind, ['absent'], ['Y']), {}


def pointwise(op, rng):
    for kind, options in (('Relu', {}), ('LeakyRelu', {}), ('Sigmoid', dict(tolerance=EXPS)), ('Scale', {})):
        args = dict(scale=-1.7) if kind == 'Scale' else {}
        for name, x in shapes(rng):
            yield name, op(kind, ['X'], ['Y'], **args), {'X': x}, options
        yield 'in_place', op(kind, ['X'], ['X'], **args), {'X': normal(rng, 3, 7)}, options
        yield 'in_place_special', op(kind, ['X'], ['X'], **args), {'X': np.tile(SPECIAL, 3)}, options
        yield from refusals(op, kind, (np.float32, np.float64) if kind == 'Scale' else (np.float32,))


def leaky(op, rng):
    x = np.tile(SPECIAL, 2)
    for name, alpha in (('0', 0.0), ('1', 1.0), ('minus_1', -1.0), ('2', 2.0), ('tenth', 0.1), ('infinite', INF),
                        ('nan', NAN), ('denormal', 1e-40)):
        yield 'alpha_' + name, op('LeakyRelu', ['X'], ['Y'], alpha=alpha), {'X': x}


def scale(op, rng):
    x = np.tile(SPECIAL, 2)
    for name, s in (('default', None), ('0', 0.0), ('1', 1.0), ('2', 2.0), ('tenth', 0.1), ('infinite', INF),
                    ('nan', NAN), ('denormal', 1e-40), ('huge', 1e38)):
        args = {} if s is None else dict(scale=s)
        yield 'scale_' + name, op('Scale', ['X'], ['Y'], **args), {'X': x}
        yield 'scale_%s_float64' % name, op('Scale', ['X'], ['Y'], **args), {'X': x.astype(np.float64)}
    yield 'float64_empty', op('Scale', ['X'], ['Y'], scale=2.0), {'X': np.zeros((0, 3))}
    yield 'float64_in_place', op('Scale', ['X'], ['X'], scale=2.0), {'X': ramp(2, 3, dtype=np.float64)}
    yield 'refuses_integer_scale', op('Scale', ['X'], ['Y'], scale=2), {'X': ramp(2)}


def sigmoid(op, rng):
    far = np.array([16, -16, 40, -40, 87, -87, 88, -88, 89, -89, 100, -100, 1000, -1000, 1e38, -1e38], F)
    yield 'far', op('Sigmoid', ['X'], ['Y']), {'X': far}, dict(tolerance=EXPS)
    yield 'near_zero', op('Sigmoid', ['X'], ['Y']), {'X': (far * 1e-6).astype(F)}, dict(tolerance=EXPS)


def softmax(op, rng):
    def case(name, x, **args):
        return name, op('Softmax', ['X'], ['Y'], **args), {'X': np.asarray(x, F)}, dict(tolerance=EXPS)

    yield case('matrix', normal(rng, 3, 5))
    yield case('one_column', normal(rng, 3, 1))
    yield case('one_row', normal(rng, 1, 10))
    yield case('wide', normal(rng, 2, 100))
    yield case('rank_4_default_axis', normal(rng, 2, 2, 3, 2))
    for axis in (0, 1, 2, 3, -1, -2, -3, -4):
        yield case('rank_4_axis_%s' % str(axis).replace('-', 'minus_'), normal(rng, 2, 2, 3, 2), axis=axis)
    yield case('rank_1_axis_0', normal(rng, 4), axis=0)
    yield case('rank_1_axis_minus_1', normal(rng, 4), axis=-1)
    yield case('empty_batch', np.zeros((0, 3)))
    yield case('empty_row', np.zeros((3, 0)))
    yield case('empty_middle', np.zeros((2, 0, 3)), axis=2)
    yield case('large_values', [[1000, 999, 998], [-1000, -1001, -1002], [3e38, 0, -3e38]])
    yield case('equal_values', np.full((2, 7), 5))
    yield case('one_minus_infinity', [[1, -INF, 3]])
    yield case('all_minus_infinity', [[-INF, -INF], [0, 1]])
    yield case('plus_infinity', [[1, INF, 3], [1, 2, 3]])
    yield case('nan_first', [[NAN, 1, 3], [1, 2, 3]])
    yield case('nan_middle', [[1, NAN, 3], [1, 2, 3]])
    yield case('nan_last', [[1, 2, NAN], [1, 2, 3]])
    yield case('order_is_ignored', normal(rng, 2, 3), order='NHWC')
    yield case('refuses_rank_1_default_axis', np.ones(3))
    yield case('refuses_scalar', 3.0)
    yield case('refuses_scalar_axis_0', 3.0, axis=0)
    yield case('refuses_axis_2_of_rank_2', np.ones((2, 2)), axis=2)
    yield case('refuses_axis_minus_3_of_rank_2', np.ones((2, 2)), axis=-3)
    yield case('refuses_float_axis', np.ones((2, 2)), axis=1.0)
    yield 'refuses_in_place', op('Softmax', ['X'], ['X']), {'X': np.ones((2, 2), F)}
    yield from refusals(op, 'Softmax', (np.float32,))


def arguments(op, rng):
    """Caffe2's rules for arguments, on one that is a float and one that is an integer, and for the other fields."""
    x = {'X': np.array([[-1, 2], [3, -4]], F)}

    def leaky_relu(**fields):
        return with_arg(op('LeakyRelu', ['X'], ['Y']), 'alpha', **fields)

    yield 'argument_f', leaky_relu(f=0.5), x
    yield 'argument_f_and_others', leaky_relu(f=0.5, i=3, s=b'x', floats=[1.0]), x
    yield 'argument_given_twice_alike', with_arg(leaky_relu(f=0.5), 'alpha', f=0.5), x
    yield 'argument_unknown', with_arg(leaky_relu(f=0.5), 'beta', f=0.25), x
    yield 'refuses_argument_given_twice', with_arg(leaky_relu(f=0.5), 'alpha', f=0.25), x
    yield 'refuses_unknown_argument_given_twice', with_arg(
        with_arg(leaky_relu(f=0.5), 'beta', f=0.25), 'beta', f=0.5), x
    yield 'refuses_argument_i', leaky_relu(i=1), x
    yield 'refuses_argument_s', leaky_relu(s=b'0.5'), x
    yield 'refuses_argument_floats', leaky_relu(floats=[0.5]), x
    yield 'refuses_argument_without_value', leaky_relu(), x

    def soft(**fields):
        return with_arg(op('Softmax', ['X'], ['Y']), 'axis', **fields), x, dict(tolerance=EXPS)

    yield ('argument_i',) + soft(i=0)
    yield ('argument_i_and_others',) + soft(i=0, f=1.0, ints=[1])
    yield ('refuses_argument_ints',) + soft(ints=[0])
    yield ('refuses_argument_f',) + soft(f=1.0)
    yield ('refuses_argument_beyond_int32',) + soft(i=2 ** 31)
    yield ('refuses_argument_without_value',) + soft()

    def relu(**fields):
        o = op('Relu', ['X'], ['Y'])
        for key, value in fields.items():
            setattr(o, key, value)
        return o

    yield 'engine_unknown_falls_back', relu(engine='NO_SUCH_ENGINE'), x
    yield 'engine_list_falls_back', relu(engine='NO_SUCH_ENGINE,NEITHER'), x
    yield 'engine_default', relu(engine='DEFAULT'), x
    yield 'fields_without_effect', relu(name='some name', is_gradient_op=True, domain='d', op_version=9), x
    unknown = relu()
    unknown.device_option.device_type = 77
    yield 'refuses_unknown_device', unknown, x
    control = relu()
    control.control_input.append('nowhere')
    yield 'control_input_is_not_looked_up', control, x


def cases(op, rng):
    yield from pointwise(op, rng)
    yield from leaky(op, rng)
    yield from scale(op, rng)
    yield from sigmoid(op, rng)
    yield from softmax(op, rng)
    yield from arguments(op, rng)
    for engine in ('CUDNN', 'DNNLOWP', 'NO_SUCH_ENGINE'):
        o = op('Softmax', ['X'], ['Y'])
        o.engine = engine
        yield 'engine_' + engine.lower(), o, {'X': normal(rng, 3, 5)}, dict(tolerance=EXPS)
