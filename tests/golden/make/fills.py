"""GivenTensor*Fill and ConstantFill."""
import numpy as np
from common import DATA_TYPE, F, I32, I64, INF, NAN, SPECIAL, WRONG_FIELD, strings, with_arg

BYTES = 'GivenTensorByteStringToUInt8Fill'
EXACT_INTS = [0, 1, -1, 2 ** 31 - 1, -2 ** 31]

GIVEN = [   # type, five values
    ('GivenTensorFill', [0.5, -0.0, 1e-40, 3.25, -1.5]),
    ('GivenTensorDoubleFill', [0.1, -0.0, 1e-40, 3.25, -1.5]),
    ('GivenTensorBoolFill', [1, 0, 2, -1, 0]),
    ('GivenTensorInt16Fill', [0, 1, -1, 2 ** 15 - 1, -2 ** 15]),
    ('GivenTensorIntFill', EXACT_INTS),
    ('GivenTensorInt64Fill', [0, 1, -1, 2 ** 63 - 1, -2 ** 63]),
    ('GivenTensorStringFill', [b'plain', b'', b'\x00\xff\n"', 'ä'.encode(), b'\xfe' * 200]),
]


def other_kind(values):
    """Values in a field that this type of fill does not read."""
    return [1.0, 2.0] if isinstance(values[0], (int, bytes)) else [1, 2]


def given(op, kind, values):
    def fill(**args):
        return op(kind, [], ['Y'], **args)

    def like(x, out='Y', **args):
        return op(kind, ['X'], [out], **args), {'X': x}

    four = values[:4]
    yield 'list', fill(shape=[5], values=values), {}
    yield 'matrix', fill(shape=[2, 1, 2], values=four), {}
    yield 'scalar', fill(values=values[:1]), {}
    yield 'empty', fill(shape=[0], values=[]), {}
    yield 'refuses_too_few', fill(shape=[3], values=values[:2]), {}
    yield 'refuses_no_values', fill(shape=[1]), {}
    yield 'refuses_wrong_field', fill(shape=[2], values=other_kind(values)), {}
    yield ('like_input',) + like(np.zeros((2, 2), np.uint8), values=four)
    yield ('input_as_shape',) + like(np.array([1, 4], I64), input_as_shape=1, values=four)
    if kind not in ('GivenTensorFill', 'GivenTensorStringFill'):
        return      # one of numbers and one of strings meet every rule of shapes

    yield 'column', fill(shape=[5, 1], values=values), {}
    yield 'scalar_from_empty_shape', fill(shape=[], values=values[:1]), {}
    yield 'empty_3x0', fill(shape=[3, 0], values=[]), {}
    yield 'unknown_argument', fill(shape=[1], values=values[:1], value=3), {}
    yield 'refuses_too_many', fill(shape=[1], values=values[:2]), {}
    yield 'refuses_empty_values_for_scalar', fill(values=[]), {}
    yield 'refuses_single_value', fill(shape=[1], values=values[0]), {}
    yield 'wrong_field_for_empty', fill(shape=[0], values=other_kind(values)), {}, dict(
        diverges=WRONG_FIELD, ours='refused')
    yield 'refuses_scalar_shape', fill(shape=1, values=values[:1]), {}
    yield 'shape_of_floats', fill(shape=[1.0], values=values[:1]), {}, dict(diverges=WRONG_FIELD, ours='refused')
    yield 'refuses_negative_dimension', fill(shape=[-1], values=values[:1]), {}
    yield 'refuses_extra_shape_without_input', fill(shape=[1], extra_shape=[1], values=values[:1]), {}
    yield 'refuses_input_as_shape_without_input', fill(shape=[1], input_as_shape=1, values=values[:1]), {}
    yield 'refuses_values_given_twice', with_arg(fill(shape=[1], values=values[:1]), 'values'), {}
    yield ('like_input_of_strings',) + like(strings(b'a', b'b', b'c', b'd'), values=four)
    yield ('like_scalar',) + like(np.float32(1), values=values[:1])
    yield ('like_empty',) + like(np.zeros((2, 0), F), values=[])
    yield ('like_in_place',) + like(np.zeros((2, 2), F), out='X', values=four)
    yield ('like_with_extra_shape',) + like(np.zeros(2, F), extra_shape=[1, 2], values=four)
    yield ('input_as_shape_with_extra_shape',) + like(
        np.array([2], I64), input_as_shape=1, extra_shape=[2], values=four)
    yield ('input_as_shape_with_zero',) + like(np.array([2, 0], I64), input_as_shape=1, values=[])
    yield ('refuses_input_as_shape_of_int32',) + like(np.array([1, 4], I32), input_as_shape=1, values=four)
    yield ('refuses_input_as_shape_of_rank_2',) + like(np.array([[1, 4]], I64), input_as_shape=1, values=four)
    yield ('refuses_input_as_shape_empty',) + like(np.array([], I64), input_as_shape=1, values=four[:1])
    yield ('refuses_like_and_shape',) + like(np.zeros(4, F), shape=[4], values=four)
    yield ('like_and_empty_shape',) + like(np.zeros(4, F), shape=[], values=four)
    yield ('like_and_scalar_shape',) + like(np.zeros(4, F), shape=4, values=four) + (
        dict(diverges=WRONG_FIELD, ours='refused'),)
    yield ('refuses_like_of_other_size',) + like(np.zeros(3, F), values=four)
    yield 'refuses_two_inputs', op(kind, ['X', 'X'], ['Y'], values=four), {'X': np.zeros(4, F)}


