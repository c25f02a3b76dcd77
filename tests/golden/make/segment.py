"""Sums over groups of rows: lengths, segment ids, and rows of embedding tables."""
import numpy as np
from common import ALL_TYPES, F, I32, I64, INF, MEANS, NAN, REFUSED_TYPES, SUMS, any_values, normal, ramp

NEGATIVE = 'Caffe2 skips a negative length where the others sum to the number of rows; we refuse it'
HIDDEN = 'Caffe2 takes any lengths where there are no indices; we check that they sum to 0'
LENGTHS = [2, 0, 1]


def ints(values, dtype=I32):
    return np.array(values, dtype)


def sparse(op, rng, kind):
    weighted = kind == 'SparseLengthsWeightedSum'
    tolerance = dict(tolerance=MEANS if kind == 'SparseLengthsMean' else SUMS)

    def case(name, data, indices, lengths, weight=None, options=None, **args):
        indices = np.asarray(indices)
        blobs, names = {'D': np.asarray(data)}, ['D']
        if weighted:
            names.append('W')
            blobs['W'] = ramp(indices.size) / F(2) if weight is None else np.asarray(weight)
        blobs.update(I=indices, L=np.asarray(lengths))
        return name, op(kind, names + ['I', 'L'], ['Y'], **args), blobs, dict(tolerance, **(options or {}))

    data = ramp(4, 3)
    some, lengths = ints([0, 1, 3]), ints(LENGTHS)
    for dtype in (I32, I64):
        low = np.dtype(dtype).name
        for kind_of_data in (F, np.float16):
            yield case('%s_%s' % (np.dtype(kind_of_data).name, low), data.astype(kind_of_data), some.astype(dtype), lengths)
        yield case('one_' + low, ramp(1, 1), ints([0], dtype), ints([1]))
        yield case('refuses_beyond_' + low, data, ints([0, 4, 1], dtype), lengths)
        yield case('refuses_negative_' + low, data, ints([0, -1, 1], dtype), lengths)
        yield case('refuses_smallest_' + low, data, ints([0, np.iinfo(dtype).min, 1], dtype), lengths)
    yield case('rank_1', ramp(4), some, lengths)
    yield case('rank_3', ramp(4, 3, 2), some, lengths)
    yield case('repeated_indices', data, ints([2, 2, 2, 2]), ints([1, 3]))
    for width in (15, 16, 17, 64, 100):
        yield case('width_%d' % width, normal(rng, 5, width), ints([4, 0, 1, 3, 2, 2, 0]), ints([3, 0, 4]))
    yield case('width_33_float16', normal(rng, 5, 33, dtype=np.float16), ints([4, 0, 1, 3, 2], I64), ints([3, 0, 2]))
    half = np.array([[0.0, -0.0, 6e-8, -6e-8, 65504, INF], [1, NAN, 6.1e-5, 1, 1, -INF]], np.float16)
    yield case('special_float16', half, ints([0, 1]), ints([1, 1]), weight=ramp(2) if weighted else None)
    yield case('nan', np.array([[1, NAN, INF], [2, 3, -INF]], F), ints([0, 1]), ints([2]))
    yield case('empty_indices', data, ints([]), ints([0, 0]))
    yield case('empty_indices_int64', data, ints([], I64), ints([0, 0]))
    yield case('empty_lengths', data, ints([]), ints([]))
    yield case('empty_table', data[:0], ints([]), ints([0, 0]))
    hidden = dict(diverges=HIDDEN, ours='refused')
    yield case('empty_indices_lengths', data, ints([]), lengths, options=hidden)
    yield case('empty_indices_negative_length', data, ints([]), ints([-1, 1]), options=hidden)
    yield case('negative_length', data, some, ints([-1, 3]), options=dict(diverges=NEGATIVE, ours='refused'))
    yield case('refuses_indices_of_empty_table', data[:0], some, lengths)
    yield case('refuses_too_short', data, some, ints([1, 1]))
    yield case('refuses_too_long', data, some, ints([2, 2]))
    yield case('refuses_negative_after', data, some, ints([4, -1]))
    yield case('refuses_no_lengths', data, some, ints([]))
    yield case('refuses_lengths_int64', data, some, ints(LENGTHS, I64))
    yield case('refuses_lengths_matrix', data, some, lengths[None])
    yield case('refuses_indices_matrix', data, some[None], lengths)
    yield case('refuses_indices_float', data, some.astype(F), lengths)
    for dtype in REFUSED_TYPES[1:]:
        yield case('refuses_' + np.dtype(dtype).name, any_values(dtype, 4, 3), some, lengths)
    if weighted:
        yield case('weights', normal(rng, 6, 20), ints([5, 0, 0, 3, 2, 4]), ints([4, 2]), weight=normal(rng, 6))
        yield case('weights_special', data, some, lengths, weight=np.array([0, INF, NAN], F))
        for value in (0, 1):
            yield case('grad_on_weights_%d' % value, data, some, lengths, grad_on_weights=value)
        yield case('refuses_too_few_weights', data, some, lengths, weight=ramp(2))
        yield case('refuses_too_many_weights', data, some, lengths, weight=ramp(4))
        yield case('refuses_matrix_of_weights', data, some, lengths, weight=ramp(3, 1))
        yield case('refuses_float16_weights', data, some, lengths, weight=ramp(3, dtype=np.float16))
        yield 'refuses_no_weights', op(kind, ['D', 'I', 'L'], ['Y']), {'D': data, 'I': some, 'L': lengths}
    else:
        yield 'refuses_four_inputs', op(kind, ['D', 'D', 'I', 'L'], ['Y']), {'D': data, 'I': some, 'L': lengths}
        yield 'refuses_in_place', op(kind, ['D', 'I', 'L'], ['D']), {'D': data, 'I': some, 'L': lengths}


