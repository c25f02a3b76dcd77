"""If, While, Do, CreateScope: operators that run nets."""
import numpy as np
from caffe2.proto import caffe2_pb2
from common import F, I32, ramp

X = np.array([1, -2], F)


def net(*ops, external=(), name='inner'):
    out = caffe2_pb2.NetDef(name=name, external_input=external)
    out.op.extend(ops)
    return out


def ifs(op):
    copy, negate = net(op('Copy', ['x'], ['y'])), net(op('Negative', ['x'], ['y']))
    both = dict(then_net=copy, else_net=negate)
    for name, c in (('true', True), ('false', False)):
        c = np.array(c)
        yield name, op('If', ['c', 'x'], ['y'], **both), {'c': c, 'x': X}
        yield name + '_undeclared', op('If', ['c'], [], **both), {'c': c, 'x': X}, dict(fetch=['y'])
        yield name + '_no_else', op('If', ['c', 'x'], ['x'], then_net=net(op('Negative', ['x'], ['x']))), {
            'c': c, 'x': X}
        yield name + '_of_rank_2', op('If', ['c', 'x'], ['y'], **both), {'c': c.reshape(1, 1), 'x': X}
        inner = op('If', ['d', 'x'], ['y'], **both)
        yield name + '_nested', op('If', ['c', 'd', 'x'], ['y'], then_net=net(inner), else_net=net(inner, inner)), {
            'c': c, 'd': ~c, 'x': X}
        yield name + '_then_used', [op('If', ['c', 'x'], ['y'], **both), op('Add', ['x', 'y'], ['z'])], {'c': c, 'x': X}
    yield 'empty_net', op('If', ['c', 'x'], ['x'], then_net=net()), {'c': np.array(True), 'x': X}

    def refused(name, c=np.array(True), x=X, outputs=('y',), **args):
        return 'refuses_' + name, op('If', ['c'], list(outputs), **args), {'c': c, 'x': x}

    yield refused('two_conditions', np.array([True, True]), **both)
    yield refused('no_condition', np.zeros(0, bool), **both)
    yield refused('int_condition', np.array(1, I32), **both)
    yield refused('no_then', else_net=copy)
    yield refused('then_string', then_net='copy')
    yield refused('missing_blob', then_net=net(op('Copy', ['nowhere'], ['y'])))
    yield refused('undeclared_blob', then_net=net(op('Copy', ['x'], ['y']), external=['c']))
    yield refused('failing_net', then_net=net(op('Reshape', ['x'], ['y', 'old'], shape=[3])))
    yield 'refuses_no_input', op('If', [], [], then_net=copy), {'x': X}


def whiles(op):
    def feeds(i, **more):
        numbers = dict(i=i, n=5, one=1, s=0)
        return {**{k: np.array([v], F) for k, v in numbers.items()}, 'c': np.array([False]), **more}

    less = op('LT', ['i', 'n'], ['c'])
    step = [op('Add', ['i', 'one'], ['i']), op('Add', ['s', 'i'], ['s'])]
    args = dict(loop_net=net(*step), cond_net=net(less))
    for i in (0, 4, 5, 9):
        yield 'from_%d' % i, op('While', ['c', 'i', 's'], ['i', 's', 'c'], **args), feeds(i)
    yield 'undeclared', op('While', ['c'], [], **args), feeds(2), dict(fetch=['i', 's', 'c'])
    for c in (True, False):
        yield 'no_cond_net_%s' % c, op('While', ['c'], ['i', 's', 'c'], loop_net=net(*step, less)), feeds(
            1, c=np.array([c]))
    inner = op('While', ['d'], ['i', 's'], loop_net=net(*step), cond_net=net(op('LT', ['i', 'm'], ['d'])))
    yield 'nested', op('While', ['c', 'd'], ['i', 's', 'm'], loop_net=net(inner, op('Add', ['m', 'one'], ['m'])),
                       cond_net=net(op('LT', ['m', 'n'], ['c']))), feeds(0, m=np.array([2], F), d=np.array([True]))
    first = net(op('Add', ['i', 'one'], ['i']), op('LT', ['i', 'n'], ['d']),
                op('If', ['d'], [], then_net=net(op('Add', ['s', 'i'], ['s'])), else_net=net(op('Copy', ['n'], ['e']))))
    yield 'with_if', op('While', ['c'], ['i', 's', 'c', 'e'], loop_net=first, cond_net=net(less)), feeds(0)
    yield 'refuses_no_loop', op('While', ['c'], ['c'], cond_net=net(less)), feeds(0)
    yield 'refuses_two_conditions', op('While', ['c'], ['c'], loop_net=net()), feeds(0, c=np.array([True, True]))
    yield 'refuses_float_condition', op('While', ['c'], ['c'], loop_net=net()), feeds(0, c=np.ones(1, F))
    yield 'refuses_failing_loop', op('While', ['c'], ['y'], loop_net=net(
        op('Reshape', ['i'], ['y', 'old'], shape=[3])), cond_net=net(less)), feeds(0)
    yield 'refuses_failing_condition', op('While', ['c'], ['c'], loop_net=net(*step), cond_net=net(
        op('LT', ['i', 'wide'], ['c']))), feeds(0, wide=ramp(3).astype(np.int32))


