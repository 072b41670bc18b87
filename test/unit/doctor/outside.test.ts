import { expect } from 'chai';
import type { NodeView } from '../../../src/doctor/cluster-view.js';
import { checkOutside } from '../../../src/doctor/outside.js';
import type { NodeDocument } from '../../../src/ports/admin.js';
import { expectAdvice, lines, outside, view } from './support.js';

const dayMs = 86_400_000;

function of(nodes: readonly NodeView[], expectsTls = true): readonly string[] {
  const checks = checkOutside(nodes, { wallMs: 0, expectsTls });
  expectAdvice(checks);
  return lines(checks);
}

const plain = { tls: { is: 'plain' } } as const;
const near = { address: '127.0.0.1:3320' };

describe('doctor: from outside', () => {
  it('TLS everywhere, and strangers turned away', () => {
    expect(of([view('a'), view('b')])).to.deep.equal([
      'ok TLS: TLSv1.3, and not 1.1, at a, b',
      'ok strangers: a, b: turns away who shows no token and no certificate',
    ]);
  });

  it('one node in the clear fails, where TLS is configured or others have it', () => {
    const mixed = [view('a', {}, { grpc: outside(plain) }), view('b')];
    for (const expectsTls of [true, false]) {
      expect(of(mixed, expectsTls)).to.include('fail TLS: a: in the clear, though TLS is configured');
    }
    expect(of([mixed[0]!], true)).to.include('fail TLS: a: in the clear, though TLS is configured');
    expect(of([mixed[0]!], false)).to.include('warn TLS: a: calls and links travel in the clear');
    expect(of([view('a', {}, { grpc: outside({ ...plain, ...near }) })], false)).to.include(
      'ok TLS: in the clear, on this machine alone',
    );
  });

  it('an old version of TLS fails', () => {
    expect(of([view('a', {}, { grpc: outside({ takesOldTls: true }) })])[0]).to.equal('fail TLS: a: takes TLS 1.1');
  });

  it('certificates that end soon, have ended, or are not trusted', () => {
    const shows = (days: number, refusedFor?: string) =>
      view(
        'a',
        {},
        {
          grpc: outside({ tls: { is: 'tls', protocol: 'TLSv1.3', expiresMs: days * dayMs, refusedFor } }),
        },
      );
    expect(of([shows(13)])[0]).to.equal('warn certificates: a: 13 days left');
    expect(of([shows(-2)])[0]).to.equal('fail certificates: a: has expired 2 days ago');
    expect(of([shows(100, 'self-signed certificate')])[0]).to.equal(
      'warn certificates: a: would not be taken here: self-signed certificate',
    );
  });

  it('who lets strangers in fails, unless they are on the same machine', () => {
    const open = outside({ stranger: 'let in' });
    expect(of([view('a', {}, { grpc: open })])).to.include(
      'fail strangers: a: answers whoever asks, without token or certificate',
    );
    expect(of([view('a', {}, { grpc: { ...open, ...near } })])).to.include(
      'ok strangers: a: open, to this machine alone',
    );
    expect(of([view('a', {}, { grpc: outside({ stranger: 'no answer' }) })])).to.include(
      'skip strangers: none could be asked from here',
    );
  });

  it('admin endpoints are judged by themselves', () => {
    const admin = outside({ stranger: 'let in', address: '10.0.0.1:3321' });
    expect(of([view('a', {}, { admin }), view('b', {}, { admin: outside() })])).to.include(
      'fail admin endpoints: a: answers whoever asks, without token or certificate',
    );
    expect(of([view('b', {}, { admin: outside() })])).to.include(
      'ok admin endpoints: b: turns away who shows no token and no certificate',
    );
  });

  it('admin endpoints in the clear fail where TLS is configured, but on the same machine', () => {
    const admin = { ...outside(plain), address: '10.0.0.1:3321' };
    const told = 'fail admin endpoints: a: in the clear, so that others can read the tokens that are shown there';
    expect(of([view('a', {}, { admin })])).to.include(told);
    expect(of([view('a', {}, { admin })], false)).to.not.include(told);
    expect(of([view('a', {}, { admin: { ...admin, ...near } })])).to.not.include(told);
  });

  it('processes that are late or full are warned of', () => {
    const process = (lag: number, used: number) =>
      ({
        memory: { heap_used_bytes: used, heap_limit_bytes: 1000 },
        event_loop: { lag_p99_ms: lag },
      }) as NodeDocument;
    expect(of([view('a', {}, { process: process(10, 100) })])).to.include(
      'ok processes: event loops and heaps of 1 nodes are well',
    );
    const found = of([view('a', {}, { process: process(300, 950) })]);
    expect(found).to.include('warn processes: a: its event loop is 300ms late');
    expect(found.join()).to.match(/warn processes: a: 950B of the heap's 1000B are used/);
  });

  it('of no node at all there is nothing to say', () => expect(of([])).to.deep.equal([]));
});
