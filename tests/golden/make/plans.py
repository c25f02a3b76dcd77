"""Plans: steps, iterations, stop blobs, concurrent substeps, reporters, workspaces of steps."""
import numpy as np
from caffe2.proto import caffe2_pb2
from common import F, I32

# Reporters with this interval run once, when the step ends.
LONG = 10 ** 6


def net(name, *ops, kind=''):
    out = caffe2_pb2.NetDef(name=name)
    if kind:
        out.type = kind
    for o in ops:
        o.ClearField('debug_info')
    out.op.extend(ops)
    return out


def step(*what, **fields):
    """A step of nets, by name, or of substeps."""
    out = caffe2_pb2.ExecutionStep(**fields)
    for w in what:
        if isinstance(w, str):
            out.network.append(w)
        else:
            out.substep.add().CopyFrom(w)
    return out


def names(steps):
    """All nets that the steps and those below them name."""
    for s in steps:
        yield from [*s.network, s.report_net, *names(s.substep)]


def plans(op, rng):
    def adds(*names):
        return op('Add', [names[0], 'one'], [names[0]])

    nets = [net(n, adds(n)) for n in 'abc']
    nets += [
        net('two', adds('a'), adds('b'), kind='dag'),
        net('enough', op('GE', ['a', 'limit'], ['stop'])),
        net('no_such_operator', op('NoSuchOperator', ['a'], ['a']), kind='no_such_type'),
        net('fails', op('Reshape', ['a'], ['none', 'old'], shape=[3])),
        net('missing', op('Copy', ['nowhere'], ['c'])),
        # In a workspace of its own: `local` is made there, and `a` is the one outside.
        net('make', op('Copy', ['b'], ['local'])),
        net('count', op('Add', ['local', 'one'], ['local'])),
        net('take', op('Add', ['a', 'local'], ['a'])),
        net('number', op('Copy', ['GLOBAL_WORKSPACE_ID'], ['id'])),
    ]
    inputs = {n: np.array([v], F) for n, v in dict(a=0, b=0, c=0, one=1, limit=5).items()}

    def plan(name, *steps, more=(), networks=nets, feed=None, **options):
        out = caffe2_pb2.PlanDef(name=name, execution_step=steps)
        # The nets that steps name, and one that cannot be built and that no other plan names.
        used = set(names(steps)) | {'no_such_operator'}
        out.network.extend(n for n in networks if n.name in used)
        fed = {**inputs, **(feed or {})}
        return name, out, fed, {'fetch': ['a', 'b', 'c'], **options}

    false = {'stop': np.array([False])}

    yield plan('no_steps')
    yield plan('steps_in_order', step('a'), step('a', 'b', 'b'), step('two'))
    yield plan('nothing_in_a_step', step(), step(num_iter=5))
    for n in (0, 1, 3, -2):
        yield plan('iterations_%s' % str(n).replace('-', 'minus_'), step('a', 'b', num_iter=n))
    yield plan('nested_iterations', step(step('a', num_iter=3), step(step('b', num_iter=2), step('c')), num_iter=2))
    yield plan('a_net_of_several_steps', step('a', 'a'), step(step('a'), num_iter=2))

    yield plan('stop_blob', step('a', 'enough', 'b', should_stop_blob='stop'), feed=false)
    yield plan('stop_blob_among_substeps', step(step('a'), step('enough'), step('b'), should_stop_blob='stop'),
               feed=false)
    yield plan('stop_blob_that_is_true', step('a', 'b', should_stop_blob='stop'), feed={'stop': np.array([True])})
    yield plan('stop_blob_of_no_dimensions', step('a', 'b', should_stop_blob='stop'), feed={'stop': np.array(True)})
    yield plan('stop_blob_of_the_step_around', step(step('a', 'enough', num_iter=3), step('b'), should_stop_blob='stop'),
               feed=false)
    for once in (True, False):
        yield plan('only_once_%s' % once, step('a', 'enough', 'b', should_stop_blob='stop', only_once=once), feed=false)
    yield plan('only_once_and_stopped', step('a', 'b', should_stop_blob='stop', only_once=True),
               feed={'stop': np.array([True])})

    yield plan('concurrent', step(step('a', num_iter=20), step('b', num_iter=30), step('c'), concurrent_substeps=True))
    yield plan('concurrent_and_iterated', step(step('a', num_iter=2), step('b'), step('c'), concurrent_substeps=True,
                                               num_iter=7))
    yield plan('concurrent_alone', step(step('a', num_iter=20), concurrent_substeps=True))
    yield plan('concurrent_without', step(step('a'), step('a'), step('b'), concurrent_substeps=False))
    yield plan('concurrent_within_concurrent', step(
        step(step('a'), step('b'), concurrent_substeps=True, num_iter=4), step('c'), concurrent_substeps=True))
    yield plan('concurrent_and_stopped', step(step('a', 'enough'), step('b'), concurrent_substeps=True,
                                              should_stop_blob='stop'), feed=false)
    for n in (0, 1):
        yield plan('instances_%d' % n, step(step('a'), step('b'), num_concurrent_instances=n))
        yield plan('concurrent_instances_%d' % n, step(step('a'), step('b'), num_concurrent_instances=n,
                                                       concurrent_substeps=True))
    # Each instance has a workspace of its own, and all write the same.
    yield plan('instances_with_workspaces', step(
        step(step('make'), step('count', num_iter=3), create_workspace=True), num_concurrent_instances=4))

    yield plan('report_net', step('a', num_iter=3, report_net='b', report_interval=LONG))
    yield plan('report_net_of_no_iteration', step('a', num_iter=0, report_net='b', report_interval=LONG))
    yield plan('report_net_of_substeps', step(step('a'), step('c'), num_iter=2, report_net='b', report_interval=LONG))
    yield plan('reporter', step(step('b', 'b', run_every_ms=LONG), step('a'), step('a'), num_iter=2))
    yield plan('reporter_of_substeps', step(step(step('b'), step('c'), num_iter=2, run_every_ms=LONG), step('a')))
    yield plan('reporter_beside_one', step(step('b', run_every_ms=LONG), step('a'), concurrent_substeps=True))
    yield plan('reporter_alone', step(step('b', run_every_ms=LONG)))
    yield plan('reporter_that_is_none', step('b', run_every_ms=LONG))
    yield plan('reporter_and_stop_blob', step(step('b', run_every_ms=LONG), step('a'), step('enough'),
                                              should_stop_blob='stop'), feed=false)
    yield plan('reporter_with_a_workspace', step(step(step('make'), step('count', 'take'), run_every_ms=LONG,
                                                      create_workspace=True), step('b', num_iter=4)))

    yield plan('workspace', step('make', 'count', 'take', create_workspace=True))
    yield plan('workspace_made_anew', step(step('count', 'take', create_workspace=True), num_iter=3),
               feed={'local': np.array([0], F)})
    yield plan('workspace_of_substeps', step('b'), step(
        step('make'), step('count', num_iter=4), step('take'), create_workspace=True, num_iter=2))
    yield plan('workspace_within_workspace', step('b'), step(
        step('make'), step('count', create_workspace=True), step('take', create_workspace=True), create_workspace=True))
    yield plan('workspace_and_stop_blob', step(step('a', 'enough'), create_workspace=True, should_stop_blob='stop'),
               feed=false)
    yield plan('workspace_number', *[step('number', create_workspace=True)] * 3,
               feed={'NODE_ID': np.array([5], I32), 'id': np.array(0, I32)}, fetch=['id'])
    yield plan('workspace_numbers_within', step(step('number', create_workspace=True), create_workspace=True),
               feed={'NODE_ID': np.array([5], I32), 'id': np.array(0, I32)}, fetch=['id'])

    yield plan('refuses_two_nets_of_a_name', step('a'), networks=nets + [nets[0]])
    yield plan('refuses_nets_and_substeps', step('a'), step('b', step('a')))
    yield plan('refuses_nets_and_substeps_below', step('a'), step(step('b'), step('c', step('a'))))
    yield plan('refuses_an_unknown_net', step('a'), step('b', 'unknown'))
    yield plan('refuses_an_unknown_net_below', step('a'), step(step('b'), step('c', 'unknown')))
    yield plan('refuses_a_net_that_cannot_be_built', step('a'), step('b', 'missing', 'c'))
    yield plan('refuses_a_net_of_no_type', step('a'), step('b', 'no_such_operator'))
    yield plan('refuses_a_net_that_fails', step('a'), step('b', 'fails', 'c'), step('c'))
    yield plan('refuses_a_net_that_fails_below', step('a'), step(step('b', num_iter=2), step('fails'), num_iter=3))
    yield plan('refuses_no_stop_blob', step('a'), step('b', should_stop_blob='stop'))
    yield plan('refuses_iterations_and_stop_blob', step('a'), step('b', should_stop_blob='stop', num_iter=2), feed=false)
    yield plan('refuses_only_once_alone', step('a'), step('b', only_once=True))
    yield plan('refuses_only_once_false_alone', step('a'), step('b', only_once=False))
    yield plan('refuses_a_report_without_interval', step('a'), step('b', report_net='c'))
    yield plan('refuses_an_unknown_report', step('a'), step('b', report_net='unknown', report_interval=1))
    yield plan('refuses_floats_to_stop_by', step('a', should_stop_blob='b'))
    yield plan('refuses_two_values_to_stop_by', step('a', should_stop_blob='stop'), feed={'stop': np.array([False] * 2)})
    yield plan('refuses_local_blobs_outside', step('make', create_workspace=True), step('count'))
    yield plan('refuses_an_unknown_net_when_it_runs', step(step('a'), step('b', 'unknown', create_workspace=True)))
