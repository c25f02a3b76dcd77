#!/usr/bin/env python3
"""Make the golden cases again with the real Caffe2.

  make.py            write tests/golden/cases, tests/golden/nets and tests/golden/plans anew
  make.py --only F   add or replace the cases of the family make/F.py alone
  make.py --check    make them in memory and compare with what is stored
  make.py --list     count the stored cases by operator

Run it with a Python that has Caffe2 (README.md beside this file says how to get one).

The cases are written down in make/*.py.  A family of operators defines

    def cases(op, rng):
        yield name, op(...), {blob: array}                    # one operator
        yield name, [op(...), op(...)], {blob: array}         # several: a net
        yield name, op(...), {blob: array}, dict(option=...)  # with options

`op` is Caffe2's own core.CreateOperator and `rng` a seeded numpy RandomState.
Options: note, fetch, tolerance, diverges, ours (see README.md, "meta.json"), files (name -> content, which the
operators find where they look for files), written (names of databases that they leave there), stored (an operator
of this project that does at once what the operators do, which is stored in their place).

Every case runs twice in a process of its own, with fresh memory filled with a
different pattern each time.  A case that crashes Caffe2, or whose result
depends on memory nobody wrote, is refused: it would be no fixture.
"""
import argparse
import ctypes
import glob
import json
import os
import pickle
import re
import runpy
import shutil
import signal
import struct
import sys
import tempfile
import zlib

# One thread and one code path of the matrix library: the same bits on every machine.
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', MKL_CBWR='COMPATIBLE')

import numpy as np  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
EXACT = 'exact'
SECONDS = 10        # that a case may take
M_PERTURB = -6      # glibc's mallopt parameter: the byte that fills fresh memory


def caffe2():
    try:
        from caffe2.proto import caffe2_pb2
        from caffe2.python import core, workspace
    except ImportError as e:
        sys.exit('no Caffe2 in this python (%s): see README.md' % e)
    core.GlobalInit(['caffe2', '--caffe2_log_level=3'])
    return caffe2_pb2, core, workspace


pb2, core, workspace = None, None, None     # set by main


# ---------------------------------------------------------------- running

def contents(ws, names):
    """What the named blobs hold: TensorProtos, serialised, and of 8-bit tensors, whose values these have, scale and
    zero point by name; other kinds of blobs are an error."""
    out, int8 = pb2.TensorProtos(), {}
    for n in names:
        p = pb2.BlobProto()
        p.ParseFromString(ws.blobs[n].serialize(n))
        t = out.protos.add()
        if p.type == 'Int8TensorCPU':
            q = p.qtensor
            t.dims.extend(q.dims)
            t.data_type = q.data_type
            t.int32_data.extend(q.data)
            # JSON has no infinity; only cases that we refuse have one.
            scale = q.scale if np.isfinite(q.scale) else str(q.scale)
            int8[n] = dict(scale=scale, zero_point=int(q.bias))
        elif p.type == 'Tensor' and p.tensor.data_type != 0:
            t.CopyFrom(p.tensor)
            t.ClearField('device_detail')
            t.ClearField('segment')
        else:
            raise TypeError('blob %s is a %s, neither a tensor nor an 8-bit tensor' % (n, p.type))
        t.name = n
    return out.SerializeToString(), int8


def message(error):
    text = str(error).split('\nframe #')[0]
    return re.sub(r'(Error from operator:.*|Exception raised from.*)', '', text, flags=re.S).strip(' (\n')


def int8_blob(name, content):
    """The message of an 8-bit tensor: `content` has values, scale and zero_point."""
    values = np.asarray(content.values)
    p = pb2.BlobProto(name=name, type='Int8TensorCPU')
    q = p.qtensor
    q.dims.extend(values.shape)
    q.precision, q.is_signed = 8, False
    q.scale, q.bias = float(np.float32(content.scale)), content.zero_point
    q.data.extend(int(v) for v in values.flat)
    q.data_type = pb2.TensorProto.INT32 if values.dtype == np.int32 else pb2.TensorProto.UINT8
    q.name = name
    return p.SerializeToString()


