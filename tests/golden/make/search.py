"""ArgMax, ArgMin, TopK, Unique, OneHot, BatchOneHot, Cast."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, INF, NAN, NUMERIC, normal, ramp, strings


def name_of(dtype):
    return np.dtype(dtype).name


def extremes(op, rng):
    for kind in ('ArgMax', 'ArgMin'):
        def case(name, x, **args):
            return name, op(kind, ['X'], ['Y'], **args), {'X': x}

        for dtype in ALL_TYPES:
            x = np.array([[1, 3, 2], [5, 4, 5]]).astype(dtype)
            yield case(('' if dtype in NUMERIC else 'refuses_') + name_of(dtype), x)
            if dtype in NUMERIC:
                yield case('axis_0_' + name_of(dtype), x, axis=0)
                yield case('empty_' + name_of(dtype), x[:0])
        yield case('refuses_strings', strings(b'a', b'b'))
        x = rng.randint(0, 4, (3, 4, 5)).astype(F)
        for axis in (-1, 0, 1, 2):
            for keep in (0, 1):
                yield case('rank_3_axis_%s_keep_%d' % (str(axis).replace('-', 'minus_'), keep), x, axis=axis,
                           keepdims=keep)
        for dtype in NUMERIC:
            wide = (np.arange(2 * 4 * 70) * 37 % 11).astype(dtype).reshape(2, 4, 70)
            yield case('wide_' + name_of(dtype), wide, axis=1)
        yield case('rank_1', ramp(5))
        yield case('rank_1_dropped', ramp(5), keepdims=0)
        yield case('one_element', ramp(1))
        yield case('special', np.array([[0.0, -0.0, 1, INF, INF], [-INF, -INF, -0.0, 0, 2]], F))
        yield case('nan', np.array([[NAN, 1, 2], [1, NAN, 2], [2, NAN, 1], [1, 2, NAN], [NAN, NAN, NAN]], F))
        yield case('nan_axis_0', np.array([[NAN, 1, 2], [1, NAN, 2], [2, 1, NAN]], F), axis=0)
        yield case('limits', np.array([[2 ** 63 - 1, -2 ** 63, 2 ** 53, 2 ** 53 + 1]], I64))
        yield case('empty_line', np.zeros((3, 0), F))
        yield case('empty_lines', np.zeros((3, 0), F), axis=0)
        yield case('refuses_axis_minus_2', ramp(2, 3), axis=-2)
        yield case('refuses_axis_beyond_rank', ramp(2, 3), axis=2)
        yield case('refuses_scalar', F(3))
        yield case('refuses_float_axis', ramp(2, 3), axis=1.0)
        yield 'refuses_in_place', op(kind, ['X'], ['X']), {'X': ramp(2, 2, dtype=I64)}


def top_k(op, rng):
    def case(name, x, *options, outputs=3, **args):
        return (name, op('TopK', ['X'], ['V', 'I', 'F'][:outputs], **args), {'X': x}) + options

    x = rng.randint(0, 6, (3, 4, 5)).astype(F)
    for axis in (-1, 0, 1, 2):
        for k in (1, 2, 3, 7):
            yield case('axis_%s_k_%d' % (str(axis).replace('-', 'minus_'), k), x, axis=axis, k=k)
    yield case('two_outputs', x, outputs=2, k=2)
    yield case('rank_1', ramp(6), k=4)
    yield case('one_element', ramp(1), k=1)
    yield case('equal', np.ones((2, 5), F), k=3)
    yield case('long', normal(rng, 2, 200), k=20)
    yield case('long_all', normal(rng, 200), k=200)
    rising = ramp(300)
    mixed = np.stack([rising, -rising, rising % 7, rising * 37 % 101,
                      np.where(rising % 2 == 1, 0, -INF)]).astype(F)
    for k in (1, 5, 32, 33, 100, 299):
        yield case('orders_k_%d' % k, mixed, k=k)
        yield case('orders_axis_0_k_%d' % k, mixed.T.copy(), k=k, axis=0)
    yield case('nan', np.array([[1, NAN, 3, 2], [NAN, 3, 2, 1]], F), dict(
        diverges='Caffe2 compares NaN with what it found so far', ours=dict(
            V=np.array([[NAN, 3], [NAN, 3]], F), I=np.array([[1, 2], [0, 1]], I64), F=np.array([1, 2, 4, 5], I64))),
        k=2)
    yield case('special', np.array([[0.0, -0.0, INF, -INF, 1e-40, -1e-40, 3e38]], F), k=7)
    yield case('empty_batch', np.zeros((0, 3), F), k=2)
    yield case('empty_line', np.zeros((3, 0), F), k=2)
    yield case('empty_lines', np.zeros((3, 0), F), k=2, axis=0)
    yield case('refuses_k_0', x, k=0)
    yield case('refuses_k_minus_1', x, k=-1)
    yield case('refuses_no_k', x)
    yield case('refuses_float_k', x, k=1.0)
    yield case('refuses_axis_minus_2', x, k=1, axis=-2)
    yield case('refuses_axis_beyond_rank', x, k=1, axis=3)
    yield case('refuses_scalar', F(1), k=1)
    yield case('refuses_one_output', x, outputs=1, k=1)
    for dtype in ALL_TYPES:
        if dtype is not F:
            yield case('refuses_' + name_of(dtype), np.ones((2, 2), dtype), k=1)
    yield 'refuses_in_place', op('TopK', ['X'], ['X', 'I'], k=5), {'X': x}

    def by_blob(name, how_many, **args):
        return name, op('TopK', ['X', 'k'], ['V', 'I', 'F'], **args), {'X': x, 'k': how_many}

    yield by_blob('k_input', np.array([2], I64))
    yield by_blob('k_input_scalar', np.array(2, I64))
    yield by_blob('k_input_of_two', np.array([2, 3], I64))
    yield by_blob('k_input_axis_0', np.array([4], I64), axis=0)
    yield by_blob('k_input_and_argument', np.array([3], I64), k=1)
    yield by_blob('k_argument_and_unread_input', np.array(['none'], object), k=2)
    yield by_blob('k_input_and_minus_1', np.array([3], I64), k=-1)
    yield by_blob('refuses_k_argument_0', np.array([3], I64), k=0)
    yield by_blob('refuses_k_argument_minus_2', np.array([3], I64), k=-2)
    yield by_blob('refuses_k_input_minus_1', np.array([-1], I64))
    yield by_blob('refuses_k_input_0', np.array([0], I64))
    yield by_blob('refuses_k_input_int32', np.array([2], I32))


def unique(op, rng):
    for dtype in (I32, I64):
        for name, x in (('few', [5, -3, 5, 1, 3, 9, 1]), ('one', [7]), ('same', [2, 2, 2]), ('empty', []),
                        ('rising', [1, 2, 3]), ('limits', [np.iinfo(dtype).max, np.iinfo(dtype).min, 0]),
                        ('many', rng.randint(-50, 50, 100))):
            x = {'X': np.asarray(x, dtype)}
            yield '%s_%s' % (name, name_of(dtype)), op('Unique', ['X'], ['U', 'R']), x
            yield '%s_%s_alone' % (name, name_of(dtype)), op('Unique', ['X'], ['U']), x
    for dtype in ALL_TYPES:
        if dtype not in (I32, I64):
            yield 'refuses_' + name_of(dtype), op('Unique', ['X'], ['U', 'R']), {'X': np.ones(2, dtype)}
    yield 'refuses_strings', op('Unique', ['X'], ['U', 'R']), {'X': strings(b'a')}
    yield 'refuses_matrix', op('Unique', ['X'], ['U', 'R']), {'X': ramp(2, 2, dtype=I64)}
    yield 'refuses_scalar', op('Unique', ['X'], ['U', 'R']), {'X': np.array(2, I64)}
    yield 'refuses_in_place', op('Unique', ['X'], ['X', 'R']), {'X': ramp(2, dtype=I64)}
    yield 'refuses_three_outputs', op('Unique', ['X'], ['U', 'R', 'S']), {'X': ramp(2, dtype=I64)}


def one_hots(op, rng):
    def case(name, i, n):
        return name, op('OneHot', ['i', 'n'], ['Y']), {'i': i, 'n': n}

    three = np.array([3], I64)
    yield case('rows', np.array([0, 2, 1, 1], I64), three)
    yield case('scalar_size', np.array([0, 2], I64), np.array(3, I64))
    yield case('matrix_size', np.array([0, 2], I64), three.reshape(1, 1))
    yield case('one', np.array([0], I64), np.array([1], I64))
    yield case('wide', np.array([17, 40], I64), np.array([50], I64))
    yield case('refuses_matrix', np.array([[0, 1]], I64), three)
    yield case('refuses_scalar', np.array(0, I64), three)
    yield case('refuses_two_sizes', np.array([0], I64), np.array([3, 4], I64))
    yield case('refuses_no_size', np.array([0], I64), np.array([], I64))
    yield case('refuses_int32', np.array([0], I32), three)
    yield case('refuses_int32_size', np.array([0], I64), three.astype(I32))
    yield case('refuses_float', np.array([0], F), three)
    yield 'refuses_in_place', op('OneHot', ['i', 'n'], ['i']), {'i': three - 1, 'n': three}

    def batch(name, d, lengths, v):
        return name, op('BatchOneHot', ['d', 'l', 'v'], ['Y']), {'d': d, 'l': lengths, 'v': v}

    lens = np.array([2, 3], I32)
    for dtype in ALL_TYPES:
        x = np.array([[0, 1], [7, 0], [5, 5]]).astype(dtype)
        ok = dtype in (I32, I64)
        yield batch(('' if ok else 'refuses_') + name_of(dtype), x, lens, np.array([0, 7, 1, 0, 1]).astype(dtype))
    x = np.array([[0, 1], [7, 0]], I64)
    yield batch('no_values_for_one', x, np.array([2, 0], I32), np.array([7, 0], I64))
    yield batch('no_values', x, np.array([0, 0], I32), np.array([], I64))
    yield batch('no_rows', x[:0], lens, np.arange(5))
    yield batch('no_columns', x[:, :0], lens[:0], np.arange(0))
    yield batch('rank_1', x[0], np.array([2], I32), np.array([0, 1]))
    yield batch('rank_3', np.arange(8).reshape(2, 2, 2), np.array([1, 1, 2, 0], I32), np.array([0, 5, 2, 6]))
    yield batch('shaped_lengths_and_values', x, lens.reshape(1, 2), np.arange(5).reshape(5, 1))
    yield batch('refuses_scalar', np.array(1), lens[:1], np.array([0, 1]))
    yield batch('refuses_too_few_values', x, lens, np.arange(4))
    yield batch('refuses_too_many_values', x, lens, np.arange(6))
    yield batch('refuses_too_few_lengths', x, lens[:1], np.arange(2))
    yield batch('refuses_negative_length', x, np.array([2, -1], I32), np.arange(1))
    yield batch('refuses_int64_lengths', x, lens.astype(I64), np.arange(5))
    yield batch('refuses_values_of_other_type', x, lens, np.arange(5, dtype=I32))
    yield ('refuses_in_place', op('BatchOneHot', ['d', 'l', 'v'], ['v']),
           {'d': x, 'l': lens, 'v': np.arange(5)})


def casts(op, rng):
    def case(name, x, *options, **args):
        return (name, op('Cast', ['X'], ['Y'], **args), {'X': x}) + options

    targets = dict(float=1, int32=2, string=4, bool=5, uint8=6, int8=7, uint16=8, int16=9, int64=10, double=13)
    for dtype in ALL_TYPES:
        if dtype is np.float16:
            continue
        if dtype is np.bool_:
            x = np.array([[True, False]])
        elif np.issubdtype(dtype, np.integer):
            i = np.iinfo(dtype)
            x = np.array([[i.min, i.max, 0], [1, 100, i.max // 3]], dtype)
        else:
            x = np.array([[1.9, -1.9, 0.0, -0.0, 0.5], [-0.5, 100.25, 255.9, 1e-40, 3]], dtype)
        for to, number in targets.items():
            yield case('%s_to_%s' % (name_of(dtype), to), x, to=number)
    for dtype in (np.float32, np.float64):
        far = np.array([300.7, -300.7, 1e10, -1e10, 1e20, NAN, INF, -INF, 70000, 2147483648., 40000.5, -2147483648.],
                       dtype)
        for to, number in targets.items():
            yield case('far_%s_to_%s' % (name_of(dtype), to), far, to=number)
    yield case('double_beyond_float', np.array([1e300, -1e-300, 0.1]), to=1)
    yield case('long_strings', np.array([1e300, 0.1234565, 0.0000005, 2.5e-7, -NAN]), to=4)
    for name in ('float', 'FLOAT', 'Int64', 'DOUBLE', 'bool', 'uint8', 'string'):
        yield case('name_' + name, np.array([1.9, -1.9, 0], F), to=name)
    yield case('default', ramp(3, dtype=I32))
    yield case('from_type', ramp(3, dtype=I32), to=13, from_type='int32')
    yield case('from_type_by_number', ramp(3, dtype=I32), to=13, from_type=12)
    yield case('from_type_of_no_type', ramp(3, dtype=I32), to=13, from_type=99)
    yield case('refuses_from_type_of_no_name', ramp(3, dtype=I32), to=13, from_type='int')
    yield case('refuses_float_from_type', ramp(3, dtype=I32), to=13, from_type=1.0)
    yield case('scalar', F(3.5), to=2)
    yield case('empty', np.zeros((0, 2), F), to=2)
    yield case('empty_to_string', np.zeros((0, 2), F), to=4)
    for name in ('int', 'bogus', '', 'float16', 'undefined'):
        yield case('refuses_name_%s' % (name or 'empty'), ramp(2), to=name)
    for number in (0, 12, 14, 15, 99, -1):
        yield case('refuses_number_%s' % str(number).replace('-', 'minus_'), ramp(2), to=number)
    yield case('refuses_float_to', ramp(2), to=1.0)
    yield case('refuses_float16', np.ones(2, np.float16), to=1)
    yield case('refuses_strings', strings(b'1'), to=1)
    yield case('refuses_strings_to_string', strings(b'1'), to=4)
    yield 'refuses_in_place', op('Cast', ['X'], ['X'], to=2), {'X': ramp(2)}


def cases(op, rng):
    yield from extremes(op, rng)
    yield from top_k(op, rng)
    yield from unique(op, rng)
    yield from one_hots(op, rng)
    yield from casts(op, rng)
