"""FC."""
import numpy as np
from common import F, INF, NAN, SUMS, normal, ramp


def cases(op, rng):
    def fc(name, x, w, b, outputs=('Y',), **args):
        x, w, b = (normal(rng, *v) if isinstance(v, tuple) else np.asarray(v) for v in (x, w, b))
        return name, op('FC', ['X', 'W', 'b'], list(outputs), **args), {'X': x, 'W': w, 'b': b}, dict(tolerance=SUMS)

    for m, k, n in ((1, 1, 1), (1, 3, 4), (2, 3, 4), (3, 1, 5), (5, 7, 1), (1, 64, 10), (4, 33, 17), (17, 16, 8),
                    (2, 100, 40)):
        yield fc('batch_%d_in_%d_out_%d' % (m, k, n), (m, k), (n, k), (n,))
    yield fc('image_input', (2, 3, 2, 2), (4, 12), (4,))
    yield fc('image_weight', (2, 12), (4, 3, 2, 2), (4,))
    yield fc('image_both', (2, 3, 1, 1), (4, 3, 1, 1), (4,))
    yield fc('axis_2', (2, 3, 4), (5, 4), (5,), axis=2)
    yield fc('axis_2_of_rank_4', (2, 3, 4, 2), (5, 8), (5,), axis=2)
    yield fc('axis_0', (2, 3), (5, 6), (5,), axis=0)
    yield fc('axis_0_of_rank_1', (4,), (5, 4), (5,), axis=0)
    yield fc('axis_minus_1', (2, 3, 4), (5, 4), (5,), axis=-1)
    yield fc('axis_minus_2', (2, 3, 4), (5, 12), (5,), axis=-2)
    yield fc('axis_w_2', (2, 3), (2, 2, 3), (4,), axis_w=2)
    yield fc('axis_w_0', (2, 12), (4, 3), (1,), axis_w=0)
    yield fc('axis_w_0_of_rank_1', (2, 3), (3,), (1,), axis_w=0)
    yield fc('axis_w_minus_1', (2, 3), (4, 3), (4,), axis_w=-1)
    yield fc('float16_compute', (2, 3), (4, 3), (4,), float16_compute=1)
    yield fc('arguments_of_others', (2, 3), (4, 3), (4,), order='NCHW', use_cudnn=1, cudnn_exhaustive_search=0)
    yield fc('empty_batch', (0, 3), (4, 3), (4,))
    yield fc('empty_batch_axis_2', (0, 3, 4), (5, 4), (5,), axis=2)
    yield fc('empty_inner_axis_2', (2, 0, 4), (5, 4), (5,), axis=2)
    yield fc('zero_weight', (2, 3), np.zeros((4, 3), F), (4,))
    yield fc('nan', np.array([[NAN, 1], [2, 3]], F), ramp(2, 2), ramp(2))
    yield fc('zero_times_infinity', np.array([[0, 1]], F), np.array([[INF, 1], [1, INF]], F), ramp(2))
    yield fc('infinite_bias', ramp(2, 2), ramp(2, 2), np.array([INF, NAN], F))

    x, w, b = ramp(2, 3), ramp(4, 3), ramp(4)
    yield fc('refuses_rank_1', ramp(3), w, b)
    yield fc('refuses_scalar', F(1), w, b)
    yield fc('refuses_axis_2_of_rank_2', x, w, b, axis=2)
    yield fc('refuses_axis_minus_3_of_rank_2', x, w, b, axis=-3)
    yield fc('refuses_axis_w_2_of_rank_2', x, w, b, axis_w=2)
    yield fc('refuses_weight_of_rank_1', x, ramp(3), ramp(1))
    yield fc('refuses_other_inner_size', x, ramp(4, 2), b)
    yield fc('refuses_transposed_weight', x, ramp(3, 4), b)
    yield fc('refuses_short_bias', x, w, ramp(3))
    yield fc('refuses_bias_of_rank_2', x, w, ramp(1, 4))
    yield fc('refuses_bias_of_rank_0', x, ramp(1, 3), F(1))
    yield fc('refuses_empty_batch_other_inner_size', np.zeros((0, 3), F), ramp(4, 2), b)
    yield fc('refuses_empty_batch_short_bias', np.zeros((0, 3), F), w, ramp(5))
    yield fc('refuses_float64_input', x.astype(np.float64), w, b)
    yield fc('refuses_float64_weight', x, w.astype(np.float64), b)
    yield fc('refuses_float64_bias', x, w, b.astype(np.float64))
    yield fc('refuses_int32_input', x.astype(np.int32), w, b)
    yield fc('refuses_uint8_weight', x, w.astype(np.uint8), b)
    yield fc('refuses_float_axis', x, w, b, axis=1.0)
    yield fc('refuses_axis_beyond_int32', x, w, b, axis=2 ** 33)
    yield fc('refuses_in_place', ramp(2, 2), ramp(2, 2), ramp(2), outputs=['X'])
    yield 'refuses_no_bias', op('FC', ['X', 'W'], ['Y']), {'X': x, 'W': w}
    yield 'refuses_missing_weight', op('FC', ['X', 'absent', 'b'], ['Y']), {'X': x, 'b': b}