def feed(ws, inputs):
    for n, v in inputs.items():
        if hasattr(v, 'zero_point'):
            ws.create_blob(n).deserialize(int8_blob(n, v))
            continue
        v = np.asarray(v)       # ascontiguousarray would turn a scalar into one dimension
        ws.create_blob(n).feed(v if v.flags.c_contiguous else v.copy())


def execute(defs, inputs, fetch, files=None, written=()):
    """Run operators or nets in a fresh workspace: (inputs, outputs, error, files written), the first two as `contents`."""
    ws = workspace.C.Workspace()
    feed(ws, inputs)
    given = contents(ws, list(inputs))
    with tempfile.TemporaryDirectory() as folder:
        if files is not None:
            os.chdir(folder)        # the root folder of the workspace is the current one
            for name, content in files.items():
                put(folder, name, content)
        try:
            for d in defs:
                (ws._run_net if isinstance(d, pb2.NetDef) else ws._run_operator)(d.SerializeToString())
            left = {name: sorted_records(os.path.join(folder, name)) for name in written}
            return given, contents(ws, fetch), '', left
        except (RuntimeError, IndexError) as e:     # IndexError: a C++ std::out_of_range
            return given, (b'', {}), message(e), {}


def sorted_records(path):
    """A minidb with its records sorted by key: Caffe2 writes the chunks of a tensor in any order."""
    with open(path, 'rb') as f:
        data = f.read()
    records, at = [], 0
    while at < len(data):
        key, value = struct.unpack_from('<ii', data, at)
        end = at + 8 + key + value
        records.append((data[at + 8:at + 8 + key], data[at:end]))
        at = end
    return b''.join(record for _, record in sorted(records))


def execute_plan(plan, inputs, fetch):
    """Run a plan in a fresh workspace: (inputs, outputs, nets that are there then, error)."""
    ws = workspace.C.Workspace()
    feed(ws, inputs)
    given, error = tensor_protos(ws, list(inputs)), ''
    try:
        ws._run_plan(plan.SerializeToString())
    except RuntimeError as e:
        error = message(e)
    return given, tensor_protos(ws, fetch), sorted(ws.nets), error


