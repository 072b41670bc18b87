import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { Bulkhead } from '../../../src/source/bulkhead.js';
import { seeded } from '../../support/seeded.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bodies that run until they are told to end. */
class Rooms {
  readonly inside: string[] = [];
  readonly entered: string[] = [];
  readonly ended: string[] = [];
  readonly #leave = new Map<string, (error?: Error) => void>();

  constructor(private readonly bulkhead: Bulkhead) {}

  ask(name: string, signal: AbortSignal = new AbortController().signal): void {
    this.bulkhead
      .run(signal, () => {
        this.inside.push(name);
        this.entered.push(name);
        return new Promise<void>((resolve, reject) => {
          this.#leave.set(name, (error) => {
            this.inside.splice(this.inside.indexOf(name), 1);
            if (error === undefined) resolve();
            else reject(error);
          });
        });
      })
      .then(
        () => this.ended.push(`${name} done`),
        (error) => this.ended.push(`${name} ${codeOf(error) ?? error.message}`),
      );
  }

  async leave(name: string, error?: Error): Promise<void> {
    this.#leave.get(name)!(error);
    await turn();
  }
}

describe('Bulkhead', () => {
  let bulkhead: Bulkhead;
  let rooms: Rooms;
  beforeEach(() => {
    bulkhead = new Bulkhead("keyspace 'ks'", 2, 3);
    rooms = new Rooms(bulkhead);
  });
  const counts = (): readonly number[] => [bulkhead.inside, bulkhead.queued];

  it('lets in as many as there are places, the others in the order they came', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) rooms.ask(name);
    await turn();
    expect(rooms.inside).to.deep.equal(['a', 'b']);
    expect(counts()).to.deep.equal([2, 3]);
    await rooms.leave('b');
    await rooms.leave('a');
    expect(rooms.inside).to.deep.equal(['c', 'd']);
    await rooms.leave('c');
    await rooms.leave('d');
    await rooms.leave('e');
    expect(rooms.entered).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(counts()).to.deep.equal([0, 0]);
  });

  it('refuses at once beyond its queue, saying which limit to raise', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) rooms.ask(name);
    const error = await bulkhead
      .run(new AbortController().signal, () => Promise.resolve())
      .catch((thrown: unknown) => thrown);
    expect(codeOf(error)).to.equal('OVERLOADED');
    expect(error)
      .to.have.property('message')
      .that.matches(/keyspace 'ks'.*2 loads.*3 wait.*maxConcurrent.*maxQueued/);
    expect(counts()).to.deep.equal([2, 3]);
  });

  it('without a queue refuses whoever finds no place', async () => {
    const strict = new Bulkhead('x', 1, 0);
    const inner = new Rooms(strict);
    inner.ask('a');
    inner.ask('b');
    await turn();
    expect(inner.ended).to.deep.equal(['b OVERLOADED']);
    await inner.leave('a');
    inner.ask('c');
    await turn();
    expect(inner.inside).to.deep.equal(['c']);
  });

  it('a body that fails leaves its place to the next', async () => {
    for (const name of ['a', 'b', 'c']) rooms.ask(name);
    await turn();
    await rooms.leave('a', new Error('boom'));
    expect(rooms.ended).to.deep.equal(['a boom']);
    expect(rooms.inside).to.deep.equal(['b', 'c']);
  });

  it('a body that throws at once leaves its place to the next', async () => {
    const error = await bulkhead
      .run(new AbortController().signal, () => {
        throw new Error('boom');
      })
      .catch((thrown: Error) => thrown.message);
    expect(error).to.equal('boom');
    expect(counts()).to.deep.equal([0, 0]);
  });

  it('who gives up while waiting leaves the queue, and those behind move up', async () => {
    const controller = new AbortController();
    rooms.ask('a');
    rooms.ask('b');
    rooms.ask('c', controller.signal);
    rooms.ask('d');
    await turn();
    controller.abort();
    await turn();
    expect(rooms.ended).to.deep.equal(['c ABORTED']);
    expect(counts()).to.deep.equal([2, 1]);
    await rooms.leave('a');
    expect(rooms.inside).to.deep.equal(['b', 'd']);
    expect(rooms.entered).not.to.include('c');
  });

  it('who has given up before does not queue', async () => {
    rooms.ask('a');
    rooms.ask('b');
    rooms.ask('c', AbortSignal.abort());
    await turn();
    expect(rooms.ended).to.deep.equal(['c ABORTED']);
    expect(counts()).to.deep.equal([2, 0]);
  });

  it('who gives up just when their turn comes does not lose the place for others', async () => {
    const controller = new AbortController();
    rooms.ask('a');
    rooms.ask('b');
    rooms.ask('c', controller.signal);
    rooms.ask('d');
    await turn();
    const left = rooms.leave('a');
    while (bulkhead.queued === 2) await null;
    controller.abort();
    await left;
    expect(rooms.inside).to.deep.equal(['b', 'c']);
    await rooms.leave('c');
    expect(rooms.inside).to.deep.equal(['b', 'd']);
    expect(counts()).to.deep.equal([2, 0]);
  });

  it('nobody who comes later overtakes at a hand-over', async () => {
    for (const name of ['a', 'b', 'c']) rooms.ask(name);
    await turn();
    const left = rooms.leave('a');
    // In the same turn: the place is c's already, though c has not entered yet.
    rooms.ask('late');
    expect(bulkhead.inside).to.equal(2);
    await left;
    expect(rooms.inside).to.deep.equal(['b', 'c']);
    expect(bulkhead.queued).to.equal(1);
  });
});

describe('Bulkhead against its twin', () => {
  for (const seed of (process.env.SEED ?? 'a,b,c').split(',')) {
    it(`agrees over 3,000 comings, goings and givings-up, SEED=${seed}`, async () => {
      const random = seeded(seed);
      const [places, queueMax] = [random.between(1, 4), random.between(0, 5)];
      const bulkhead = new Bulkhead('x', places, queueMax);
      const rooms = new Rooms(bulkhead);
      const controllers = new Map<string, AbortController>();
      const inside: string[] = [];
      const queue: string[] = [];
      const ended: string[] = [];
      const moveUp = (): void => {
        while (inside.length < places && queue.length > 0) inside.push(queue.shift()!);
      };
      for (let step = 0; step < 3000; step++) {
        const name = `n${step}`;
        const what = random.below(3);
        if (what === 0) {
          controllers.set(name, new AbortController());
          rooms.ask(name, controllers.get(name)!.signal);
          if (inside.length < places) inside.push(name);
          else if (queue.length < queueMax) queue.push(name);
          else ended.push(`${name} OVERLOADED`);
        } else if (what === 1 && inside.length > 0) {
          const leaving = random.pick(inside);
          inside.splice(inside.indexOf(leaving), 1);
          moveUp();
          ended.push(`${leaving} done`);
          await rooms.leave(leaving);
        } else if (queue.length > 0) {
          const quitter = random.pick(queue);
          queue.splice(queue.indexOf(quitter), 1);
          ended.push(`${quitter} ABORTED`);
          controllers.get(quitter)!.abort();
        }
        await turn();
        const where = `SEED=${seed} step ${step}`;
        expect(rooms.inside, where).to.deep.equal(inside);
        expect([bulkhead.inside, bulkhead.queued], where).to.deep.equal([inside.length, queue.length]);
        expect(rooms.ended, where).to.deep.equal(ended);
      }
    });
  }
});
