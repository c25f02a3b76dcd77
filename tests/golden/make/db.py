"""Load, Save, CreateDB, DBExists on databases of type minidb."""
import struct

import numpy as np
from caffe2.proto import caffe2_pb2 as pb2
from caffe2.python import workspace
from common import ALL_TYPES, F, I32, any_values, ramp, strings, with_arg


def record(key, value):
    return struct.pack('<ii', len(key), len(value)) + key.encode() + value


def proto(value, begin=0, end=None, name='', **fields):
    """The BlobProto of some elements of an array."""
    ws = workspace.C.Workspace()
    ws.create_blob('x').feed(value)
    out = pb2.BlobProto.FromString(ws.blobs['x'].serialize('x'))
    out.name = out.tensor.name = name
    if end is not None:
        t = out.tensor
        t.segment.begin, t.segment.end = begin, end
        for field in ('float_data', 'int32_data', 'string_data', 'double_data', 'int64_data'):
            kept = getattr(t, field)[begin:end]
            t.ClearField(field)
            getattr(t, field).extend(kept)
    for key, field in fields.items():
        setattr(out, key, field)
    return out


def tensor(key, *args, **fields):
    return record(key, proto(*args, **fields).SerializeToString())


def changed(value, change):
    """A record `a` whose message was changed by a function."""
    out = proto(value)
    change(out.tensor)
    return record('a#%0', out.SerializeToString())


def db(*records):
    return {'in.minidb': b''.join(records)}


A, B = ramp(2, 3), ramp(4, dtype=I32)
BOTH = db(tensor('a#%0', A), tensor('b#%0', B))


