"""Fills with random or counted numbers, Range, DiagonalFill; of random numbers only what is determined."""
import numpy as np
from common import F, I32, I64, REFUSED_TYPES, WRONG_FIELD, strings

ROUNDING = 'Caffe2 counts integers with a negative step wrongly; we count as for floats, and as numpy does'
RANDOM = ('XavierFill', 'MSRAFill', 'GaussianFill', 'UniformFill', 'UniformIntFill')


def shapes(op, kind, empty, **args):
    """What all fills have in common, for shapes of which the result is known."""
    def fill(name, inputs=(), x=None, outputs=('Y',), options=None, **more):
        blobs = {} if x is None else {'X': np.asarray(x)}
        case = name, op(kind, list(inputs), list(outputs), **dict(args, **more)), blobs
        return case + (options,) if options else case

    yield fill('empty', shape=empty)
    yield fill('empty_like_input', ['X'], np.zeros(empty, np.uint8))
    yield fill('empty_like_strings', ['X'], strings()[:, None] if len(empty) == 2 else strings())
    yield fill('empty_in_place', ['X'], np.zeros(empty, F), ['X'])
    yield fill('empty_by_values', ['X'], np.array(empty, I64), input_as_shape=1)
    yield fill('empty_extra_shape', ['X'], np.zeros(empty, F), extra_shape=[2] if kind != 'DiagonalFill' else [])
    yield fill('empty_by_values_and_extra', ['X'], np.array(empty[:1], I64), input_as_shape=1, extra_shape=empty[1:])
    yield fill('shape_not_a_list', options=dict(diverges=WRONG_FIELD, ours='refused'), shape=2) \
        if kind in ('RangeFill', 'GaussianFill') else fill('empty_rank_2', shape=list(empty))
    yield fill('refuses_shape_beside_input', ['X'], np.zeros(empty, F), shape=empty)
    yield fill('refuses_extra_shape_without_input', shape=empty, extra_shape=[2])
    yield fill('refuses_input_as_shape_without_input', shape=empty, input_as_shape=1)
    yield fill('refuses_int32_values', ['X'], np.array(empty, I32), input_as_shape=1)
    yield fill('refuses_two_inputs', ['X', 'X'], np.zeros(empty, F)) if kind != 'UniformFill' and \
        kind != 'UniformIntFill' else fill('refuses_two_outputs', outputs=['Y', 'Z'], shape=empty)