def dense(op, rng, kind):
    tolerance = {} if kind == 'LengthsMax' else dict(tolerance=MEANS if kind == 'LengthsMean' else SUMS)

    def case(name, data, lengths, **options):
        blobs = {'D': np.asarray(data), 'L': np.asarray(lengths)}
        return name, op(kind, ['D', 'L'], ['Y']), blobs, dict(tolerance, **options)

    data = ramp(4, 3)
    yield case('rank_2', data, ints([2, 0, 2]))
    yield case('negative', -data, ints([1, 0, 3]))
    yield case('rank_1', ramp(4), ints([2, 0, 2]))
    yield case('rank_3', ramp(4, 2, 3), ints([3, 1]))
    yield case('one', ramp(1, 1), ints([1]))
    yield case('all', data, ints([4]))
    for width in (1, 15, 16, 17, 65):
        yield case('width_%d' % width, normal(rng, 7, width), ints([4, 0, 1, 2]))
    yield case('empty', data[:0], ints([]))
    yield case('empty_groups', data[:0], ints([0, 0]))
    yield case('empty_rows', data[:, :0], ints([2, 2]))
    yield case('nan_after', np.array([1, NAN], F), ints([2]))
    yield case('nan_before', np.array([NAN, 1], F), ints([2]))
    wide = normal(rng, 2, 9)
    wide[0, 0] = wide[1, 1] = wide[0, 8] = NAN
    yield case('nan_wide', wide, ints([2]))
    yield case('infinity', np.array([[-INF, INF], [-INF, 1], [-3.4028235e38, 2]], F), ints([1, 2]))
    yield case('negative_length', data, ints([-1, 4]), diverges=NEGATIVE, ours='refused')
    yield case('refuses_too_short', data, ints([2, 1]))
    yield case('refuses_too_long', data, ints([2, 3]))
    yield case('refuses_negative_after', data, ints([5, -1]))
    yield case('refuses_no_lengths', data, ints([]))
    yield case('refuses_lengths_of_no_rows', data[:0], ints([1]))
    yield case('refuses_lengths_int64', data, ints([2, 2], I64))
    yield case('refuses_lengths_matrix', data, ints([[2, 2]]))
    for dtype in REFUSED_TYPES:
        yield case('refuses_' + np.dtype(dtype).name, any_values(dtype, 4, 3), ints([2, 2]))
    yield 'refuses_in_place', op(kind, ['D', 'L'], ['D']), {'D': data, 'L': ints([2, 2])}


