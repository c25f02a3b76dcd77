"""Accuracy."""
import numpy as np
from common import F, I32, I64, NAN, ramp

SCORES = np.array([[.1, .7, .2], [.5, .3, .2], [.2, .2, .6], [.4, .4, .2]], F)


def labels(*values, dtype=I32):
    return np.array(values, dtype)


def cases(op, rng):
    def case(name, x, right, *options, **args):
        return (name, op('Accuracy', ['X', 'L'], ['Y'], **args), {'X': np.asarray(x), 'L': right}) + options

    yield case('all_right', SCORES, labels(1, 0, 2, 0))
    yield case('tie_goes_to_the_lower', SCORES, labels(1, 0, 2, 1))
    yield case('none_right', SCORES, labels(0, 1, 1, 2))
    for k in (2, 3, 4, 0, -1):
        yield case('top_%s' % str(k).replace('-', 'minus_'), SCORES, labels(2, 2, 1, 1), top_k=k)
    yield case('random', rng.randn(7, 11).astype(F), rng.randint(0, 11, 7).astype(I32), top_k=4)
    wide = np.stack([(np.arange(300) * step % 301).astype(F) for step in (1, 37, 100, 150)])
    for k in (1, 100, 201, 300):
        yield case('wide_top_%d' % k, wide, labels(199, 8, 130, 298), top_k=k)
    yield case('one_row', SCORES[:1], labels(1))
    yield case('one_class', ramp(3, 1), labels(0, 0, 0))
    yield case('no_rows', np.zeros((0, 3), F), labels())
    for name, row in (('first', [NAN, 1, 2]), ('middle', [1, NAN, 2]), ('last', [2, 1, NAN]), ('all', [NAN] * 3)):
        yield case('nan_' + name, np.array([row] * 3, F), labels(0, 1, 2))
    yield case('refuses_rank_1', ramp(2), labels(0, 1))
    yield case('refuses_rank_3', ramp(2, 2, 2), labels(0, 1))
    yield case('refuses_too_few_labels', SCORES, labels(1, 0, 2))
    yield case('refuses_labels_of_rank_2', SCORES, labels(1, 0, 2, 0).reshape(4, 1))
    yield case('refuses_int64_labels', SCORES, labels(1, 0, 2, 0, dtype=I64))
    yield case('refuses_float_labels', SCORES, labels(1, 0, 2, 0, dtype=F))
    yield case('refuses_float64', SCORES.astype(np.float64), labels(1, 0, 2, 0))
    yield case('refuses_float_top_k', SCORES, labels(1, 0, 2, 0), top_k=1.0)
    yield case('label_beyond_the_classes', SCORES, labels(3, 0, 2, 0), dict(
        diverges='Caffe2 reads the score beyond the row', ours='refused'))
    yield case('negative_label', SCORES, labels(1, -1, 2, 0), dict(
        diverges='Caffe2 reads the score before the row', ours='refused'))
    yield 'refuses_one_input', op('Accuracy', ['X'], ['Y']), {'X': SCORES}
    yield 'refuses_in_place', op('Accuracy', ['X', 'L'], ['X']), {'X': SCORES, 'L': labels(1, 0, 2, 0)}