def cases(op, rng):
    for kind in RANDOM:
        if kind != 'XavierFill':
            yield from shapes(op, kind, [0, 3])
    yield 'refuses_scalar', op('XavierFill', [], ['Y'], shape=[]), {}
    yield 'refuses_empty', op('XavierFill', [], ['Y'], shape=[3, 0]), {}
    yield 'refuses_empty_like_input', op('XavierFill', ['X'], ['Y']), {'X': np.zeros((3, 0), F)}
    yield 'refuses_shape_beside_input', op('XavierFill', ['X'], ['Y'], shape=[2]), {'X': np.zeros(2, F)}
    yield 'refuses_extra_shape_without_input', op('XavierFill', [], ['Y'], shape=[2], extra_shape=[2]), {}
    yield 'refuses_scalar', op('MSRAFill', [], ['Y'], shape=[]), {}
    yield 'refuses_vector', op('MSRAFill', [], ['Y'], shape=[3]), {}

    yield 'no_deviation', op('GaussianFill', [], ['Y'], shape=[2, 3], mean=1.5, std=0.0), {}
    yield 'no_deviation_scalar', op('GaussianFill', [], ['Y'], mean=-3.0, std=0.0), {}
    yield 'no_deviation_like_input', op('GaussianFill', ['X'], ['Y'], mean=2.0, std=0.0), {'X': np.zeros((2, 2), I32)}
    yield 'refuses_negative_std', op('GaussianFill', [], ['Y'], shape=[3], std=-1.0), {}
    yield 'refuses_integer_mean', op('GaussianFill', [], ['Y'], shape=[3], mean=1), {}
    yield 'refuses_integer_std', op('GaussianFill', [], ['Y'], shape=[3], std=1), {}

    for kind, t, other in (('UniformFill', F, I32), ('UniformIntFill', I32, F)):
        def uniform(name, least, most, shape=(2, 3), **args):
            blobs = {'X': np.array(shape, I64), 'min': np.array(least), 'max': np.array(most)}
            return name, op(kind, ['X', 'min', 'max'], ['Y'], input_as_shape=1, **args), blobs

        yield uniform('inputs_equal', t(5), t(5))
        yield uniform('inputs_equal_vectors', np.array([5], t), np.array([[5]], t))
        yield uniform('inputs_out_of_order', t(5), t(4))
        yield uniform('inputs_empty', t(4), t(5), (0, 2))
        yield uniform('refuses_two_mins', np.array([1, 2], t), t(4))
        yield uniform('refuses_no_max', t(4), np.array([], t))
        yield uniform('refuses_other_type', other(4), other(5))
        yield uniform('refuses_argument_min_too', t(4), t(5), min=t(1).item())
        yield 'refuses_equal', op(kind, [], ['Y'], shape=[2], min=t(2).item(), max=t(2).item()), {}
        yield 'refuses_out_of_order', op(kind, [], ['Y'], shape=[2], min=t(2).item(), max=t(1).item()), {}
        yield 'refuses_other_field', op(kind, [], ['Y'], shape=[2], min=other(0).item()), {}
    yield 'refuses_infinite_difference', op('UniformFill', [], ['Y'], shape=[2], min=-3e38, max=3e38), {}

    yield from shapes(op, 'RangeFill', [0, 3])
    for shape in ([], [1], [5], [2, 3], [2, 1, 3]):
        yield 'shape_' + 'x'.join(map(str, shape)), op('RangeFill', [], ['Y'], shape=shape), {}
    yield 'like_input', op('RangeFill', ['X'], ['Y']), {'X': np.zeros((2, 2), I64)}
    yield 'in_place', op('RangeFill', ['X'], ['X']), {'X': np.ones((2, 2), F)}
    yield 'extra_shape', op('RangeFill', ['X'], ['Y'], extra_shape=[3]), {'X': np.zeros(2, I64)}
    yield 'by_values', op('RangeFill', ['X'], ['Y'], input_as_shape=1), {'X': np.array([2, 2], I64)}

    for name, lengths in (('some', [2, 3]), ('zeros', [0, 1, 0]), ('none', []), ('zero', [0]), ('one', [4])):
        yield name, op('LengthsRangeFill', ['X'], ['Y']), {'X': np.array(lengths, I32)}
    yield 'refuses_negative', op('LengthsRangeFill', ['X'], ['Y']), {'X': np.array([-2], I32)}
    yield 'refuses_int64', op('LengthsRangeFill', ['X'], ['Y']), {'X': np.array([2], I64)}
    yield 'refuses_scalar', op('LengthsRangeFill', ['X'], ['Y']), {'X': np.array(2, I32)}
    yield 'refuses_rank_2', op('LengthsRangeFill', ['X'], ['Y']), {'X': np.array([[2]], I32)}
    yield 'refuses_in_place', op('LengthsRangeFill', ['X'], ['X']), {'X': np.array([2], I32)}

    def span(name, *values, **options):
        names = ['a', 'b', 'c', 'd'][:len(values)]
        case = name, op('Range', names, ['Y']), {n: np.asarray(v) for n, v in zip(names, values)}
        return case + (options,) if options else case

    for t in (F, np.float64, I32, I64):
        low = np.dtype(t).name
        yield span('stop_' + low, t(5))
        yield span('start_' + low, t(2), t(5))
        yield span('step_' + low, t(0), t(10), t(3))
        yield span('step_divides_' + low, t(0), t(9), t(3))
        yield span('down_' + low, t(5), t(2), t(-1))
        yield span('negative_stop_' + low, t(-3))
        yield span('empty_up_' + low, t(5), t(2))
        yield span('empty_step_' + low, t(1), t(4), t(-1)) if t in (F, np.float64) else span('zero_' + low, t(0))
        yield span('one_element_tensors_' + low, np.full((1, 1), 2, t), np.full(1, 4, t), np.full((1, 1, 1), 1, t))
        yield span('refuses_step_0_' + low, t(0), t(1), t(0))
        yield span('refuses_two_elements_' + low, np.array([1, 2], t))
        yield span('refuses_no_elements_' + low, np.array([], t))
    yield span('fractions_float', F(0), F(1), F(.3))
    yield span('fractions_double', np.float64(.5), np.float64(3.25), np.float64(.1))
    yield span('fractional_stop', F(2.5))
    yield span('fractions_down', F(1), F(-1), F(-.75))
    yield span('infinite_step', F(0), F(3), F(np.inf))
    for t in (I32, I64):
        low = np.dtype(t).name
        yield span('down_rounded_' + low, t(5), t(-5), t(-3), diverges=ROUNDING, ours={'Y': np.array([5, 2, -1, -4], t)})
        yield span('leads_away_' + low, t(0), t(1), t(-2), diverges=ROUNDING, ours={'Y': np.array([], t)})
    for t in REFUSED_TYPES:
        if t not in (np.float64, I32):
            yield span('refuses_' + np.dtype(t).name, np.array(3).astype(t))
    yield span('refuses_mixed_types', I32(1), I64(5))
    yield span('refuses_four_inputs', F(1), F(2), F(3), F(4))

    def diagonal(name, shape=(2, 2), **args):
        return name, op('DiagonalFill', [], ['Y'], shape=list(shape), **args), {}

    yield from shapes(op, 'DiagonalFill', [0, 3])
    for shape in ((1, 1), (3, 3), (2, 3), (3, 2), (5, 2), (1, 4), (4, 1), (2, 2, 2), (3, 3, 3), (2, 2, 2, 2), (0, 0, 0)):
        yield diagonal('shape_' + 'x'.join(map(str, shape)), shape, value=2.5)
    for number, name, value in ((1, 'float', 1.5), (13, 'double', .1), (5, 'bool', 1), (7, 'int8', -8), (9, 'int16', -9),
                                (2, 'int32', -2), (10, 'int64', 2 ** 40), (6, 'uint8', 200), (8, 'uint16', 60000)):
        yield diagonal('dtype_' + name, value=value, dtype=number)
        yield diagonal('dtype_%s_no_value' % name, dtype=number)
    yield diagonal('no_value')
    yield diagonal('integer_value', value=3)
    yield 'like_input', op('DiagonalFill', ['X'], ['Y'], value=3.0), {'X': np.ones((2, 2), I32)}
    yield 'in_place', op('DiagonalFill', ['X'], ['X'], value=3.0), {'X': np.ones((2, 2), F)}
    yield 'by_values', op('DiagonalFill', ['X'], ['Y'], value=3.0, input_as_shape=1), {'X': np.array([2, 3], I64)}
    yield 'extra_shape', op('DiagonalFill', ['X'], ['Y'], value=3.0, extra_shape=[3]), {'X': np.zeros(3, I64)}
    yield diagonal('refuses_scalar', (), value=1.0)
    yield diagonal('refuses_vector', (3,), value=1.0)
    yield diagonal('refuses_unequal', (2, 3, 2), value=1.0)
    yield diagonal('refuses_strings', value='a', dtype=4)
    yield diagonal('refuses_float16', value=1.0, dtype=12)
    yield diagonal('refuses_text_value', value='x')
    yield diagonal('refuses_wrong_field', value=3, dtype=1)
    yield diagonal('refuses_float_for_integer', value=2.5, dtype=10)
