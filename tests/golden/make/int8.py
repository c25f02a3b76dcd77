"""8-bit tensors with scale and zero point: quantization, dequantization, fills."""
import numpy as np
from common import F, I32, INF, Int8, NAN, REFUSED_TYPES, any_values, normal, ramp, with_arg

U8 = np.uint8
SATURATES = 'Caffe2 makes what no 32-bit integer can hold the smallest one; ours saturates'
POSITIVE = 'Caffe2 divides by any scale; ours must be positive'
FINITE = 'Caffe2 chooses a scale that is no number; we refuse'
POWER = 'Caffe2 shifts a 32-bit integer out of its range; ours is the power of two'
ENGINES = ('DNNLOWP', 'DNNLOWP_ROWWISE')
WIDE = ('DNNLOWP_16', 'DNNLOWP_ROWWISE_16')


def ties(scale, zero_point):
    """Values halfway between codes, and their neighbours."""
    middle = ((np.arange(0, 255, 3) + 0.5 - zero_point) * scale).astype(F)
    return np.concatenate([middle, np.nextafter(middle, F(INF)), np.nextafter(middle, F(-INF))])


def quantize(op, rng):
    def case(name, x, engine='', options=None, kind='Int8Quantize', **args):
        return name, op(kind, ['X'], ['Y'], engine=engine, **args), {'X': np.asarray(x)}, options or {}

    for engine in ('',) + ENGINES:
        prefix = engine.lower() + '_' if engine else ''
        for scale, zero_point in ((1.0, 0), (0.5, 3), (0.0123, 128), (0.3, 255), (1e-3, -20), (7.0, 300)):
            x = np.concatenate([ties(scale, zero_point), normal(rng, 40) * F(scale * 100)])
            yield case('%sscale_%g_zero_%d' % (prefix, scale, zero_point), x, engine, Y_scale=scale, Y_zero_point=zero_point)
        yield case(prefix + 'no_zero_point', normal(rng, 5) * F(9), engine, Y_scale=0.25)
        yield case(prefix + 'no_scale', np.array([-1, 0.4, 3], F), engine)
        yield case(prefix + 'zero_point_alone', np.array([-1, 0.4, 3], F), engine, Y_zero_point=4)
        yield case(prefix + 'rank_3', normal(rng, 2, 3, 2), engine, Y_scale=0.1, Y_zero_point=100)
        yield case(prefix + 'scalar', np.array(2.5, F), engine, Y_scale=0.5)
        yield case(prefix + 'empty', np.zeros((0, 3), F), engine, Y_scale=0.5, Y_zero_point=9)
        yield case(prefix + 'nan', np.array([NAN, 1, -NAN] * 4, F), engine, Y_scale=0.5, Y_zero_point=10)
        for scale in (0.0, -0.5):
            yield case('%sscale_%g' % (prefix, scale), ramp(3), engine, dict(diverges=POSITIVE, ours='refused'), Y_scale=scale)
        for dtype in REFUSED_TYPES:
            yield case('refuses_%s%s' % (prefix, np.dtype(dtype).name), any_values(dtype, 3), engine)
    large = np.array([3e9, -3e9, INF, -INF, 1e30, -1e30], F)
    yield case('large', large, options=dict(diverges=SATURATES, ours={'Y': Int8(np.array([255, 0, 255, 0, 255, 0], U8), 1.0, 5)}),
               Y_scale=1.0, Y_zero_point=5)
    yield case('dnnlowp_large', large, 'DNNLOWP', Y_scale=1.0, Y_zero_point=5)
    yield case('large_zero_point', np.array([-2 ** 30, -2 ** 30 + 128, 0, 1], F), Y_scale=1.0, Y_zero_point=2 ** 30)
    yield case('refuses_scale_int', ramp(3), Y_scale=1)
    yield case('refuses_zero_point_float', ramp(3), Y_scale=0.5, Y_zero_point=1.0)
    second = {'X': ramp(3), 'P': ramp(2)}
    yield 'two_inputs', op('Int8Quantize', ['X', 'P'], ['Y'], Y_scale=0.5), second
    yield 'refuses_dnnlowp_two_inputs', op('Int8Quantize', ['X', 'P'], ['Y'], engine='DNNLOWP'), second
    yield 'refuses_three_inputs', op('Int8Quantize', ['X', 'X', 'X'], ['Y']), second
    yield 'refuses_in_place', op('Int8Quantize', ['X'], ['X']), {'X': ramp(3)}
    yield 'refuses_int8', op('Int8Quantize', ['X'], ['Y']), {'X': Int8(ramp(3, dtype=U8), 0.5, 3)}


