import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { bytesOf, ks, TestCluster } from '../../support/cluster.js';

const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${codeOf(error) ?? 'thrown'}: ${messageOf(error)}`,
  );

describe('engine: expiresAt of a keyspace', () => {
  const strange: readonly [string, () => unknown, RegExp][] = [
    [
      'throws',
      (): never => {
        throw new Error('no calendar');
      },
      /expiresAt of keyspace 'ks' threw: no calendar/,
    ],
    ['returns a text', () => '2030-01-01', /returned something else than a valid Date/],
    ['returns a number', () => 5, /returned something else/],
    ['returns a promise', () => Promise.resolve(new Date()), /returned something else/],
    ['returns a Date that is none', () => new Date(Number.NaN), /returned something else/],
  ];
  for (const [name, expiresAt, message] of strange) {
    it(`that ${name} fails reads and puts by name, and nothing is kept`, async () => {
      let asked = 0;
      const cluster = await TestCluster.of({
        keyspace: {
          expiresAt: () => {
            asked++;
            return expiresAt() as Date;
          },
        },
      });
      for (const { engine } of cluster.nodes) {
        const outcome = await cluster.run(outcomeOf(engine.get(ks, 'k')));
        expect(outcome).to.match(/^DATA_SOURCE_FAILED/);
        expect(outcome).to.match(message);
        const written = await cluster.run(outcomeOf(engine.put(ks, { key: 'k', value: bytesOf('v') })));
        expect(written).to.match(/^DATA_SOURCE_FAILED/);
        expect(engine.peek(ks, 'k')).to.equal(undefined);
        // An entry that says itself how long it lives does not ask.
        const before = asked;
        expect(await cluster.run(outcomeOf(engine.put(ks, { key: 'own', value: bytesOf('v'), ttlMs: 5 })))).to.equal(
          'done',
        );
        expect(asked).to.equal(before);
      }
      const { local_loads = 0, local_load_errs = 0 } = cluster.ownerOf('k').engine.stats()[ks]!;
      expect([local_loads, local_load_errs]).to.deep.equal([0, 3]);
      await cluster.stop();
    });
  }

  it('that has passed serves what was loaded without keeping it, and makes a put a delete', async () => {
    const cluster = await TestCluster.of({ keyspace: { expiresAt: () => new Date(0) } });
    for (const { engine } of cluster.nodes) {
      expect(await cluster.text(cluster.node(0), 'k')).to.equal('value of k');
      expect(await cluster.run(outcomeOf(engine.put(ks, { key: 'k', value: bytesOf('v') })))).to.equal('done');
      expect(engine.peek(ks, 'k')).to.equal(undefined);
    }
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });
});
