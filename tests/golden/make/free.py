"""Free: what it does not free stays."""
from common import ramp, strings


def cases(op, rng):
    x, z = ramp(2, 3), ramp(4)
    yield 'one', op('Free', ['X'], ['X']), {'X': x, 'Z': z}, dict(fetch=['Z'])
    yield 'several', op('Free', ['X', 'S'], ['X', 'S']), {'X': x, 'S': strings(b'a'), 'Z': z}, dict(fetch=['Z'])
    yield 'empty', op('Free', ['X'], ['X']), {'X': ramp(0), 'Z': z}, dict(fetch=['Z'])
    yield 'twice', [op('Free', ['X'], ['X']), op('Free', ['X'], ['X'])], {'X': x, 'Z': z}, dict(fetch=['Z'])
    yield 'a_copy_stays', [op('Copy', ['X'], ['Y']), op('Free', ['X'], ['X'])], {'X': x}, dict(fetch=['Y'])
    yield 'refuses_other_blob', op('Free', ['X'], ['Y']), {'X': x}
    yield 'refuses_other_order', op('Free', ['X', 'Z'], ['Z', 'X']), {'X': x, 'Z': z}
    yield 'refuses_fewer_outputs', op('Free', ['X', 'Z'], ['X']), {'X': x, 'Z': z}
    yield 'refuses_more_outputs', op('Free', ['X'], ['X', 'Z']), {'X': x, 'Z': z}
    yield 'refuses_nothing', op('Free', [], []), {'X': x}
    yield 'refuses_missing', op('Free', ['nowhere'], ['nowhere']), {'X': x}