RANGES = dict(both=[-1, 0.26, 3, 2.1, 1.9], above=[1, 2.5, 3], below=[-3, -1.2, -1], zeros=[0, 0], equal=[2, 2],
              small=[0, 1e-6, 3e-7], tiny=[0, 1e-40], about_zero=[-1e-7, 2e-7, 1e-8], large=[-3e38, 3e38, 1e38], one=[5],
              empty=[], uneven=[-7.1, 7.3, 0.2])


def choose(op, rng):
    def case(name, x, engine='DNNLOWP', options=None, **args):
        return name, op('Quantize', ['X'], ['Y'], engine=engine, **args), {'X': np.asarray(x, F)}, options or {}

    for engine in ENGINES:
        for name, x in RANGES.items():
            yield case('%s_%s' % (engine.lower(), name), x, engine)
        yield case(engine.lower() + '_many', normal(rng, 77) * F(3), engine)
        yield case(engine.lower() + '_scale', [-1, 0.26, 3, 300], engine, Y_scale=0.5, Y_zero_point=4)
    for name, x in RANGES.items():
        yield case('sparse_' + name, x, preserve_activation_sparsity=1)
        if name != 'large':
            yield case('power_' + name, x, force_scale_power_of_two=1)
    for i in range(6):
        x = normal(rng, 9) * F(10.0 ** rng.uniform(-20, 20)) + F(i % 3 - 1)
        yield case('random_%d' % i, x)
        yield case('sparse_random_%d' % i, x, preserve_activation_sparsity=1)
    for bits in (1, 2, 4, 7):
        yield case('bits_%d' % bits, RANGES['both'], activation_precision=bits)
        yield case('bits_%d_scale' % bits, RANGES['both'] + [NAN, INF, -INF], activation_precision=bits, Y_scale=0.1)
    yield case('nan_inside', [1, NAN, 2])
    yield case('nan_inside_of_many', np.where(np.arange(20) % 7 == 3, NAN, np.arange(20) - 4))
    yield case('infinite', [1, INF], options=dict(diverges=FINITE, ours='refused'))
    wide = 'more bits than the codes have are cut off by Caffe2; we refuse'
    yield case('bits_12', RANGES['both'], options=dict(diverges=wide, ours='refused'), activation_precision=12)
    scale = 'Caffe2 takes a scale in another field for none; we report it'
    yield case('scale_int', RANGES['both'], options=dict(diverges=scale, ours='refused'), Y_scale=1)
    yield case('power_negative', [-1e-7, 0], options=dict(
        diverges=POWER, ours={'Y': Int8(np.array([0, 215], U8), 2.0 ** -31, 215)}), force_scale_power_of_two=1)
    yield case('other_arguments', RANGES['both'], activation_quantization_kind='L2_MIN_QUANTIZATION', followed_by='Relu')
    for dtype in REFUSED_TYPES:
        yield 'refuses_' + np.dtype(dtype).name, op('Quantize', ['X'], ['Y'], engine='DNNLOWP'), {'X': any_values(dtype, 3)}
    yield 'refuses_no_engine', op('Quantize', ['X'], ['Y']), {'X': ramp(3)}
    yield 'refuses_two_inputs', op('Quantize', ['X', 'P'], ['Y'], engine='DNNLOWP'), {'X': ramp(3), 'P': ramp(2)}
    yield 'refuses_in_place', op('Quantize', ['X'], ['X'], engine='DNNLOWP'), {'X': ramp(3)}


