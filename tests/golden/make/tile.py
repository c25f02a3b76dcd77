"""Tile, Expand."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, NUMERIC, any_values, ramp, strings

TEXT = strings(b'', b'a', b'\x00\xff', b'bc', 'ü'.encode(), b'x' * 50)
TILED = NUMERIC + (np.float16, np.uint8)


def tiles(op):
    def case(name, x, *options, **args):
        return (name, op('Tile', ['X'], ['Y'], **args), {'X': x}) + options

    for dtype in ALL_TYPES:
        x, low = any_values(dtype, 2, 3), np.dtype(dtype).name
        yield case(low if dtype in TILED else 'refuses_' + low, x, tiles=2, axis=0)
        if dtype in TILED:
            yield case('columns_' + low, x, tiles=3, axis=1)
            yield case('empty_' + low, x[:, :0], tiles=2, axis=0)
    yield case('strings', TEXT.reshape(2, 3), tiles=2, axis=0)
    yield case('columns_strings', TEXT.reshape(2, 3), tiles=3, axis=1)
    yield case('empty_strings', TEXT[:0], tiles=2, axis=0)
    x = ramp(2, 3, 2)
    for axis in range(-3, 3):
        yield case('axis_%d' % axis, x, tiles=2, axis=axis)
    yield case('once', x, tiles=1, axis=1)
    yield case('never', x, tiles=0, axis=1)
    yield case('never_strings', TEXT, tiles=0, axis=0)
    yield case('of_one', ramp(1), tiles=5, axis=0)
    yield case('many', ramp(3, 2), tiles=3000, axis=1)
    yield case('image', ramp(1, 2, 2, 3), tiles=2, axis=2)
    yield case('empty_along_the_axis', x[:, :0], tiles=2, axis=1)
    yield case('refuses_scalar', F(2), tiles=2, axis=0)
    yield case('refuses_axis_beyond_rank', x, tiles=2, axis=3)
    yield case('refuses_axis_below_rank', x, tiles=2, axis=-4)
    yield case('refuses_negative', x, tiles=-1, axis=0)
    yield case('refuses_no_tiles', x, axis=0)
    yield case('refuses_no_axis', x, tiles=2)
    yield case('refuses_float_tiles', x, tiles=2.0, axis=0)
    yield 'refuses_in_place', op('Tile', ['X'], ['X'], tiles=1, axis=0), {'X': x}

    def by_blob(name, *numbers, options=(), **args):
        names = ['tiles', 'axis'][:len(numbers)]
        return (name, op('Tile', ['X'] + names, ['Y'], **args), dict(zip(names, numbers), X=x)) + options

    two, one, last = (lambda dtype, n=n: np.array([n], dtype) for n in (2, 1, -1))
    overwritten = 'Caffe2 copies an int64 over the int32 of tiles and the axis behind it, which becomes 0'
    for dtype in (I32, I64):
        low = np.dtype(dtype).name
        yield by_blob('tiles_input_' + low, two(dtype), axis=0)
        yield by_blob('tiles_input_0_' + low, two(dtype) * 0, axis=0)
        yield by_blob('both_inputs_' + low, two(dtype), one(dtype))
        yield by_blob('axis_input_negative_' + low, two(I32), last(dtype))
        yield by_blob('inputs_beat_arguments_' + low, two(dtype), one(dtype), tiles=5, axis=0)
        yield by_blob('refuses_negative_tiles_input_' + low, last(dtype), axis=0)
        yield by_blob('refuses_axis_input_beyond_rank_' + low, two(I32), one(dtype) * 3)
    yield by_blob('tiles_input_and_axis_1', two(I32), axis=1)
    yield by_blob('int64_tiles_input_and_axis_1', two(I64), axis=1, options=(
        dict(diverges=overwritten, ours=(op('Tile', ['X'], ['Y'], tiles=2, axis=1), {'X': x})),))
    yield by_blob('refuses_tiles_input_without_axis', two(I32))
    yield by_blob('refuses_float_tiles_input', two(F), axis=0)
    yield by_blob('refuses_float_axis_input', two(I32), one(F))
    yield by_blob('refuses_scalar_tiles_input', np.array(2, I32), axis=0)
    yield by_blob('refuses_two_tiles', np.array([2, 2], I32), axis=0)
    yield by_blob('refuses_no_tiles_in_input', np.array([], I32), axis=0)
    yield by_blob('refuses_axis_input_of_rank_2', two(I32), one(I32)[None])


def expands(op):
    def case(name, x, shape, *options, dtype=I64):
        return (name, op('Expand', ['X', 'shape'], ['Y']), {'X': x, 'shape': np.array(shape, dtype)}) + options

    for dtype in ALL_TYPES:
        low = np.dtype(dtype).name
        yield case(low if dtype in NUMERIC else 'refuses_' + low, any_values(dtype, 2, 1), [2, 3])
        if dtype in NUMERIC:
            yield case('more_dimensions_' + low, any_values(dtype, 2, 3), [2, 1, 3])
        if dtype != I64:
            yield case('refuses_shape_' + low, ramp(2, 1), [2, 3], dtype=dtype)
    yield case('refuses_strings', TEXT[:2].reshape(2, 1), [2, 3])
    x = ramp(2, 1)
    for shape in ([], [1], [3], [2], [1, 1], [2, 1], [1, 3], [3, 2, 1], [3, 1, 1], [1, 1, 4], [3, 2, 4]):
        yield case('_'.join(['to'] + [str(n) for n in shape]), x, shape)
    for name, shape in (('0', [0]), ('0_inside', [3, 0, 3]), ('minus_1', [-1, 3]), ('minus_1_before', [-1, 2, 3]),
                        ('minus_1_last', [3, 2, -1]), ('below_minus_1', [-2, -7])):
        yield case('keeps_' + name, x, shape)
    yield case('middle', ramp(2, 1, 2), [2, 3, 2])
    yield case('of_other_rank', ramp(3, 1, 4), [2, 1, 3, 2, 1])
    yield case('alternating', ramp(1, 3, 1, 2), [2, 1, 2, 1])
    yield case('many', ramp(3, 1), [3, 5000])
    for shape in ([], [1], [3], [2, 2], [0]):
        yield case('_'.join(['scalar'] + [str(n) for n in shape]), F(5), shape)
    yield case('shape_of_no_dimension', x, 3)
    yield case('shape_of_rank_2', x, [[2, 3]])
    yield case('refuses_other_size', x, [3, 3])
    yield case('refuses_other_size_inside', x, [2, 3, 4])
    yield case('shape_beyond_int32', x, [2 ** 32 + 2, 3],
               dict(diverges='Caffe2 cuts the dimensions to 32 bits', ours='refused'))
    for dims in ((0,), (0, 3), (3, 0)):
        yield case('refuses_empty_' + '_'.join(map(str, dims)), ramp(*dims), [1])
        yield case('refuses_empty_%s_to_itself' % '_'.join(map(str, dims)), ramp(*dims), dims)
    yield 'refuses_one_input', op('Expand', ['X'], ['Y'], shape=[2, 3]), {'X': x}
    yield 'refuses_in_place', op('Expand', ['X', 'shape'], ['X']), {'X': x, 'shape': np.array([2, 1], I64)}


def cases(op, rng):
    yield from tiles(op)
    yield from expands(op)