def loads(op):
    def case(name, outputs, files=BOTH, fetch=None, **args):
        args = {k: v for k, v in dict(dict(db='in.minidb', db_type='minidb'), **args).items() if v is not None}
        return name, op('Load', [], outputs, **args), {}, dict(files=files, fetch=fetch)

    for dtype in ALL_TYPES:
        low = np.dtype(dtype).name
        yield case('type_' + low, ['x'], db(tensor('x#%0', any_values(dtype, 2, 3))))
    yield case('empty', ['x'], db(tensor('x#%0', np.zeros((0, 3), F))))
    yield case('type_strings', ['x'], db(tensor('x#%0', strings(b'', b'a', b'\x00\xff'))))
    yield case('scalar', ['x'], db(tensor('x#%0', np.array(5, F))))
    yield case('two_blobs', ['a', 'b'])
    yield case('outputs_in_another_order', ['b', 'a'])
    yield case('others_are_skipped', ['b'])
    yield case('no_output', [])
    yield case('type_in_other_words', ['a'], db_type='MiniDB')
    x = ramp(5)
    parts = [tensor('x#%%%d' % i, x, b, e) for i, (b, e) in enumerate([(0, 2), (2, 4), (4, 5)])]
    yield case('chunks', ['x'], db(*parts))
    yield case('chunks_in_another_order', ['x'], db(parts[2], parts[0], parts[1]))
    yield case('chunks_between_others', ['x', 'a'], db(parts[0], tensor('a#%0', A), parts[2], parts[1]))
    words = strings(b'a', b'b', b'c')
    yield case('chunks_of_strings', ['x'], db(tensor('x#%1', words, 2, 3), tensor('x#%0', words, 0, 2)))
    yield case('chunks_of_which_one_is_empty', ['x'], db(tensor('x#%0', x, 0, 0), tensor('x#%1', x, 0, 5)))
    yield case('the_key_decides', ['a'], db(tensor('a#%0', A, name='b')))
    yield case('no_chunk_number', ['a'], db(tensor('a', A)))
    yield case('older_type', ['a'], db(tensor('a#%0', A, type='TensorCPU')))
    cuda = db(changed(A, lambda t: setattr(t.device_detail, 'device_type', 1)))
    yield case('saved_by_cuda', ['a'], cuda)
    yield case('keep_device', ['a'], keep_device=1)
    yield case('refuses_keep_device_of_cuda', ['a'], cuda, keep_device=1)
    yield case('add_prefix', ['p/a', 'p/b'], add_prefix='p/')
    yield case('refuses_output_without_added_prefix', ['a'], add_prefix='p/')
    scoped = db(tensor('gpu_0/a#%0', A), tensor('x/gpu_0/b#%0', B), tensor('c#%0', A))
    yield case('strip_prefix', ['a', 'b', 'c'], scoped, strip_prefix='gpu_0/')
    yield case('strip_and_add_prefix', ['p_a'], scoped, strip_prefix='gpu_0/', add_prefix='p_')
    yield case('source_blob_names', ['y', 'z'], source_blob_names=['b', 'a'])
    yield case('source_blob_names_and_add_prefix', ['y'], source_blob_names=['p/a'], add_prefix='p/')
    two = dict(BOTH, **{'more.minidb': tensor('c#%0', B)})
    yield case('two_databases', ['a', 'c'], two, db=None, dbs=['in.minidb', 'more.minidb'])
    yield case('dbs_take_precedence', ['c'], two, dbs=['more.minidb'])
    yield case('load_all', [], fetch=['a', 'b'], load_all=1)
    yield case('load_all_with_output', ['b'], fetch=['a', 'b'], load_all=1)
    yield case('load_all_with_prefixes', [], scoped, fetch=['p_a', 'p_b', 'p_c'], load_all=1, strip_prefix='gpu_0/',
               add_prefix='p_')
    yield case('allow_incomplete', ['a', 'absent'], fetch=['a'], allow_incomplete=1)
    yield case('shape_for_inference', ['a'], shape=[2, 3])
    yield case('shape_and_type_for_inference', ['b'], shape=[4], dtype=2)

    def as_bytes(t):
        t.ClearField('int32_data')
        t.byte_data = b'\x01\xff'

    yield case('values_as_bytes', ['a'], db(changed(np.array([1, -1], np.int8), as_bytes)))
    yield case('no_segment', ['a'], db(changed(A, lambda t: t.ClearField('segment'))))
    yield case('no_device', ['a'], db(changed(A, lambda t: t.ClearField('device_detail'))))

    yield case('refuses_no_type', ['a'], db_type=None)
    yield case('refuses_unknown_type', ['a'], db_type='lmdbx')
    yield case('refuses_no_db', ['a'], db=None)
    yield case('refuses_empty_name_among_dbs', ['a'], db=None, dbs=['in.minidb', ''])
    yield case('refuses_same_db_twice', ['a'], db=None, dbs=['in.minidb', 'in.minidb'])
    yield case('refuses_absent_db', ['a'], db='absent.minidb')
    yield case('refuses_absent_blob', ['a', 'c'])
    yield case('refuses_absent_output_of_load_all', ['c'], load_all=1)
    yield case('refuses_other_number_of_source_names', ['a', 'b'], source_blob_names=['a'])
    yield case('refuses_source_names_and_strip_prefix', ['a'], source_blob_names=['a'], strip_prefix='x')
    yield case('refuses_source_names_and_load_all', ['a'], source_blob_names=['a'], load_all=1)
    yield case('refuses_source_name_twice', ['a', 'b'], source_blob_names=['a', 'a'])
    yield case('refuses_output_twice', ['a', 'a'])
    yield case('refuses_blob_in_two_databases', ['a', 'b'],
               {'in.minidb': tensor('a#%0', A), 'more.minidb': tensor('a#%0', A) + tensor('b#%0', B)}, db=None,
               dbs=['in.minidb', 'more.minidb'])
    yield case('refuses_missing_chunk', ['x'], db(*parts[:2]))
    yield case('refuses_missing_chunk_of_allowed_incomplete', ['x'], db(*parts[:2]), allow_incomplete=1)
    yield case('refuses_further_chunk', ['x', 'y'], db(*parts, parts[0], tensor('y#%0', A)))
    yield case('refuses_chunk_beyond_the_end', ['a'], db(changed(A, lambda t: setattr(t.segment, 'end', 7))))
    yield case('refuses_too_few_values', ['a'], db(changed(A, lambda t: t.float_data.pop())))
    yield case('refuses_unknown_blob_type', ['a'], db(tensor('a#%0', A, type='Tensor<x>')))
    yield case('refuses_value_that_is_no_message', ['a'], db(record('a#%0', b'\xff\xff')))
    whole = BOTH['in.minidb']
    for cut in (3, 10, len(whole) - 1):
        yield case('refuses_file_cut_to_%d' % cut, ['a', 'b'], {'in.minidb': whole[:cut]})
    yield case('refuses_negative_length', ['a'], {'in.minidb': struct.pack('<ii', -1, 5) + b'a' * 9})
    yield case('refuses_integer_as_db', ['a'], db=5)
    overlap = db(tensor('x#%0', x, 0, 3), tensor('x#%1', x, 0, 2))
    yield 'overlapping_chunks', op('Load', [], ['x'], db='in.minidb', db_type='minidb'), {}, dict(
        files=overlap, fetch=[], ours='refused', diverges='Caffe2 leaves elements that no chunk has unwritten')


