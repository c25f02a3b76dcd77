"""Sums of rows picked from a table of codes with a scale and a bias each, and with weights by place."""
import numpy as np
from common import F, I32, I64, INF, NAN, any_values, normal, ramp

H = np.float16
U8 = np.uint8
SUMS = dict(rtol=1e-5, atol=1e-5)
CLOSE = dict(rtol=1e-5, atol=1e-3)      # sums of some hundred times larger values
NEGATIVE = 'Caffe2 skips a negative length where the others sum to the number of indices; we refuse it'
UNREAD = 'Caffe2 does not compare the number of weights with that of the indices; we refuse'
HIDDEN = 'Caffe2 takes any lengths where there are no indices; we check that they sum to 0'
LENGTHS = [2, 0, 1]


def ints(values, dtype=I32):
    return np.array(values, dtype)


def fused(rng, rows, codes, dtype):
    tails = np.ascontiguousarray((normal(rng, rows, 2) * 0.1).astype(dtype)).view(U8)
    return np.concatenate([rng.randint(0, 256, (rows, codes)).astype(U8), tails], 1)


class Kind:
    """An operator: how its inputs are put together."""

    def __init__(self, op, name, weights=None, lines=False):
        self.op, self.name, self.weights, self.lines = op, name, weights, lines

    def case(self, name, data, indices, lengths, weight=None, lines=None, options=None, tolerance=SUMS):
        indices = np.asarray(indices)
        blobs = {'D': np.asarray(data)}
        if self.weights:
            blobs['W'] = ramp(indices.size) / F(2) if weight is None else np.asarray(weight)
        blobs.update(I=indices, L=np.asarray(lengths))
        if self.lines:
            blobs['S'] = lines
        return name, self.op(self.name, list(blobs), ['Y']), blobs, dict(dict(tolerance=tolerance), **(options or {}))


def common_cases(kind, data, **more):
    """What holds for every table of five rows."""
    def case(*args, options=None, weight=None, **changed):
        return kind.case(*args, options=options, weight=weight, **dict(more, **changed))

    some, lengths = ints([0, 1, 4]), ints(LENGTHS)
    for dtype in (I32, I64):
        low = np.dtype(dtype).name
        yield case(low, data, some.astype(dtype), lengths)
        yield case('refuses_beyond_' + low, data, ints([0, 5, 1], dtype), lengths)
        yield case('refuses_negative_' + low, data, ints([0, -1, 1], dtype), lengths)
    yield case('repeated_indices', data, ints([2, 2, 2, 2]), ints([1, 3]))
    yield case('no_indices', data, ints([]), ints([0, 0]))
    yield case('no_lengths', data, ints([]), ints([]))
    yield case('refuses_too_short', data, some, ints([1, 1]))
    yield case('refuses_too_long', data, some, ints([2, 2]))
    yield case('refuses_negative_after', data, some, ints([4, -1]))
    yield case('refuses_lengths_int64', data, some, ints(LENGTHS, I64))
    yield case('refuses_lengths_matrix', data, some, lengths[None])
    yield case('refuses_indices_matrix', data, some[None], lengths)
    yield case('refuses_indices_float', data, some.astype(F), lengths)
    if kind.weights == 'by index':
        yield case('weights', data, ints([4, 0, 0, 3, 2, 4]), ints([4, 2]), weight=np.array([0.5, -1, 2, 0, 1e-3, 3], F))
        yield case('refuses_float16_weights', data, some, lengths, weight=ramp(3, dtype=H))


def of_fused(op, rng):
    for bits, dtype in ((8, F), (4, H), (2, H)):
        for reduction in ('Sum', 'Mean', 'WeightedSum'):
            kind = Kind(op, 'SparseLengths%sFused%dBitRowwise' % (reduction, bits),
                        'by index' if reduction == 'WeightedSum' else None)
            data = fused(rng, 5, 6, dtype)
            yield from common_cases(kind, data)
            some, lengths = ints([0, 1, 4]), ints(LENGTHS)
            for codes in (1, 2, 3, 8, 15, 16, 17, 33, 64, 100):
                yield kind.case('codes_%d' % codes, fused(rng, 4, codes, dtype), ints([3, 0, 1, 3, 2, 2, 0]), ints([3, 0, 4]),
                                tolerance=CLOSE)
            many = rng.randint(0, 30, 74).astype(I32)
            yield kind.case('many_rows', fused(rng, 30, 21, dtype), many, ints([40, 0, 1, 17, 16]), weight=normal(rng, 74),
                            tolerance=CLOSE)
            special = fused(rng, 4, 5, dtype)
            tails = [(INF, 1), (NAN, 0), (0, -INF), (0, 0)]
            special[:, 5:] = np.array(tails, F).astype(dtype).view(U8)
            yield kind.case('special', special, ints([0, 1, 2, 3]), ints([1, 1, 1, 1]))
            yield kind.case('one', fused(rng, 1, 1, dtype), ints([0]), ints([1]))
            tail = 2 * np.dtype(dtype).itemsize
            for width in (tail, tail - 1, 0):
                yield kind.case('refuses_%d_columns' % width, np.zeros((5, width), U8), some, lengths)
            yield kind.case('refuses_no_rows', data[:0], some, lengths)
            yield kind.case('refuses_vector', data[0], ints([0]), ints([1]))
            for other in (F, np.int8, np.bool_):
                yield kind.case('refuses_' + np.dtype(other).name, any_values(other, 5, 12), some, lengths)
            if kind.weights:
                yield kind.case('refuses_too_few_weights', data, some, lengths, weight=ramp(2))
                yield kind.case('refuses_matrix_of_weights', data, some, lengths, weight=ramp(3, 1))
            yield 'refuses_two_inputs', op(kind.name, ['D', 'I'], ['Y']), {'D': data, 'I': some}
            yield 'refuses_in_place', op(kind.name, ['D', 'D', 'D', 'D'][:4 if kind.weights else 3], ['D']), {'D': data}


