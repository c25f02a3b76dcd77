#!/usr/bin/env python3
"""Run every net of the zoo in the real Caffe2 and in this project, on the same files, and compare every blob.

  PYTHON crates/caffe2-zoo/compare.py              all nets; writes docs/zoo.md and tests/logits.npz beside this file
  PYTHON crates/caffe2-zoo/compare.py NET...       some nets; writes nothing

PYTHON has Caffe2: tests/golden/README.md says how to get one.  `cargo` builds what is compared.  Exit status 1 when a
net differs by more than 1e-4, when 1 and 2 threads give other bits, or when the class is another.
"""
import argparse
import collections
import datetime
import os
import platform
import subprocess
import sys
import tempfile

os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

import numpy as np  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DOCUMENT = os.path.join(ROOT, 'docs', 'zoo.md')
FIXTURE = os.path.join(HERE, 'tests', 'logits.npz')
LIMIT = 1e-4
EVERY = 31          # the fixture has each 31st logit


# ---------------------------------------------------------------- nets

def read_net(path):
    from caffe2.proto import caffe2_pb2
    with open(path, 'rb') as f:
        return caffe2_pb2.NetDef.FromString(f.read())


def without_overwriting(net):
    """The net with a new name for a blob each time it is written: no intermediate result is lost."""
    out = type(net).FromString(net.SerializeToString())
    current, writes = {}, collections.Counter()
    for op in out.op:
        op.input[:] = [current.get(name, name) for name in op.input]
        for i, name in enumerate(op.output):
            writes[name] += 1
            current[name] = name if writes[name] == 1 else '%s@%d' % (name, writes[name])
            op.output[i] = current[name]
    out.external_output[:] = [current[name] for name in out.external_output]
    return out


def results(net):
    """Blobs that operators compute: all but the mask of Dropout, which test mode leaves alone."""
    return [name for op in net.op for name in (op.output[:1] if op.type == 'Dropout' else op.output)]


def logits_of(net):
    return next(op.input[0] for op in reversed(net.op) if op.type == 'Softmax')


# ---------------------------------------------------------------- running

def run_theirs(folder, net_file, fetch, output, picture='input.npz'):
    """In a process of its own, which gives the memory back."""
    pid = os.fork()
    if pid:
        if os.waitpid(pid, 0)[1]:
            sys.exit('Caffe2 fails on %s' % net_file)
        return
    status = 1
    try:
        from caffe2.python import core, workspace
        core.GlobalInit(['caffe2', '--caffe2_log_level=3', '--caffe2_omp_num_threads=1'])
        workspace.RunNetOnce(read_net(os.path.join(folder, 'init_net.pb')))
        with np.load(os.path.join(folder, picture)) as fed:
            for name in fed.files:
                workspace.FeedBlob(name, fed[name])
        workspace.RunNetOnce(read_net(os.path.join(folder, net_file)))
        np.savez(os.path.join(folder, output), **{key(name): workspace.FetchBlob(name) for name in fetch})
        status = 0
    finally:
        os._exit(status)


def run_ours(program, folder, net_file, fetch, output, threads, picture='input.npz'):
    at = lambda name: os.path.join(folder, name)    # noqa: E731
    subprocess.run([program, 'run', '--init', at('init_net.pb'), '--net', at(net_file), '--feed', at(picture),
                    '--fetch', ','.join(fetch), '--output', at(output), '--threads', str(threads)], check=True)


def key(blob):
    return blob.replace('/', ':')       # np.savez makes files of the names


def load(folder, name):
    with np.load(os.path.join(folder, name)) as f:
        return {key(blob): f[blob] for blob in f.files}


# ---------------------------------------------------------------- comparing

