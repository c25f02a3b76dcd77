"""MatMul, BatchMatMul, FCTransposed."""
import numpy as np
from common import F, I32, INF, NAN, SUMS, normal, ramp


def cases(op, rng):
    def product(kind):
        def case(name, a, b, *more, **args):
            values = [normal(rng, *v) if isinstance(v, tuple) else np.asarray(v) for v in (a, b) + more]
            names = ['A', 'B', 'C'][:len(values)]
            return name, op(kind, names, ['Y'], **args), dict(zip(names, values)), dict(tolerance=SUMS)
        return case

    case = product('MatMul')
    for m, k, n in ((1, 1, 1), (2, 3, 4), (5, 1, 2), (1, 40, 3), (17, 33, 9)):
        yield case('size_%d_%d_%d' % (m, k, n), (m, k), (k, n))
    yield case('trans_a', (3, 2), (3, 4), trans_a=1)
    yield case('trans_b', (2, 3), (4, 3), trans_b=1)
    yield case('trans_both', (3, 2), (4, 3), trans_a=1, trans_b=1)
    yield case('trans_2', (3, 2), (3, 4), trans_a=2)
    yield case('axis_a_2', (2, 3, 4), (4, 2), axis_a=2)
    yield case('axis_a_0', (6,), (6, 2), axis_a=0)
    yield case('axis_a_minus_1', (2, 3, 4), (4, 2), axis_a=-1)
    yield case('axis_b_2', (2, 6), (2, 3, 4), axis_b=2)
    yield case('axis_b_0_trans_b', (2, 6), (2, 3), axis_b=0, trans_b=1)
    yield case('rank_4', (2, 3, 2, 2), (12, 2, 2))
    yield case('third_input', (2, 3), (3, 2), ramp(2, 1, 2))
    yield case('third_input_vector', (2, 3), (3, 2), ramp(4))
    yield case('third_input_int32', (2, 3), (3, 2), ramp(1, 4, dtype=I32))
    yield case('empty_rows', (0, 3), (3, 2))
    yield case('empty_columns', (2, 3), (3, 0))
    yield case('empty_inner', (2, 0), (0, 3))
    yield case('nan_and_infinity', np.array([[NAN, 1], [INF, 3]], F), ramp(2, 2))
    yield case('refuses_inner', (2, 3), (4, 2))
    yield case('refuses_vector', (3,), (3, 2))
    yield case('refuses_axis_a_2', (2, 3), (3, 2), axis_a=2)
    yield case('refuses_axis_b_minus_3', (2, 3), (3, 2), axis_b=-3)
    yield case('refuses_third_of_other_size', (2, 3), (3, 2), ramp(5))
    yield case('refuses_trans_a_inner', (2, 3), (3, 2), trans_a=1)
    yield case('refuses_float64', ramp(2, 2, dtype=np.float64), ramp(2, 2, dtype=np.float64))
    yield case('refuses_int32_b', ramp(2, 2), ramp(2, 2, dtype=I32))
    yield 'refuses_one_input', op('MatMul', ['A'], ['Y']), {'A': ramp(2, 2)}
    yield 'refuses_in_place', op('MatMul', ['A', 'B'], ['A']), {'A': ramp(2, 2), 'B': ramp(2, 2)}

    case = product('BatchMatMul')
    for name, a, b in (('matrices', (2, 3), (3, 4)), ('batch', (2, 2, 3), (2, 3, 2)), ('batch_of_one', (1, 2, 3), (1, 3, 2)),
                       ('rank_4', (2, 3, 2, 2), (2, 3, 2, 4)), ('vectors', (3,), (3,)), ('vector_matrix', (3,), (3, 2)),
                       ('matrix_vector', (2, 3), (3,)), ('vector_batch', (3,), (2, 3, 2)),
                       ('batch_vector', (2, 2, 3), (3,)), ('empty_batch', (0, 2, 3), (0, 3, 2)),
                       ('empty_rows', (2, 0, 3), (2, 3, 2)), ('empty_inner', (2, 2, 0), (2, 0, 2)),
                       ('empty_vectors', (0,), (0,)), ('large', (3, 9, 33), (3, 33, 17))):
        yield case(name, a, b)
        yield case(name + '_broadcast', a, b, broadcast=1)
    yield case('trans_a', (2, 3, 2), (2, 3, 4), trans_a=1)
    yield case('trans_b', (2, 2, 3), (2, 4, 3), trans_b=1)
    yield case('trans_both', (3, 2), (4, 3), trans_a=1, trans_b=1)
    yield case('trans_2', (3, 2), (3, 4), trans_a=2)
    yield case('trans_a_of_vector', (3,), (3, 2), trans_a=1)
    yield case('trans_b_of_vector', (2, 3), (3,), trans_b=1)
    yield case('trans_b_after_vector', (3,), (2, 3), trans_b=1)
    for a, b in (((2, 3), (4, 3, 2)), ((4, 2, 3), (3, 2)), ((5, 4, 2, 3), (4, 3, 2)), ((4, 2, 3), (5, 4, 3, 2)),
                 ((1, 2, 3), (4, 3, 2)), ((4, 1, 2, 3), (1, 5, 3, 2)), ((2, 1, 2, 3), (2, 3, 2))):
        yield case('broadcast_%s_%s' % ('x'.join(map(str, a)), 'x'.join(map(str, b))), a, b, broadcast=1)
    yield case('refuses_inner', (2, 3), (2, 3))
    yield case('refuses_vectors_of_other_sizes', (2,), (3,))
    yield case('refuses_missing_batch', (2, 2, 3), (3, 2))
    yield case('refuses_other_batch', (2, 2, 3), (3, 3, 2))
    yield case('refuses_batch_of_one', (1, 2, 3), (2, 3, 2))
    yield case('refuses_broadcast_other_batch', (2, 2, 3), (3, 3, 2), broadcast=1)
    yield case('refuses_float64', ramp(2, 2, dtype=np.float64), ramp(2, 2, dtype=np.float64))
    yield case('refuses_int32', ramp(2, 2, dtype=I32), ramp(2, 2, dtype=I32))
    yield 'refuses_in_place', op('BatchMatMul', ['A', 'B'], ['A']), {'A': ramp(2, 2), 'B': ramp(2, 2)}

    case = product('FCTransposed')
    for m, k, n in ((1, 1, 1), (2, 3, 4), (5, 7, 1), (1, 64, 10), (17, 16, 8)):
        yield case('batch_%d_in_%d_out_%d' % (m, k, n), (m, k), (k, n), (n,))
    yield case('image_input', (2, 3, 2, 2), (12, 4), (4,))
    yield case('axis_2', (2, 3, 4), (4, 5), (5,), axis=2)
    yield case('axis_minus_1', (2, 3, 4), (4, 5), (5,), axis=-1)
    yield case('axis_w_2', (2, 6), (2, 3, 4), (4,), axis_w=2)
    yield case('axis_w_minus_1', (2, 3), (3, 4), (4,), axis_w=-1)
    yield case('empty_batch', (0, 3), (3, 4), (4,))
    yield case('refuses_not_transposed', (2, 3), (4, 3), (4,))
    yield case('refuses_short_bias', (2, 3), (3, 4), (3,))
    yield case('refuses_float64_weight', (2, 3), ramp(3, 4, dtype=np.float64), (4,))
    yield case('refuses_vector', (3,), (3, 4), (4,))

    # At the end, so that the random numbers above stay.
    case = product('BatchMatMul')
    yield case('trans_a_square_and_vector', (2, 2), (2,), trans_a=1)
    yield case('use_scratch', (2, 3), (3, 2), use_scratch=1)
    yield case('broadcast_2', (2, 3), (3, 2), broadcast=2)
    yield case('broadcast_trans_a_one_b', (5, 3, 2), (3, 4), trans_a=1, broadcast=1)
    yield case('broadcast_trans_b_one_b', (5, 2, 3), (4, 3), trans_b=1, broadcast=1)
    yield case('broadcast_trans_b_one_a', (2, 3), (5, 4, 3), trans_b=1, broadcast=1)
    yield case('broadcast_one_b_of_rank_4', (5, 2, 4, 3), (1, 1, 3, 4), broadcast=1)
    yield case('broadcast_many_vectors', (40, 1, 7), (7, 9), broadcast=1)
    yield case('many_small', (300, 3, 5), (300, 5, 4))
    yield case('broadcast_empty_batch_and_one', (0, 2, 3), (1, 3, 2), broadcast=1)
    yield case('broadcast_empty_batch_and_two', (0, 2, 3), (2, 3, 2), broadcast=1)[:3] + (dict(
        tolerance=SUMS, diverges='a batch of 0 and one of 2 do not fit together', ours='refused'),)
    case = product('MatMul')
    yield case('third_input_empty', (0, 3), (3, 2), ramp(0, 7))
    yield case('axis_beyond_both_ends', (2, 3, 4), (12, 5), axis_a=-2)
