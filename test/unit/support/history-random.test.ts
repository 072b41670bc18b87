import { expect } from 'chai';
import { History } from '../../support/history/history.js';
import { judge } from '../../support/history/judge.js';
import { textFor } from '../../support/history/records.js';
import { textOfAll } from '../../support/history/violations.js';
import { type Seeded, seeded } from '../../support/seeded.js';

/*
 * A register that is right by construction: each operation takes effect at one moment between its beginning and its end.
 * No checker may fire, whatever the order. The same register with reads that take effect before they begin must be caught.
 */

interface Underway {
  /** Undefined once it has taken effect. */
  act: (() => void) | undefined;
  end(): void;
}

function randomHistory(random: Seeded, staleShare: number): History {
  let nowMs = 0;
  const history = new History(() => nowMs);
  const keys = ['a#1', 'b', 'c'];
  const registers = new Map(keys.map((key) => [key, [{ seq: 0, version: 1 }]]));
  const seqs = new Map<string, number>();
  const clients = new Map<string, Underway>();
  let version = 1;
  for (let turn = 0; turn < 1_500; turn++) {
    nowMs += random.below(3);
    const client = random.pick(['w0', 'w1', 'w2', 'r1', 'r2', 'r3']);
    const underway = clients.get(client);
    if (underway?.act !== undefined) {
      underway.act();
      underway.act = undefined;
    } else if (underway !== undefined) {
      underway.end();
      clients.delete(client);
    } else if (client.startsWith('w')) clients.set(client, write(keys[Number(client.at(1))]!, client));
    else clients.set(client, read(random.pick(keys), client));
  }
  return history;

  function write(key: string, client: string): Underway {
    const seq = (seqs.get(key) ?? 0) + 1;
    seqs.set(key, seq);
    const kind = random.pick(['put', 'delete'] as const);
    const end = history.write({ client, node: random.pick(['a', 'b']), key, kind, seq });
    let given = 0;
    const fate = random.below(60);
    return {
      act: () => {
        if (fate === 0) return;
        given = ++version;
        registers.get(key)!.push({ seq, version: given });
      },
      end: () => end(fate < 2 ? { is: 'unknown', code: 'TIMEOUT' } : { is: 'ok', version: given, unreached: [] }),
    };
  }

  function read(key: string, client: string): Underway {
    const consistency = random.pick(['cached', 'owner'] as const);
    const end = history.read({ client, node: random.pick(['a', 'b']), key, consistency });
    const states = registers.get(key)!;
    let state = states.at(-1)!;
    return {
      act: () => {
        state = random.chance(staleShare) ? (states.at(-6) ?? state) : states.at(-1)!;
      },
      end: () => end({ is: 'ok', value: textFor(key, state.seq), version: state.version, how: 'hit', by: 'a' }),
    };
  }
}

describe('checkers of histories', () => {
  const seeds = Array.from({ length: 40 }, (_, index) => `register-${index}`);

  it('never fire on a register that is right by construction', () => {
    for (const seed of seeds) {
      const verdict = judge(randomHistory(seeded(seed), 0));
      expect(textOfAll(verdict.violations), seed).to.equal('');
      expect(verdict.undecided, seed).to.deep.equal([]);
    }
  });

  it('fire on one that now and then answers with what it was', () => {
    for (const seed of seeds) {
      const fired = new Set(judge(randomHistory(seeded(seed), 0.1)).violations.map(({ checker }) => checker));
      expect([...fired], seed).to.include.members(['C1', 'C2', 'C4', 'C5']);
    }
  });

  it('judge 60,000 records in a moment', function () {
    this.timeout(30_000);
    let nowMs = 0;
    const history = new History(() => ++nowMs);
    for (let seq = 1; seq <= 20_000; seq++) {
      const key = `k${seq % 10}`;
      const put = history.write({ client: `w${seq % 10}`, node: 'a', key, kind: 'put', seq });
      put({ is: 'ok', version: seq, unreached: [] });
      for (const node of ['a', 'b']) {
        const read = history.read({ client: node, node, key, consistency: 'owner' });
        read({ is: 'ok', value: textFor(key, seq), version: seq, how: 'hit', by: 'a' });
      }
    }
    expect(judge(history).violations).to.deep.equal([]);
  });
});