def readers(op):
    create = op('CreateDB', [], ['reader'], db='in.minidb', db_type='minidb')
    options = dict(files=BOTH)

    def load(*outputs, **args):
        return op('Load', ['reader'], list(outputs), **args)

    yield 'from_reader', [create, load('a', 'b')], {}, options
    yield 'from_reader_one_after_another', [create, load('a'), load('b')], {}, dict(options, fetch=['a', 'b'])
    yield 'from_reader_the_last_one_again', [create, load('b'), op('Copy', ['b'], ['c']), load('b')], {}, options
    yield 'refuses_from_reader_what_came_before', [create, load('b'), load('a')], {}, options
    yield 'from_reader_all', [create, load('b', load_all=1)], {}, options
    sharded = op('CreateDB', [], ['reader'], db='in.minidb', db_type='minidb', num_shards=2, shard_id=1)
    yield 'from_reader_of_second_shard', [sharded, load('b')], {}, options
    yield 'refuses_from_reader_of_second_shard_the_first', [sharded, load('a')], {}, options
    yield 'refuses_from_tensor', op('Load', ['X'], ['a']), {'X': A}, options

    def opens(name, files=BOTH, **args):
        args = dict(dict(db='in.minidb', db_type='minidb'), **args)
        return name, op('CreateDB', [], ['reader'], **args), {}, dict(files=files, fetch=[])

    yield opens('opens')
    yield opens('opens_empty', {'in.minidb': b''})
    yield opens('refuses_absent', db='absent.minidb')
    yield opens('refuses_no_name', db='')
    yield opens('refuses_unknown_type', db_type='x')
    yield opens('refuses_shard_beyond_shards', num_shards=2, shard_id=2)
    yield opens('refuses_negative_shard', shard_id=-1)
    yield opens('refuses_no_shards', num_shards=0)
    yield opens('refuses_more_shards_than_records', num_shards=5, shard_id=4)
    for name, args in (('there', {}), ('not_there', dict(db_name='absent.minidb'))):
        args = dict(dict(db_name='in.minidb', db_type='minidb'), **args)
        yield name, op('DBExists', [], ['exists'], **args), {}, options


def saves(op):
    def case(name, inputs, files=None, written=('out.minidb',), **args):
        args = {k: v for k, v in dict(dict(db='out.minidb', db_type='minidb'), **args).items() if v is not None}
        options = dict(files=files or {}, written=() if name.startswith('refuses_') else written)
        return name, op('Save', list(inputs), [], **args), inputs, options

    for dtype in ALL_TYPES:
        yield case('type_' + np.dtype(dtype).name, {'x': any_values(dtype, 2, 3)})
    yield case('empty', {'x': np.zeros((0, 3), F)})
    yield case('type_strings', {'x': strings(b'', b'a', b'\x00\xff')})
    yield case('scalar', {'x': np.array(5, F)})
    both = {'a': A, 'scope/b': B}
    yield case('two_blobs', both)
    yield case('over_a_former_file', both, BOTH, written=('in.minidb',), db='in.minidb')
    yield case('blob_name_overrides', both, blob_name_overrides=['x', 'y'])
    yield case('strip_prefix', {'a/s/x': A, 's/y': B, 'z': A}, strip_prefix='s/')
    for size in (0, 1, 2, 4, 6, 7, -1):
        yield case('chunk_size_%d' % size, {'x': A, 'y': ramp(2), 'e': np.zeros((0,), F)}, chunk_size=size)
    yield case('chunks_of_strings', {'x': strings(b'a', b'b', b'c')}, chunk_size=2)
    yield case('refuses_no_db', both, db=None)
    yield case('refuses_no_type', both, db_type=None)
    yield case('refuses_unknown_type', both, db_type='x')
    yield case('refuses_other_number_of_names', both, blob_name_overrides=['x'])
    yield case('refuses_names_and_prefix', both, blob_name_overrides=['x', 'y'], strip_prefix='s')
    yield case('refuses_same_name_behind_prefix', {'s/x': A, 'x': B}, strip_prefix='s/')
    yield case('refuses_absent_folder', both, db='no/such/folder.minidb')
    kept = dict(files={})
    yield 'refuses_output', op('Save', ['a'], ['b'], db='out.minidb', db_type='minidb'), {'a': A}, kept
    yield 'refuses_input_twice', op('Save', ['a', 'a'], [], db='out.minidb', db_type='minidb'), {'a': A}, kept
    yield 'refuses_integer_as_db', with_arg(op('Save', ['a'], [], db_type='minidb'), 'db', i=5), {'a': A}, kept
    load = op('Load', [], ['a2', 'b2'], db='out.minidb', db_type='minidb', source_blob_names=['a', 'scope/b'])
    save = op('Save', list(both), [], db='out.minidb', db_type='minidb', chunk_size=4)
    yield 'what_was_saved', [save, load], both, kept


def cases(op, rng):
    yield from loads(op)
    yield from readers(op)
    yield from saves(op)