def dos(op):
    scope = op('CreateScope', [], ['scope'])
    inner = net(op('Copy', ['a'], ['t']), op('Negative', ['t'], ['b']))

    def case(name, inputs, outputs, inner_blobs, indices, net=inner, **args):
        do = op('Do', inputs + ['scope'], outputs + ['scope'], net=net, inner_blobs=inner_blobs,
                outer_blobs_idx=indices, **args)
        fetch = [o for o in outputs] or ['x']
        return name, [scope, do], {'x': X, 'z': X + 1}, dict(fetch=fetch)

    yield case('plain', ['x'], ['y'], ['a', 'b'], [0, 1])
    yield case('other_order', ['x'], ['y'], ['b', 'a'], [1, 0])
    for name in ('reuse_workspace', 'copy_external_blobs'):
        yield case(name, ['x'], ['y'], ['a', 'b'], [0, 1], **{name: True})
    yield case('saved_fwd_blobs', ['x'], ['y'], ['a', 'b'], [0, 1], saved_fwd_blobs=['t'])
    negate = net(op('Negative', ['a'], ['a']))
    yield case('in_place', ['x'], ['x'], ['a'], [0], negate)
    yield case('in_place_by_output', ['x'], ['x'], ['a'], [1], negate)
    yield case('writes_input', ['x'], [], ['a'], [0], negate)
    yield case('names_swapped', ['x', 'z'], ['y'], ['z', 'x', 'q'], [0, 1, 2], net(op('Sub', ['x', 'z'], ['q'])))
    yield case('nothing', [], [], [], [], net())
    nested = op('If', ['a_low'], [], then_net=net(op('Negative', ['a'], ['b'])), else_net=net(op('Copy', ['a'], ['b'])))
    yield case('with_if', ['x', 'z'], ['y'], ['a', 'z', 'b'], [0, 1, 2], net(
        op('SumElements', ['a'], ['sa']), op('SumElements', ['z'], ['sz']), op('LT', ['sa', 'sz'], ['a_low']), nested))
    twice = op('Do', ['x', 'scope'], ['y', 'scope'], net=inner, inner_blobs=['a', 'b'], outer_blobs_idx=[0, 1])
    yield 'any_scope', twice, {'x': X, 'scope': X}, dict(fetch=['y'])
    yield 'twice', [scope, twice, twice], {'x': X}, dict(fetch=['y'])
    within = op('Do', ['b', 's'], ['u', 's'], net=inner, inner_blobs=['a', 'b'], outer_blobs_idx=[0, 1])
    yield case('nested', ['x'], ['y'], ['b', 'u'], [0, 1], net(op('CreateScope', [], ['s']), within))
    yield case('refuses_other_length', ['x'], ['y'], ['a', 'b'], [0])
    yield case('refuses_index_beyond', ['x'], ['y'], ['a', 'b'], [0, 2])
    yield case('refuses_index_negative', ['x'], ['y'], ['a', 'b'], [0, -1])
    yield case('refuses_inner_twice', ['x'], ['y'], ['a', 'a'], [0, 1])
    yield case('refuses_outer_twice', ['x'], ['y'], ['a', 'b'], [0, 0])
    yield case('refuses_in_place_twice', ['x'], ['x'], ['a', 'b'], [0, 1])
    yield case('refuses_unbound', ['x'], ['y'], ['a'], [0])
    yield case('refuses_input_twice', ['x', 'x'], ['y'], ['a', 'b'], [0, 2])
    yield case('refuses_local_unwritten', ['x'], ['y'], ['a', 'b'], [0, 1], net(op('Add', ['t', 'a'], ['b'])))
    yield case('refuses_outer_unbound', ['x'], ['y'], ['a', 'b'], [0, 1], net(op('Add', ['x', 'a'], ['b'])))
    yield case('refuses_failing_net', ['x'], ['y'], ['a', 'b'], [0, 1], net(
        op('Reshape', ['a'], ['b', 'old'], shape=[3])))
    yield 'refuses_no_net', [scope, op('Do', ['x', 'scope'], ['y', 'scope'], inner_blobs=['a', 'b'],
                                       outer_blobs_idx=[0, 1])], {'x': X}, dict(fetch=['y'])
    yield 'refuses_no_scope', op('Do', ['x'], ['y'], net=inner, inner_blobs=['a', 'b'], outer_blobs_idx=[0, 1]), {'x': X}
    yield 'refuses_other_scope', [scope, op('Do', ['x', 'scope'], ['y', 'z'], net=inner, inner_blobs=['a', 'b'],
                                            outer_blobs_idx=[0, 1])], {'x': X}, dict(fetch=['y'])


def scopes(op):
    yield 'beside_x', op('CreateScope', [], ['scope']), {'x': X}, dict(fetch=['x'])
    yield 'refuses_input', op('CreateScope', ['x'], ['scope']), {'x': X}
    yield 'refuses_two_outputs', op('CreateScope', [], ['scope', 'x']), {}


def cases(op, rng):
    for family in (ifs, whiles, dos, scopes):
        yield from family(op)