def dequantize(op, rng):
    def case(name, x, engine='', kind='Int8Dequantize', **options):
        return name, op(kind, ['X'], ['Y'], engine=engine), {'X': x}, options

    def codes(*shape):
        return rng.randint(0, 256, shape).astype(U8)

    for kind, engines in (('Int8Dequantize', ('',) + ENGINES), ('Dequantize', ENGINES)):
        for engine in engines:
            prefix = engine.lower() + '_' if engine else ''
            for scale, zero_point in ((1.0, 0), (0.0123, 128), (-0.3, 7), (1e-40, 3), (3e38, 0)):
                name = '%sscale_%g_zero_%d' % (prefix, scale, zero_point)
                yield case(name, Int8(np.arange(256).astype(U8), scale, zero_point), engine, kind)
            yield case(prefix + 'large_zero_point', Int8(codes(5), 0.5, 2 ** 24 + 1), engine, kind)
            yield case(prefix + 'rank_3', Int8(codes(2, 3, 2), 0.5, 3), engine, kind)
            yield case(prefix + 'scalar', Int8(codes(), 0.5, 3), engine, kind)
            yield case(prefix + 'empty', Int8(codes(0, 3), 0.5, 3), engine, kind)
            yield case('refuses_%sint32' % prefix, Int8(np.array([1, 2], I32), 0.5, 3), engine, kind)
            yield case('refuses_%stensor' % prefix, codes(3), engine, kind)
    yield case('refuses_no_engine', Int8(codes(3), 0.5, 3), kind='Dequantize')
    yield 'refuses_two_inputs', op('Int8Dequantize', ['X', 'X'], ['Y']), {'X': Int8(codes(3), 0.5, 3)}
    yield 'refuses_in_place', op('Int8Dequantize', ['X'], ['X']), {'X': Int8(codes(3), 0.5, 3)}
    # Codes of 16 bits have no form in files: there and back.
    for engine in WIDE:
        for name, args in (('bytes', {}), ('wide', dict(activation_precision=16)), ('scale', dict(Y_scale=0.01, Y_zero_point=7)),
                           ('sparse', dict(activation_precision=12, preserve_activation_sparsity=1)),
                           ('power', dict(activation_precision=16, force_scale_power_of_two=1))):
            x = np.concatenate([normal(rng, 30) * F(3), [0]]).astype(F)
            if name == 'scale':
                x = np.concatenate([x, [NAN, INF, -INF]]).astype(F)
            there = op('Quantize', ['X'], ['Q'], engine=engine, **args)
            yield engine.lower() + '_' + name, [there, op('Dequantize', ['Q'], ['Y'], engine=engine)], {'X': x}
    there = op('Quantize', ['X'], ['Q'], engine='DNNLOWP_16')
    for kind, engine in (('Dequantize', 'DNNLOWP'), ('Int8Dequantize', '')):
        yield 'refuses_codes_of_16_bits', [there, op(kind, ['Q'], ['Y'], engine=engine)], {'X': ramp(3)}
    there = op('Quantize', ['X'], ['Q'], engine='DNNLOWP')
    yield 'refuses_codes_of_8_bits', [there, op('Dequantize', ['Q'], ['Y'], engine='DNNLOWP_16')], {'X': ramp(3)}


def fills(op):
    def case(kind, name, options=None, **args):
        return name, op(kind, [], ['Y'], **args), {}, options or {}

    kind = 'Int8GivenTensorFill'
    yield case(kind, 'bytes', values=b'\x00\x7f\x80\xff', shape=[2, 2], Y_scale=0.5, Y_zero_point=3)
    yield case(kind, 'defaults', values=b'ab', shape=[2])
    yield case(kind, 'no_shape', values=b'a')
    yield case(kind, 'empty', values=b'', shape=[0, 3])
    yield case(kind, 'negative_scale', values=b'a', shape=[1], Y_scale=-2.0, Y_zero_point=-7)
    longer = 'Caffe2 leaves out the bytes that the shape has no place for; we refuse'
    yield case(kind, 'longer_than_shape', dict(diverges=longer, ours='refused'), values=b'abc', shape=[2])
    yield case(kind, 'refuses_list', values=[b'ab', b'cd'], shape=[2])
    yield case(kind, 'refuses_scale_int', values=b'a', shape=[1], Y_scale=1)
    yield case(kind, 'refuses_negative_dimension', values=b'a', shape=[-1])
    yield 'refuses_input', op(kind, ['X'], ['Y'], values=b'a', shape=[1]), {'X': ramp(1)}
    kind = 'Int8GivenIntTensorFill'
    yield case(kind, 'ints', values=[-70000, 3, 2 ** 31 - 1, -2 ** 31], shape=[2, 2], Y_scale=0.25, Y_zero_point=1)
    yield case(kind, 'defaults', values=[5, 6], shape=[2])
    yield case(kind, 'no_shape', values=[5])
    longer = 'Caffe2 leaves out the values that the shape has no place for; we refuse'
    yield case(kind, 'longer_than_shape', dict(diverges=longer, ours='refused'), values=[1, 2, 3], shape=[2])
    yield case(kind, 'refuses_beyond_int32', values=[2 ** 31], shape=[1])
    yield case(kind, 'refuses_zero_point_float', values=[1], shape=[1], Y_zero_point=0.5)


def cases(op, rng):
    yield from quantize(op, rng)
    yield from choose(op, rng)
    yield from dequantize(op, rng)
    yield from fills(op)
    # A float net around 8-bit tensors that fills made.
    fill = op('Int8GivenTensorFill', [], ['Q'], values=b'\x00\x10\xff', shape=[3], Y_scale=0.1, Y_zero_point=16)
    yield 'of_a_fill', [fill, op('Int8Dequantize', ['Q'], ['Y'])], {}