def segments(op, rng, kind):
    unsorted = kind == 'UnsortedSegmentSum'

    def case(name, data, ids, **args):
        blobs = {'D': np.asarray(data), 'S': np.asarray(ids)}
        return name, op(kind, ['D', 'S'], ['Y'], **args), blobs, dict(tolerance=SUMS)

    data, ids = ramp(4, 3), ints([0, 0, 1, 2])
    yield case('rank_2', data, ids)
    yield case('rank_1', ramp(4), ids)
    yield case('rank_3', ramp(4, 2, 3), ids)
    yield case('one', ramp(1, 1), ints([0]))
    yield case('one_segment', data, ints([0, 0, 0, 0]))
    yield case('segments_of_one', data, ints([0, 1, 2, 3]))
    for width in (1, 15, 17, 65):
        yield case('width_%d' % width, normal(rng, 7, width), ints([0, 0, 1, 1, 1, 2, 2]))
    yield case('empty', data[:0], ids[:0])
    yield case('empty_rows', data[:, :0], ids)
    yield case('nan', np.array([[1, NAN], [INF, 2], [-INF, 3]], F), ints([0, 0, 0]))
    refused = '' if unsorted else 'refuses_'
    yield case(refused + 'gap', data, ints([0, 0, 2, 2]))
    yield case(refused + 'start_at_1', data, ints([1, 1, 2, 2]))
    yield case(refused + 'any_order', data, ints([1, 0, 1, 0]))
    yield case(refused + 'downwards', data, ints([0, 1, 0, 1]))
    yield case('refuses_negative', data, ints([-1, 0, 1, 1]))
    yield case('refuses_too_few_ids', data, ids[:3])
    yield case('refuses_too_many_ids', data, ints([0, 0, 1, 1, 2]))
    yield case('refuses_no_ids', data, ids[:0])
    yield case('refuses_no_rows', data[:0], ids)
    yield case('refuses_ids_matrix', data, ids[None])
    yield case('refuses_ids_int64', data, ids.astype(I64))
    for dtype in REFUSED_TYPES[:4]:
        yield case('refuses_' + np.dtype(dtype).name, any_values(dtype, 4, 3), ids)
    if unsorted:
        for n in (-1, 3, 5):
            yield case('num_segments_%s' % ('minus_1' if n < 0 else n), data, ids, num_segments=n)
        yield case('num_segments_of_empty', data[:0], ids[:0], num_segments=2)
        yield case('num_segments_0_of_empty', data[:0], ids[:0], num_segments=0)
        yield case('refuses_num_segments_2', data, ids, num_segments=2)
        yield case('refuses_num_segments_0', data, ids, num_segments=0)
        yield case('refuses_num_segments_minus_2', data, ids, num_segments=-2)
    yield 'refuses_in_place', op(kind, ['D', 'S'], ['D']), {'D': data, 'S': ids}


def tiles(op):
    def case(name, data, lengths):
        return name, op('LengthsTile', ['D', 'L'], ['Y']), {'D': np.asarray(data), 'L': np.asarray(lengths)}

    for dtype in ALL_TYPES:
        yield case(np.dtype(dtype).name, any_values(dtype, 4, 3), ints([2, 0, 1, 3]))
    yield case('rank_1', ramp(3), ints([2, 0, 1]))
    yield case('rank_3', ramp(2, 2, 3), ints([1, 2]))
    yield case('one', ramp(1, 1), ints([1]))
    yield case('all_zero', ramp(3, 2), ints([0, 0, 0]))
    yield case('empty', ramp(3, 2)[:0], ints([]))
    yield case('empty_rows', ramp(3, 2)[:, :0], ints([2, 0, 1]))
    yield case('refuses_negative', ramp(3, 2), ints([2, -1, 1]))
    yield case('refuses_too_few', ramp(3, 2), ints([2, 1]))
    yield case('refuses_too_many', ramp(3, 2), ints([2, 1, 1, 1]))
    yield case('refuses_int64', ramp(3, 2), ints([2, 1, 1], I64))
    yield case('refuses_matrix', ramp(3, 2), ints([[2, 1, 1]]))
    yield 'refuses_in_place', op('LengthsTile', ['D', 'L'], ['D']), {'D': ramp(2), 'L': ints([1, 1])}


def cases(op, rng):
    for kind in ('SparseLengthsSum', 'SparseLengthsMean', 'SparseLengthsWeightedSum'):
        yield from sparse(op, rng, kind)
    for kind in ('LengthsSum', 'LengthsMean', 'LengthsMax'):
        yield from dense(op, rng, kind)
    for kind in ('SortedSegmentSum', 'UnsortedSegmentSum'):
        yield from segments(op, rng, kind)
    yield from tiles(op)
    # Groups of many rows; at the end, so that the random numbers above stay.
    lengths = ints([40, 0, 1, 17, 16])
    for kind in ('LengthsSum', 'LengthsMean', 'LengthsMax'):
        blobs = {'D': normal(rng, 74, 85), 'L': lengths}
        yield 'many_rows', op(kind, ['D', 'L'], ['Y']), blobs, dict(tolerance=SUMS)
    for kind in ('SparseLengthsSum', 'SparseLengthsMean', 'SparseLengthsWeightedSum'):
        for dtype in (F, np.float16):
            blobs = {'D': normal(rng, 30, 85, dtype=dtype), 'W': normal(rng, 74), 'I': rng.randint(0, 30, 74).astype(I32),
                     'L': lengths}
            names = [name for name in blobs if name != 'W' or kind == 'SparseLengthsWeightedSum']
            yield 'many_rows_' + np.dtype(dtype).name, op(kind, names, ['Y']), {n: blobs[n] for n in names}, dict(
                tolerance=SUMS)
    for kind in ('SortedSegmentSum', 'UnsortedSegmentSum'):
        blobs = {'D': normal(rng, 57, 85), 'S': ints([0] * 40 + [1] * 17)}
        yield 'many_rows', op(kind, ['D', 'S'], ['Y']), blobs, dict(tolerance=SUMS)
