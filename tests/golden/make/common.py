"""What several families share: tolerances, arrays, and arguments that Caffe2's own builder cannot write."""
import collections
import copy

import numpy as np
from caffe2.proto import caffe2_pb2

F = np.float32
I32 = np.int32
I64 = np.int64
INF = np.inf
NAN = np.nan

# Sums of products, in any order of summation, over values of about one.
SUMS = dict(rtol=1e-5, atol=1e-5)
# Functions built on exp.
EXPS = dict(rtol=1e-5, atol=1e-7)
# Means of few values.
MEANS = dict(rtol=1e-6, atol=1e-6)

# Every element type that a blob can be fed with.
ALL_TYPES = (np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.bool_)
# Types to try where an operator takes none of them, or only some: one of each kind.
REFUSED_TYPES = (np.float16, np.float64, np.int32, np.uint8, np.bool_)
NUMERIC = (np.float32, np.float64, np.int32, np.int64)

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e-40, -1e-40, 1.1754944e-38, -1.4e-45,
                    3.4028235e38, -3.4028235e38, 0.1, -0.3], F)


def strings(*values):
    """A tensor of strings (bytes)."""
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def ramp(*shape, dtype=F, start=1):
    """start, start+1, … in the given shape."""
    return np.arange(start, start + int(np.prod(shape))).astype(dtype).reshape(shape)


def normal(rng, *shape, dtype=F):
    return np.asarray(rng.randn(*shape), dtype)


def any_values(dtype, *shape):
    """Values that tell the elements apart and reach the ends of the type."""
    n = int(np.prod(shape))
    v = np.arange(n).astype(dtype)
    if n and np.issubdtype(dtype, np.integer):
        v[0], v[-1] = np.iinfo(dtype).min, np.iinfo(dtype).max
    elif n and np.issubdtype(dtype, np.floating):
        v[0], v[-1] = -0.0, NAN
    elif n:
        v = np.arange(n) % 3 == 0
    return v.reshape(shape)


def with_arg(operator, name, **fields):
    """A copy of `operator` with one more Argument, written as it is: fields f, i, s, floats, ints, strings."""
    out = copy.deepcopy(operator)
    a = out.arg.add(name=name)
    for key, value in fields.items():
        if isinstance(value, list):
            getattr(a, key).extend(value)
        else:
            setattr(a, key, value)
    return out


# An 8-bit tensor (Int8TensorCPU) to feed, or as what this project computes: values of uint8 or int32.
Int8 = collections.namedtuple('Int8', 'values scale zero_point')

WRONG_FIELD = 'Caffe2 reads a repeated argument given in another field as an empty list; we report it'

DATA_TYPE = dict(caffe2_pb2.TensorProto.DataType.items())
