"""QuantDecode: values from a codebook."""
import numpy as np
from common import F, INF, NAN, any_values, ramp

BEYOND = 'Caffe2 reads beyond the codebook; we refuse'
CODES = (np.uint8, np.uint16, np.int32)


def cases(op, rng):
    def decode(name, codebook, *codes, **options):
        names = ['C%d' % i for i in range(len(codes))]
        blobs = dict(zip(names, map(np.asarray, codes)), B=np.asarray(codebook))
        outputs = ['Y%d' % i for i in range(len(codes))]
        return name, op('QuantDecode', ['B'] + names, outputs), blobs, options

    book = np.array([0.5, -0.0, NAN, INF, 1e-40, -3], F)
    for dtype in CODES:
        low = np.dtype(dtype).name
        yield decode(low, book, np.arange(6).astype(dtype))
        yield decode('rank_3_' + low, book, rng.randint(0, 6, (2, 3, 2)).astype(dtype))
        yield decode('scalar_' + low, book, np.array(3, dtype))
        yield decode('empty_' + low, book, np.zeros((2, 0), dtype))
    yield decode('every_byte', ramp(256), np.arange(256).astype(np.uint8))
    yield decode('many', ramp(300), rng.randint(0, 300, 500).astype(np.uint16))
    yield decode('several', book, np.arange(6).astype(np.uint8), np.array([[5], [0]], np.int32), np.array(2, np.uint16))
    yield decode('codebook_of_one', ramp(1), np.zeros(3, np.uint8))
    yield decode('codebook_matrix', ramp(2, 3), np.array([0, 5, 3], np.uint8))
    yield decode('codebook_scalar', np.array(7, F), np.zeros(2, np.uint8))
    yield decode('empty_codebook_no_codes', np.zeros(0, F), np.zeros(0, np.uint8))
    for dtype in (np.int8, np.int16, np.int64, np.float32, np.bool_):
        yield decode('refuses_' + np.dtype(dtype).name, book, any_values(dtype, 3))
    for dtype in (np.float16, np.float64, np.int32):
        yield decode('refuses_codebook_' + np.dtype(dtype).name, np.ones(3, dtype), np.zeros(2, np.uint8))
    codes = {'B': book, 'C': np.arange(6).astype(np.uint8)}
    yield 'refuses_one_output_too_few', op('QuantDecode', ['B', 'C', 'C'], ['Y']), codes
    yield 'refuses_one_output_too_many', op('QuantDecode', ['B', 'C'], ['Y', 'Z']), codes
    yield 'refuses_no_codes', op('QuantDecode', ['B'], []), codes, dict(fetch=['B'])
    yield 'refuses_in_place', op('QuantDecode', ['B', 'C'], ['C']), codes