def in_a_child(function, *args, perturb=0):
    """function(*args) in a forked process whose fresh memory holds the byte `perturb`."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)    # Caffe2 prints warnings of its own
        signal.alarm(SECONDS)
        try:
            ctypes.CDLL(None).mallopt(M_PERTURB, perturb)
            result = ('ok', function(*args))
        except BaseException as e:      # sent to the parent, which raises it
            result = ('failed', '%s: %s' % (type(e).__name__, e))
        with os.fdopen(w, 'wb') as f:
            f.write(pickle.dumps(result))
        os._exit(0)
    os.close(w)
    with os.fdopen(r, 'rb') as f:
        data = f.read()
    status = os.waitpid(pid, 0)[1]
    if not data:
        raise RuntimeError('Caffe2 crashes or never ends here (status %d)' % status)
    kind, value = pickle.loads(data)
    if kind == 'failed':
        raise RuntimeError(value)
    return value


def run_twice(defs, inputs, fetch, *more, execute=execute):
    first = in_a_child(execute, defs, inputs, fetch, *more, perturb=0x55)
    second = in_a_child(execute, defs, inputs, fetch, *more, perturb=0xA3)
    if first != second:
        raise RuntimeError('the result depends on unwritten memory')
    return first


# ---------------------------------------------------------------- writing

def describe(data):
    m = pb2.TensorProtos.FromString(data)
    return {t.name: [pb2.TensorProto.DataType.Name(t.data_type), list(t.dims)] for t in m.protos}


def put(folder, name, data):
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)


def put_meta(folder, meta):
    put(folder, 'meta.json', (json.dumps(meta, indent=1, sort_keys=True) + '\n').encode())


def our_contents(ours, fetch):
    """What this project computes where it differs, as `contents`: values by blob, or operators and inputs to run
    instead."""
    if isinstance(ours, dict):
        return in_a_child(execute, [], ours, list(ours))[0]
    ops, inputs = ours
    _, result, error, _ = run_twice(ops if isinstance(ops, list) else [ops], inputs, fetch)
    if error:
        raise RuntimeError('the operator run in place of this one is refused: ' + error)
    return result


def write_case(root, name, ops, inputs, tolerance=EXACT, note='', fetch=None, diverges='', ours=None, files=None,
               written=(), stored=None):
    ops = ops if isinstance(ops, list) else [ops]
    for o in ops:
        o.ClearField('debug_info')
    fetch = list(dict.fromkeys(ops[-1].output) if fetch is None else fetch)
    (given, given_int8), (result, result_int8), error, left = run_twice(ops, inputs, fetch, files, written)
    if not diverges and bool(error) != name.startswith('refuses_'):
        raise RuntimeError('the name says otherwise than Caffe2: ' + (error or 'accepted'))
    if stored is not None:
        stored.ClearField('debug_info')
        ops = [stored]
    folder = os.path.join(root, ops[-1].type, name)
    if os.path.exists(folder):
        raise RuntimeError('two cases of this name')
    os.makedirs(folder)
    meta = dict(type=ops[-1].type, note=note, fetch=fetch, expects_error=bool(error), message=error,
                inputs=describe(given), outputs=describe(result), tolerance=tolerance)
    if bool(diverges) != (ours is not None):
        raise RuntimeError('`diverges` and `ours` go together')
    int8 = dict(inputs=given_int8, outputs=result_int8)
    if diverges:
        meta['diverges'] = diverges
        meta['ours'] = 'refused' if ours == 'refused' else 'ours.pb'
        if ours != 'refused':
            data, int8['ours'] = our_contents(ours, fetch)
            put(folder, 'ours.pb', data)
    if any(int8.values()):
        meta['int8'] = {file: blobs for file, blobs in int8.items() if blobs}
    put(folder, 'op.pb', ops[-1].SerializeToString())
    if len(ops) > 1:
        net = pb2.NetDef()
        net.op.extend(ops)
        net.external_input.extend(inputs)
        net.external_output.extend(fetch)
        put(folder, 'net.pb', net.SerializeToString())
    put(folder, 'inputs.pb', given)
    put(folder, 'outputs.pb', result)
    for where, contents in (('files', files or {}), ('written', left)):
        for file, content in contents.items():
            os.makedirs(os.path.join(folder, where), exist_ok=True)
            put(os.path.join(folder, where), file, content)
    put_meta(folder, meta)
    return error


def write_net(root, name, init, predict, inputs, tolerance=EXACT, note='', fetch=None):
    from google.protobuf import text_format
    folder = os.path.join(root, name)
    os.makedirs(folder)
    fetch = list(fetch or predict.external_output)
    (given, given_int8), (result, result_int8), error, _ = run_twice([init, predict], inputs, fetch)
    if error:
        raise RuntimeError(error)
    if given_int8 or result_int8:
        raise RuntimeError('nets have plain tensors as inputs and outputs')
    put(folder, 'init_net.pb', init.SerializeToString())
    put(folder, 'predict_net.pb', predict.SerializeToString())
    put(folder, 'predict_net.pbtxt', text_format.MessageToString(predict).encode())
    put(folder, 'inputs.pb', given)
    put(folder, 'outputs.pb', result)
    put_meta(folder, dict(note=note, fetch=fetch, inputs=describe(given), outputs=describe(result),
                          tolerance=tolerance))


def write_plan(root, name, plan, inputs, note='', fetch=()):
    given, result, nets, error = run_twice(plan, inputs, list(fetch), execute=execute_plan)
    if bool(error) != name.startswith('refuses_'):
        raise RuntimeError('the name says otherwise than Caffe2: ' + (error or 'accepted'))
    folder = os.path.join(root, name)
    os.makedirs(folder)
    put(folder, 'plan.pb', plan.SerializeToString())
    put(folder, 'inputs.pb', given)
    put(folder, 'outputs.pb', result)
    put_meta(folder, dict(note=note, fetch=list(fetch), expects_error=bool(error), message=error, nets=nets,
                          inputs=describe(given), outputs=describe(result), tolerance=EXACT))
    return error


PARTS = ('cases', 'nets', 'plans')


def make(root, only):
    """The cases, nets and plans of a family, or of all, in folders under root; the list of what went wrong."""
    wrong = []
    for part in PARTS:
        os.makedirs(os.path.join(root, part))
    sys.path.insert(0, os.path.join(HERE, 'make'))
    for path in sorted(glob.glob(os.path.join(HERE, 'make', '%s.py' % (only or '*')))):
        family = os.path.basename(path)[:-3]
        module = runpy.run_path(path)
        # A family's random numbers depend on its name only: a new family changes no other.
        rng = np.random.RandomState(zlib.crc32(family.encode()))
        count = refused = 0
        for kind, generator in ((part, module.get(part)) for part in PARTS):
            for item in generator(core.CreateOperator, rng) if generator else ():
                try:
                    if kind == 'cases':
                        name, ops, inputs, options = (tuple(item) + ({},))[:4]
                        refused += bool(write_case(os.path.join(root, 'cases'), name, ops, inputs, **options))
                    elif kind == 'plans':
                        name, plan, inputs, options = item
                        refused += bool(write_plan(os.path.join(root, 'plans'), name, plan, inputs, **options))
                    else:
                        name, init, predict, inputs, options = item
                        write_net(os.path.join(root, 'nets'), name, init, predict, inputs, **options)
                except (RuntimeError, TypeError) as e:
                    wrong.append('%s: %s: %s' % (family, item[0], e))
                count += 1
        if count:
            print('%-12s %4d cases, %d of them refused by Caffe2' % (family, count, refused))
    return wrong


# ---------------------------------------------------------------- checking

def files_under(root):
    return {os.path.relpath(p, root) for p in glob.glob(os.path.join(root, '**'), recursive=True)
            if os.path.isfile(p)}


def arrays(path):
    m = pb2.TensorProtos.FromString(open(path, 'rb').read())
    return {t.name: (t.data_type, tuple(t.dims), t) for t in m.protos}


def within(old, new, tolerance):
    """Whether two outputs.pb agree as their meta.json demands."""
    a, b = arrays(old), arrays(new)
    if tolerance == EXACT or a.keys() != b.keys() or any(a[n][:2] != b[n][:2] for n in a):
        return False
    return all(np.allclose(a[n][2].float_data, b[n][2].float_data, equal_nan=True, **tolerance) for n in a)


def compare(stored, made):
    wrong = []
    old, new = files_under(stored), files_under(made)
    wrong += ['no longer made: ' + f for f in sorted(old - new)] + ['not stored: ' + f for f in sorted(new - old)]
    for f in sorted(old & new):
        a, b = os.path.join(stored, f), os.path.join(made, f)
        if open(a, 'rb').read() == open(b, 'rb').read():
            continue
        tolerance = json.load(open(os.path.join(made, os.path.dirname(f), 'meta.json')))['tolerance']
        if os.path.basename(f) != 'outputs.pb' or not within(a, b, tolerance):
            wrong.append('differs: ' + f)
    return wrong


def list_cases():
    total = 0
    for folder in sorted(glob.glob(os.path.join(HERE, 'cases', '*'))):
        metas = [json.load(open(p)) for p in glob.glob(os.path.join(folder, '*', 'meta.json'))]
        total += len(metas)
        print('%-36s %4d cases  %3d refused  %2d diverge' % (
            os.path.basename(folder), len(metas), sum(m['expects_error'] for m in metas),
            sum('diverges' in m for m in metas)))
    nets, plans = (len(glob.glob(os.path.join(HERE, part, '*'))) for part in PARTS[1:])
    print('%-36s %4d cases, %d nets, %d plans' % ('all', total, nets, plans))


def main():
    global pb2, core, workspace
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--check', action='store_true')
    p.add_argument('--only', metavar='F')
    p.add_argument('--list', action='store_true')
    a = p.parse_args()
    if a.list:
        return list_cases()
    pb2, core, workspace = caffe2()
    if a.check and a.only:
        p.error('--check compares all families')
    with tempfile.TemporaryDirectory() as made:
        wrong = make(made, a.only)
        for part in PARTS if not wrong else ():
            stored = os.path.join(HERE, part)
            if a.check:
                wrong += compare(stored, os.path.join(made, part))
            else:
                if not a.only:
                    shutil.rmtree(stored, ignore_errors=True)
                shutil.copytree(os.path.join(made, part), stored, dirs_exist_ok=True)
    if wrong:
        sys.exit('\n'.join(wrong))
    print('as stored' if a.check else 'written')


if __name__ == '__main__':
    main()