def of_separate(op, rng):
    for reduction in ('Sum', 'Mean', 'WeightedSum', 'WeightedMean'):
        kind = Kind(op, 'SparseLengths%s8BitsRowwise' % reduction, 'by index' if 'Weighted' in reduction else None, True)
        data, lines = rng.randint(0, 256, (5, 6)).astype(U8), normal(rng, 5, 2) * F(0.1)
        yield from common_cases(kind, data, lines=lines)
        some, lengths = ints([0, 1, 4]), ints(LENGTHS)
        for codes in (1, 8, 17, 64, 100):
            yield kind.case('codes_%d' % codes, rng.randint(0, 256, (4, codes)).astype(U8), ints([3, 0, 1, 3, 2, 2, 0]),
                            ints([3, 0, 4]), lines=normal(rng, 4, 2) * F(0.1), tolerance=CLOSE)
        yield kind.case('rank_3', rng.randint(0, 256, (5, 2, 3)).astype(U8), some, lengths, lines=lines)
        yield kind.case('rank_1', rng.randint(0, 256, 5).astype(U8), some, lengths, lines=lines)
        yield kind.case('refuses_lines_of_other_rows', data, some, lengths, lines=lines[:4])
        yield kind.case('refuses_three_columns_of_lines', data, some, lengths, lines=normal(rng, 5, 3))
        yield kind.case('refuses_vector_of_lines', data, some, lengths, lines=normal(rng, 10))
        yield kind.case('refuses_float16_lines', data, some, lengths, lines=lines.astype(H))
        yield kind.case('refuses_float', data.astype(F), some, lengths, lines=lines)
        yield kind.case('refuses_no_rows', data[:0], some, lengths, lines=lines[:0])
        if kind.weights:
            yield kind.case('too_many_weights', data, some, lengths, weight=ramp(4), lines=lines,
                            options=dict(diverges=UNREAD, ours='refused'))
        yield 'refuses_three_inputs', op(kind.name, ['D', 'I', 'L'], ['Y']), {'D': data, 'I': some, 'L': lengths}


def by_place(op, rng):
    kind = Kind(op, 'SparseLengthsPositionalWeightedSum', 'by place')
    data, some, lengths = ramp(5, 3), ints([0, 1, 4]), ints(LENGTHS)
    weights = np.array([0.5, -1, 2, 3], F)
    yield from common_cases(kind, data)
    for dtype in (F, H):
        low = np.dtype(dtype).name
        yield kind.case(low, data.astype(dtype), ints([4, 0, 0, 3, 2, 4]), ints([4, 0, 2]), weight=weights)
        yield kind.case('width_33_' + low, normal(rng, 5, 33, dtype=dtype), ints([4, 0, 0, 3, 2]), ints([1, 4]), weight=weights)
    yield kind.case('rank_1', ramp(5), some, lengths, weight=weights)
    yield kind.case('rank_3', ramp(5, 2, 2), some, lengths, weight=weights)
    yield kind.case('more_weights_than_indices', data, some, lengths, weight=ramp(9))
    yield kind.case('fewer_weights_than_indices', data, some, lengths, weight=ramp(2))
    yield kind.case('lengths_of_no_indices', data, ints([]), lengths, weight=weights,
                    options=dict(diverges=HIDDEN, ours='refused'))
    yield kind.case('refuses_matrix_of_weights', data, some, lengths, weight=ramp(3, 1))
    yield kind.case('refuses_float16_weights', data, some, lengths, weight=ramp(3, dtype=H))
    yield kind.case('refuses_uint8', any_values(U8, 5, 3), some, lengths)
    yield kind.case('refuses_double', any_values(np.float64, 5, 3), some, lengths)
    yield 'refuses_three_inputs', op(kind.name, ['D', 'I', 'L'], ['Y']), {'D': data, 'I': some, 'L': lengths}


def cases(op, rng):
    yield from of_fused(op, rng)
    yield from of_separate(op, rng)
    yield from by_place(op, rng)