def given_dtype(op):
    fill = 'GivenTensorFill'
    for name, values in (('FLOAT', [0.5, NAN, -INF]), ('DOUBLE', [0.1, -2.5, INF]), ('BOOL', [1, 0, 5]),
                         ('INT16', [1, -2, 32767]), ('INT32', [1, -2, 2 ** 31 - 1]), ('INT64', [1, -2, 2 ** 40]),
                         ('STRING', [b'a', b'', b'\x00'])):
        yield 'dtype_' + name.lower(), op(fill, [], ['Y'], shape=[3], values=values, dtype=DATA_TYPE[name]), {}
        yield 'dtype_named_' + name.lower(), op(fill, [], ['Y'], shape=[3], values=values, dtype=name.lower()), {}
    yield 'dtype_named_mixed_case', op(fill, [], ['Y'], shape=[1], values=[1], dtype='Int32'), {}
    for name in ('UNDEFINED', 'BYTE', 'UINT8', 'INT8', 'UINT16', 'FLOAT16'):
        yield 'refuses_dtype_' + name.lower(), op(fill, [], ['Y'], shape=[1], values=[1], dtype=DATA_TYPE[name]), {}
    yield 'refuses_dtype_unknown', op(fill, [], ['Y'], shape=[1], values=[1.0], dtype=99), {}
    yield 'refuses_dtype_unknown_name', op(fill, [], ['Y'], shape=[1], values=[1.0], dtype='single'), {}
    yield 'refuses_dtype_float_field', op(fill, [], ['Y'], shape=[1], values=[1.0], dtype=1.0), {}
    yield 'refuses_dtype_int32_of_floats', op(fill, [], ['Y'], shape=[1], values=[1.0], dtype=DATA_TYPE['INT32']), {}
    yield 'refuses_dtype_int16_overflow', op(fill, [], ['Y'], shape=[1], values=[40000], dtype=DATA_TYPE['INT16']), {}


