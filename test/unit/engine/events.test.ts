import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { type EngineEvent, EventHub } from '../../../src/engine/events.js';

const event = (keyspace: string | number): EngineEvent => ({ type: 'keyspace-deleted', keyspace: String(keyspace) });
const short = (one: EngineEvent): string =>
  one.type === 'gap' ? `gap of ${one.missed}` : one.type === 'keyspace-deleted' ? one.keyspace : one.type;

describe('EventHub', () => {
  let hub: EventHub;
  beforeEach(() => {
    hub = new EventHub();
  });
  const drain = async (events: AsyncIterableIterator<EngineEvent>): Promise<string[]> => {
    const seen: string[] = [];
    for await (const one of events) seen.push(short(one));
    return seen;
  };

  it('hands every event to every subscriber, from when each began', async () => {
    const early = hub.subscribe();
    hub.publish(event(1));
    const late = hub.subscribe();
    hub.publish(event(2));
    hub.close();
    expect([await drain(early), await drain(late)]).to.deep.equal([['1', '2'], ['2']]);
  });

  it('answers calls of next in their order, however many were made at once', async () => {
    const events = hub.subscribe();
    const answers = [events.next(), events.next(), events.next()];
    hub.publish(event(1));
    answers.push(events.next());
    hub.publish(event(2));
    hub.publish(event(3));
    hub.close();
    expect((await Promise.all(answers)).map(({ value }) => value && short(value))).to.deep.equal([
      '1',
      '2',
      '3',
      undefined,
    ]);
  });

  it('a subscriber that throws in its loop is gone, and nobody else is disturbed', async () => {
    const rude = hub.subscribe();
    const polite = hub.subscribe();
    const failing = (async () => {
      for await (const one of rude) throw new Error(`at ${short(one)}`);
    })().catch((error: Error) => error.message);
    hub.publish(event(1));
    expect(await failing).to.equal('at 1');
    hub.publish(event(2));
    hub.close();
    expect(await rude.next()).to.deep.equal({ value: undefined, done: true });
    expect(await drain(polite)).to.deep.equal(['1', '2']);
  });

  it('a slow subscriber finds the marker where events are missing, not behind later ones', async () => {
    const events = hub.subscribe();
    for (let i = 0; i < 1030; i++) hub.publish(event(i));
    expect(hub.counts()).to.deep.equal({ subscribers: 1, queued: 1024, missed: 6, refused: 0 });
    expect(short((await events.next()).value)).to.equal('0');
    // There is room again, but what comes now lies behind the gap.
    hub.publish(event('behind'));
    for (let i = 1; i < 1024; i++) expect(short((await events.next()).value)).to.equal(String(i));
    expect(short((await events.next()).value)).to.equal('gap of 7');
    hub.publish(event('after'));
    hub.close();
    expect(await drain(events)).to.deep.equal(['after']);
  });

  it('ends with its signal, and whoever waits then hears so', async () => {
    const controller = new AbortController();
    const events = hub.subscribe(controller.signal);
    const waiting = events.next();
    controller.abort();
    expect(await waiting).to.deep.equal({ value: undefined, done: true });
    hub.publish(event(1));
    expect(await drain(events)).to.deep.equal([]);
  });

  it('of a signal that has aborted, or a hub that has closed, is at its end from the start', async () => {
    expect(await drain(hub.subscribe(AbortSignal.abort()))).to.deep.equal([]);
    hub.close();
    expect(await drain(hub.subscribe())).to.deep.equal([]);
  });

  it('refuses the subscriber beyond a thousand, and takes one again when another ends', async () => {
    const all = Array.from({ length: 1000 }, () => hub.subscribe());
    let refused: unknown;
    try {
      hub.subscribe();
    } catch (error) {
      refused = error;
    }
    expect(codeOf(refused)).to.equal('OVERLOADED');
    await all[0]!.return!();
    await all[0]!.return!();
    hub.subscribe();
    expect(() => hub.subscribe()).to.throw('1000 subscribers');
    expect(hub.counts()).to.include({ subscribers: 1000, refused: 2 });
  });

  it('leaves no listener behind on the signal of a subscriber that ended', async () => {
    const { signal } = new AbortController();
    const added: string[] = [];
    for (const method of ['addEventListener', 'removeEventListener'] as const) {
      const real = signal[method].bind(signal) as (...given: unknown[]) => void;
      Object.assign(signal, {
        [method]: (...given: unknown[]) => {
          added.push(method);
          real(...given);
        },
      });
    }
    const left = hub.subscribe(signal);
    hub.subscribe(signal);
    await left.return!();
    hub.close();
    expect(added.filter((method) => method === 'addEventListener')).to.have.length(2);
    expect(added.filter((method) => method === 'removeEventListener')).to.have.length(2);
  });
});
