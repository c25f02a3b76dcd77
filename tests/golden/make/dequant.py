"""ByteWeightDequant."""
import numpy as np
from common import F, INF, NAN, WRONG_FIELD, ramp, strings, with_arg

CODES = np.arange(256, dtype=np.uint8)
MAX = 3.4028234663852886e38
TINY = 1.1754943508222875e-38       # the smallest normal number
DENORMAL = 1.401298464324817e-45    # the smallest number above zero

RANGES = [
    ('minus_1_1', -1.0, 1.0), ('0_255', 0.0, 255.0), ('0_1', 0.0, 1.0), ('tenths', -0.1, 0.3),
    ('max_below_min', 3.0, -3.0), ('max_equals_min', 0.7, 0.7), ('zeros', 0.0, 0.0), ('minus_zero', -0.0, -0.0),
    ('narrow_far', 1000.0, 1000.0001), ('thirds', -1 / 3, 2 / 3), ('large', -1e30, 1e30),
    ('tiny', -TINY, TINY), ('tiny_step', 0.0, TINY), ('denormal', 0.0, 1e-40), ('denormal_one_step', 0.0, DENORMAL),
    ('denormal_around_zero', -1e-42, 1e-43), ('to_max', 0.0, MAX), ('from_lowest', -MAX, 0.0),
    ('overflowing_difference', -MAX, MAX), ('overflowing_difference_backwards', MAX, -MAX),
    ('max_infinite', 0.0, INF), ('min_infinite', -INF, 0.0), ('both_infinite', -INF, INF),
    ('both_plus_infinite', INF, INF), ('min_nan', NAN, 1.0), ('max_nan', 0.0, NAN),
]


def cases(op, rng):
    def dequant(**args):
        return op('ByteWeightDequant', ['X'], ['Y'], **args)

    yield 'codes_default_range', dequant(shape=[256]), {'X': CODES}
    yield 'codes_default_min', dequant(shape=[256], max=1.0), {'X': CODES}
    yield 'codes_default_max', dequant(shape=[256], min=-1.0), {'X': CODES}
    for name, lo, hi in RANGES:
        yield 'codes_' + name, dequant(shape=[256], min=lo, max=hi), {'X': CODES}
    # Sixty-four ranges of all magnitudes in one net.
    ends = (rng.randn(64, 2) * 10.0 ** rng.uniform(-12, 12, (64, 1))).astype(F)
    many = [op('ByteWeightDequant', ['X'], ['Y%d' % i], shape=[256], min=float(lo), max=float(hi))
            for i, (lo, hi) in enumerate(ends)]
    yield 'codes_random_ranges', many, {'X': CODES}, dict(fetch=[o.output[0] for o in many])

    codes = rng.randint(0, 256, 24).astype(np.uint8)
    yield 'shape_2x3x4', dequant(shape=[2, 3, 4]), {'X': codes}
    yield 'shape_of_input_is_ignored', dequant(shape=[4, 6]), {'X': codes.reshape(2, 12)}
    yield 'one_element', dequant(shape=[1, 1, 1]), {'X': np.array([200], np.uint8)}
    yield 'scalar_to_1d', dequant(shape=[1]), {'X': np.array(7, np.uint8)}
    for n in (15, 16, 17, 31, 33, 63, 65, 127):
        yield 'length_%d' % n, dequant(shape=[n], min=-0.37, max=1.91), {'X': ramp(n, dtype=np.uint8, start=100)}
    yield 'unknown_argument', dequant(shape=[2], axis=3), {'X': codes[:2]}

    yield 'string', dequant(shape=[2, 2]), {'X': strings(b'\x00\x7f\x80\xff')}
    yield 'string_codes', dequant(shape=[256], min=-0.4, max=0.9), {'X': strings(CODES.tobytes())}
    fill = op('GivenTensorStringFill', [], ['S'], shape=[1], values=[b'\x00\x80\xff'])
    yield 'string_from_fill', [fill, op('ByteWeightDequant', ['S'], ['Y'], shape=[3])], {}
    fill = op('GivenTensorByteStringToUInt8Fill', [], ['B'], shape=[3], values=[b'\x00\x80\xff'])
    yield 'bytes_from_fill', [fill, op('ByteWeightDequant', ['B'], ['Y'], shape=[3])], {}

    yield 'no_shape_scalar', dequant(), {'X': np.array(7, np.uint8)}
    yield 'no_shape', dequant(), {'X': np.array([7], np.uint8)}, dict(
        diverges='without `shape` Caffe2 makes a scalar; ours has the shape of the input',
        ours=(dequant(shape=[1]), {'X': np.array([7], np.uint8)}))
    yield 'empty', dequant(shape=[3, 0]), {'X': np.zeros((3, 0), np.uint8)}, dict(
        diverges='Caffe2\'s size check refuses an output without elements; ours is empty',
        ours={'Y': np.zeros((3, 0), F)})
    yield 'shorter_than_input', dequant(shape=[2, 2]), {'X': codes}, dict(
        diverges='Caffe2 leaves out the codes that the shape has no place for; we refuse', ours='refused')
    yield 'two_strings', dequant(shape=[2]), {'X': strings(b'ab', b'cd')}, dict(
        diverges='Caffe2 takes the first string; we want exactly one', ours='refused')
    one = {'X': np.array([7], np.uint8)}
    yield 'shape_not_a_list', dequant(shape=1), one, dict(diverges=WRONG_FIELD, ours='refused')
    yield 'shape_of_floats', dequant(shape=[1.0]), one, dict(diverges=WRONG_FIELD, ours='refused')

    for dtype in (np.int8, np.int32, np.float32, np.bool_):
        yield 'refuses_' + np.dtype(dtype).name, dequant(shape=[3]), {'X': np.ones(3, dtype)}
    yield 'refuses_integer_min', dequant(shape=[1], min=-1), one
    yield 'refuses_integer_max', dequant(shape=[1], max=1), one
    yield 'refuses_min_list', dequant(shape=[1], min=[1.0]), one
    yield 'refuses_string_min', dequant(shape=[1], min='1'), one
    yield 'refuses_min_without_value', with_arg(dequant(shape=[1]), 'min'), one
    yield 'refuses_min_given_twice', with_arg(dequant(shape=[1], min=1.0), 'min', f=2.0), one
    yield 'min_given_twice_alike', with_arg(dequant(shape=[1], min=1.0), 'min', f=1.0), one
    yield 'refuses_negative_dimension', dequant(shape=[-1]), one
    yield 'refuses_in_place', op('ByteWeightDequant', ['X'], ['X'], shape=[1]), one
    yield 'refuses_two_inputs', op('ByteWeightDequant', ['X', 'X'], ['Y'], shape=[1]), one
    yield 'refuses_no_input', op('ByteWeightDequant', [], ['Y'], shape=[1]), {}
    yield 'refuses_missing_blob', op('ByteWeightDequant', ['absent'], ['Y'], shape=[1]), {}