def byte_string(op):
    def fill(**args):
        return op(BYTES, [], ['Y'], **args)

    yield 'codes', fill(shape=[16, 16], values=[bytes(range(256))]), {}
    yield 'list', fill(shape=[3], values=[b'\x00\x80\xff']), {}
    yield 'column', fill(shape=[3, 1], values=[b'abc']), {}
    yield 'scalar', fill(values=[b'a']), {}
    yield 'empty', fill(shape=[0], values=[b'']), {}
    yield 'dtype_string', fill(shape=[1], values=[b'a'], dtype=DATA_TYPE['STRING']), {}
    yield 'dtype_named_string', fill(shape=[1], values=[b'a'], dtype='string'), {}
    yield 'like_input', op(BYTES, ['X'], ['Y'], values=[b'abcd']), {'X': np.zeros((2, 2), F)}
    yield 'like_with_extra_shape', op(BYTES, ['X'], ['Y'], extra_shape=[2], values=[b'abcd']), {'X': np.zeros(2, F)}
    yield 'input_as_shape', op(BYTES, ['X'], ['Y'], input_as_shape=1, values=[b'abcd']), {'X': np.array([2, 2], I64)}
    yield 'in_place', op(BYTES, ['X'], ['X'], values=[b'abcd']), {'X': np.zeros((2, 2), F)}
    yield 'refuses_dtype_uint8', fill(shape=[1], values=[b'a'], dtype=DATA_TYPE['UINT8']), {}
    yield 'refuses_dtype_undefined', fill(shape=[1], values=[b'a'], dtype=0), {}
    yield 'refuses_no_values', fill(shape=[1]), {}
    yield 'refuses_scalar_shape', fill(shape=1, values=[b'a']), {}
    yield 'two_strings', fill(shape=[1], values=[b'a', b'b']), {}, dict(
        diverges='Caffe2 takes the first of several strings; we want exactly one', ours='refused')
    yield 'string_too_long', fill(shape=[2], values=[b'abc']), {}, dict(
        diverges='Caffe2 leaves out what the shape has no place for; we refuse', ours='refused')