def error(ours, theirs):
    """The largest difference, as a share of the largest of their values."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        sys.exit('%s %s, expected %s %s' % (ours.dtype, ours.shape, theirs.dtype, theirs.shape))
    if theirs.dtype.kind != 'f':
        return 0.0 if np.array_equal(ours, theirs) else np.inf
    difference = np.abs(ours.astype(np.float64) - theirs).max(initial=0)
    scale = np.abs(theirs).max(initial=0)
    return difference / scale if scale else (np.inf if difference else 0.0)


def element_error(ours, theirs):
    """The largest difference as a share of the element, among elements above a hundredth of the largest."""
    ours, theirs = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    large = np.abs(theirs) > np.abs(theirs).max() / 100
    return (np.abs(ours - theirs)[large] / np.abs(theirs)[large]).max()


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def multiplications(net, blobs, parameters):
    total = 0
    for op in net.op:
        if op.type in ('Conv', 'FC'):
            weight = parameters[key(op.input[1])]
            total += blobs[key(op.output[0])].size * (weight.size // weight.shape[0])
    return total


def compare(program, name, folder):
    net = read_net(os.path.join(folder, 'predict_net.pb'))
    apart = without_overwriting(net)
    with open(os.path.join(folder, 'apart.pb'), 'wb') as f:
        f.write(apart.SerializeToString())
    blobs, logits, output = results(apart), logits_of(apart), list(net.external_output)
    parameters = [p for p in net.external_input if p != 'data']

    with np.load(os.path.join(folder, 'input.npz')) as fed:
        np.savez(os.path.join(folder, 'negative.npz'), **{n: -fed[n] for n in fed.files})
    run_theirs(folder, 'apart.pb', blobs + parameters, 'theirs.npz')
    run_theirs(folder, 'predict_net.pb', output, 'theirs_out.npz')
    run_theirs(folder, 'apart.pb', [logits], 'theirs_negative.npz', 'negative.npz')
    run_ours(program, folder, 'apart.pb', blobs + parameters, 'ours.npz', 1)
    run_ours(program, folder, 'apart.pb', blobs, 'ours2.npz', 2)
    run_ours(program, folder, 'predict_net.pb', output, 'ours_out.npz', 1)
    run_ours(program, folder, 'predict_net.pb', output, 'ours_out2.npz', 2)
    run_ours(program, folder, 'apart.pb', [logits], 'ours_negative.npz', 1, 'negative.npz')

    theirs, ours, ours2 = (load(folder, f) for f in ('theirs.npz', 'ours.npz', 'ours2.npz'))
    theirs_out, ours_out, ours_out2 = (load(folder, f) for f in ('theirs_out.npz', 'ours_out.npz', 'ours_out2.npz'))
    other, ours_other = (load(folder, f)[key(logits)] for f in ('theirs_negative.npz', 'ours_negative.npz'))
    logit, our_logit, out = theirs[key(logits)], ours[key(logits)], key(output[0])

    errors = {b: error(ours[key(b)], theirs[key(b)]) for b in blobs}
    worst = max(errors, key=errors.get)
    sizes = [rms(theirs[key(b)]) for b in blobs[:-1] if theirs[key(b)].dtype.kind == 'f']
    fact = dict(
        name=name, ops=len(net.op), types=collections.Counter(op.type for op in net.op), blobs=len(blobs),
        parameters=sum(theirs[key(p)].size for p in parameters),
        macs=multiplications(apart, theirs, {k: theirs[k] for k in map(key, parameters)}),
        output=error(ours_out[out], theirs_out[out]), logits=error(our_logit, logit),
        element=element_error(our_logit, logit), worst=errors[worst], where=worst,
        weights=all(ours[key(p)].tobytes() == theirs[key(p)].tobytes() for p in parameters),
        threads=all(ours[k].tobytes() == ours2[k].tobytes() for k in ours2)
        and ours_out[out].tobytes() == ours_out2[out].tobytes(),
        place=ours[key(apart.external_output[0])].tobytes() == ours_out[out].tobytes(),
        top=int(our_logit.argmax()) == int(logit.argmax()) and int(ours_out[out].argmax()) == int(logit.argmax()),
        least=min(sizes), most=max(sizes), spread=float(logit.std()),
        picture=rms(other - logit) / float(logit.std()), negative=error(ours_other, other),
        sample=logit.ravel()[::EVERY].copy(), best=int(logit.argmax()))
    finite = all(np.isfinite(ours[key(b)]).all() for b in blobs if ours[key(b)].dtype.kind == 'f')
    largest = max(fact[k] for k in ('output', 'logits', 'worst', 'negative'))
    wrong = [what for what, bad in (
        ('differs by more than %g' % LIMIT, not largest <= LIMIT),
        ('1 and 2 threads give other bits', not fact['threads']), ('other weights', not fact['weights']),
        ('another class', not fact['top']), ('in place gives other bits', not fact['place']),
        ('not finite', not finite), ('activations vanish or explode', not 1e-3 < min(sizes) <= max(sizes) < 1e3),
        ('the picture hardly matters', not fact['picture'] > 1e-2)) if bad]
    fact['wrong'] = wrong
    return fact, sorted(errors.items(), key=lambda e: -e[1])


# ---------------------------------------------------------------- reporting

def row(*cells):
    return '| ' + ' | '.join(str(c) for c in cells) + ' |'


def table(heads, rows):
    return '\n'.join([row(*heads), '|' + '---|' * len(heads)] + [row(*r) for r in rows])


def agreement(facts):
    yes = lambda b: 'yes' if b else '**no**'    # noqa: E731
    return table(
        ('net', 'output', 'logits', 'logits, by element', 'worst of all blobs', 'blobs', 'weights: same bits',
         '1 and 2 threads: same bits', 'same class'),
        [(f['name'], '%.1e' % f['output'], '%.1e' % f['logits'], '%.1e' % f['element'],
          '%.1e `%s`' % (f['worst'], f['where']), f['blobs'], yes(f['weights']), yes(f['threads']), yes(f['top']))
         for f in facts])


def soundness(facts):
    return table(
        ('net', 'least rms of a blob', 'greatest', 'standard deviation of the logits', 'other picture: logits move by',
         'other picture: logits differ from Caffe2\'s by'),
        [(f['name'], '%.2f' % f['least'], '%.2f' % f['most'], '%.2f' % f['spread'],
          '%.2f standard deviations' % f['picture'], '%.1e' % f['negative']) for f in facts])


def contents(facts):
    return table(
        ('net', 'parameters, M', 'MACs, M', 'operators', 'of which'),
        [(f['name'], '%.2f' % (f['parameters'] / 1e6), '{:,.0f}'.format(f['macs'] / 1e6), f['ops'],
          ', '.join('%d %s' % (n, t) for t, n in f['types'].most_common())) for f in facts])


def processor():
    with open('/proc/cpuinfo') as f:
        names = [line.split(':')[1].strip() for line in f if line.startswith('model name')]
    return '%s, %d virtual processors, %s' % (names[0] if names else platform.machine(), len(names), platform.system())


def between_markers(text, name, content):
    start, end = '<!-- %s -->' % name, '<!-- end of %s -->' % name
    before, rest = text.split(start)
    return before + start + '\n' + content + '\n' + end + rest.split(end)[1]


def write_document(facts):
    measured = 'Measured on %s on %s; Caffe2 of PyTorch 1.8.1, one thread.' % (datetime.date.today(), processor())
    with open(DOCUMENT) as f:
        text = f.read()
    for name, content in (('machine', measured), ('agreement', agreement(facts)), ('soundness', soundness(facts)),
                          ('contents', contents(facts))):
        text = between_markers(text, name, content)
    with open(DOCUMENT, 'w') as f:
        f.write(text)


def build():
    """The program, and the one that writes the nets."""
    subprocess.run(['cargo', 'build', '--release', '-p', 'caffe2-cli', '-p', 'caffe2-zoo', '--bins', '--examples'],
                   cwd=ROOT, check=True)
    release = os.path.join(os.environ.get('CARGO_TARGET_DIR', os.path.join(ROOT, 'target')), 'release')
    return os.path.join(release, 'caffe2'), os.path.join(release, 'examples', 'write_zoo')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('nets', nargs='*', metavar='NET')
    p.add_argument('--programs', nargs=2, metavar=('CAFFE2', 'WRITE_ZOO'), help='built already: do not build')
    p.add_argument('--blobs', type=int, default=0, metavar='N', help='list the N blobs that differ most')
    a = p.parse_args()
    program, write_zoo = a.programs or build()
    facts = []
    with tempfile.TemporaryDirectory() as scratch:
        listed = subprocess.run([write_zoo, '--list'], check=True, stdout=subprocess.PIPE, universal_newlines=True)
        for name in a.nets or listed.stdout.split():
            folder = os.path.join(scratch, name)
            subprocess.run([write_zoo, scratch, name], check=True, stdout=subprocess.DEVNULL)
            fact, errors = compare(program, name, folder)
            facts.append(fact)
            print('%-14s %.1e %s' % (name, fact['worst'], '; '.join(fact['wrong']) or 'agrees'), flush=True)
            for blob, e in errors[:a.blobs]:
                print('    %.1e %s' % (e, blob))
            for file in os.listdir(folder):
                os.remove(os.path.join(folder, file))
    print('\n'.join(['', agreement(facts), '', soundness(facts), '', contents(facts)]))
    if not a.nets:
        write_document(facts)
        np.savez(FIXTURE, **{f['name']: f['sample'] for f in facts},
                 **{f['name'] + '_class': np.array(f['best'], np.int64) for f in facts})
    if any(f['wrong'] for f in facts):
        sys.exit('\n'.join('%s: %s' % (f['name'], '; '.join(f['wrong'])) for f in facts if f['wrong']))


if __name__ == '__main__':
    main()