def constant(op):
    def fill(**args):
        return op('ConstantFill', [], ['Y'], **args)

    yield 'nothing_given', fill(), {}
    yield 'zeros', fill(shape=[2, 3]), {}
    yield 'float_value', fill(shape=[3], value=1.5), {}
    yield 'integer_value_makes_int64', fill(shape=[3], value=7), {}
    yield 'scalar', fill(shape=[], value=2.0), {}
    yield 'empty', fill(shape=[2, 0], value=2.0), {}
    for i, v in enumerate(SPECIAL):
        yield 'special_value_%d' % i, fill(shape=[2], value=float(v)), {}
    for name, values in (('FLOAT', [1.5]), ('DOUBLE', [0.1]), ('BOOL', [0, 1, 2, -1]), ('INT8', [127, -128]),
                         ('INT16', [32767, -32768]), ('INT32', [2 ** 31 - 1, -2 ** 31]),
                         ('INT64', [2 ** 63 - 1, -2 ** 63]), ('UINT8', [0, 255]), ('UINT16', [0, 65535]),
                         ('STRING', [b'a\x00b', b''])):
        low, code = name.lower(), DATA_TYPE[name]
        yield 'default_of_' + low, fill(shape=[2], dtype=code), {}
        yield 'empty_of_' + low, fill(shape=[0], dtype=code), {}
        for i, v in enumerate(values):
            yield '%s_value_%d' % (low, i), fill(shape=[2], dtype=code, value=v), {}
        wrong = 1 if isinstance(values[0], (float, bytes)) else 1.0
        yield 'refuses_value_of_other_field_for_' + low, fill(shape=[2], dtype=code, value=wrong), {}
        yield 'refuses_value_list_for_' + low, fill(shape=[2], dtype=code, value=values[:1]), {}
    for name in ('UNDEFINED', 'BYTE', 'FLOAT16'):
        yield 'refuses_dtype_' + name.lower(), fill(shape=[2], dtype=DATA_TYPE[name]), {}
    for name, v in (('INT8', 128), ('UINT8', 256), ('UINT8', -1), ('INT16', 40000), ('UINT16', -1), ('INT32', 2 ** 31)):
        yield 'refuses_%s_of_%s' % (name.lower(), str(v).replace('-', 'minus_')), fill(
            shape=[1], dtype=DATA_TYPE[name], value=v), {}
    yield 'refuses_dtype_name', fill(shape=[1], dtype='int32'), {}
    yield 'refuses_dtype_float_field', fill(shape=[1], dtype=1.0), {}
    yield 'refuses_string_value_without_dtype', fill(shape=[1], value='a'), {}
    yield 'refuses_value_list_without_dtype', fill(shape=[1], value=[1.0]), {}
    yield 'refuses_value_without_value', with_arg(fill(shape=[1]), 'value'), {}
    yield 'refuses_scalar_shape', fill(shape=2, value=1.0), {}
    yield 'shape_of_floats', fill(shape=[2.0]), {}, dict(diverges=WRONG_FIELD, ours='refused')
    yield 'refuses_negative_dimension', fill(shape=[-1]), {}
    yield 'right_field_and_others', with_arg(fill(shape=[1], dtype=1), 'value', f=2.5, i=3, s=b'x'), {}

    def like(x, out='Y', **args):
        return op('ConstantFill', ['X'], [out], **args), {'X': x}

    yield ('like_input',) + like(np.zeros((2, 1), F), value=2.0)
    yield ('like_input_of_strings',) + like(strings(b'a', b'b'), value=2.0)
    yield ('like_empty',) + like(np.zeros((0, 2), F), value=2.0)
    yield ('like_with_extra_shape',) + like(np.zeros((2, 1), F), value=2.0, extra_shape=[3])
    yield ('in_place',) + like(np.zeros(2, F), out='X', value=3.0)
    yield ('in_place_other_type',) + like(np.zeros(2, F), out='X', value=3)
    yield ('input_as_shape',) + like(np.array([2, 3], I64), input_as_shape=1, value=2.0)
    yield ('input_as_shape_with_extra_shape',) + like(np.array([2], I64), input_as_shape=1, extra_shape=[3], value=2.0)
    yield ('refuses_input_as_shape_negative',) + like(np.array([-2], I64), input_as_shape=1, value=2.0)
    yield ('refuses_input_as_shape_of_int32',) + like(np.array([2], I32), input_as_shape=1, value=2.0)
    yield ('refuses_like_and_shape',) + like(np.zeros(2, F), shape=[2])

    def valued(v, **args):
        return op('ConstantFill', ['X', 'V'], ['Y'], **args), {'X': np.zeros(3, F), 'V': v}

    yield ('value_input',) + valued(np.array([7], F))
    yield ('value_input_of_rank_0',) + valued(np.array(7, F))
    yield ('value_input_wins',) + valued(np.array([7], F), value=2.0)
    yield ('value_input_int64',) + valued(np.array([7], I64), dtype=DATA_TYPE['INT64'])
    yield ('value_input_bool',) + valued(np.array([True]), dtype=DATA_TYPE['BOOL'])
    yield ('refuses_value_input_of_other_type',) + valued(np.array([7], I32))
    yield ('refuses_value_input_of_two',) + valued(np.array([7, 8], F))
    yield ('refuses_value_input_empty',) + valued(np.array([], F), value=2.0)
    yield ('refuses_value_input_of_strings',) + valued(strings(b'x'), dtype=DATA_TYPE['STRING'])
    yield 'refuses_in_place_on_value', op('ConstantFill', ['X', 'V'], ['V']), {'X': np.zeros(2, F), 'V': np.ones(1, F)}


def cases(op, rng):
    for kind, values in GIVEN:
        yield from given(op, kind, values)
    fill = 'GivenTensorFill'
    yield 'special_values', op(fill, [], ['Y'], shape=[len(SPECIAL)], values=[float(v) for v in SPECIAL]), {}
    yield 'ints_and_floats', with_arg(op(fill, [], ['Y'], shape=[1]), 'values', floats=[2.5], ints=[1, 2]), {}
    yield from given_dtype(op)
    for kind, v in (('GivenTensorInt64Fill', 1), ('GivenTensorDoubleFill', 0.5), ('GivenTensorStringFill', b'x')):
        yield 'dtype_is_ignored', op(kind, [], ['Y'], shape=[1], values=[v], dtype=DATA_TYPE['UINT8']), {}
    yield 'refuses_overflow', op('GivenTensorInt16Fill', [], ['Y'], shape=[1], values=[32768]), {}
    yield 'refuses_overflow', op('GivenTensorIntFill', [], ['Y'], shape=[1], values=[2 ** 31]), {}
    yield from byte_string(op)
    yield from constant(op)
