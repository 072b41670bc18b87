import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { followEvents } from '../../../src/cli/follow-events.js';
import { type Client, connect } from '../../../src/client/client.js';
import type { WatchedEvent } from '../../../src/client/replies.js';
import { Engine } from '../../../src/node/engine.js';
import { systemClock } from '../../../src/platform/clock.js';
import type { Member } from '../../../src/ports/membership.js';
import { type FakeNode, startFakeNode } from '../../support/fake-node.js';

const member: Member = {
  id: 'i1',
  name: 'cache-2',
  address: '10.0.0.2:3320',
  admin: '',
  gossip: '10.0.0.2:3322',
  version: '0.1.0',
  weight: 2,
  incarnation: 17,
  state: 'alive',
  serving: true,
};

const codeOfRejection = (work: Promise<unknown>): Promise<string | undefined> => work.then(() => undefined, codeOf);

describe('client: events', () => {
  let node: FakeNode;
  let client: Client;

  beforeEach(async () => {
    node = await startFakeNode();
    client = connect({ addresses: [node.address] });
  });
  afterEach(async () => {
    await client.close();
    await node.stop();
  });

  it('begin with listening, and from there on come in order with all that was told', async () => {
    const events = client.events();
    const first = (await events.next()).value as WatchedEvent;
    expect(first).to.deep.include({ type: 'listening', node: 'fake-1' });
    expect(Math.abs(first.at.getTime() - Date.now())).to.be.below(60_000);
    node.service.hub.publish({ type: 'peer-joined', peer: member });
    node.service.hub.publish({ type: 'keyspace-deleted', keyspace: 'ks' });
    const { at: _at, ...joined } = (await events.next()).value as WatchedEvent;
    expect(joined).to.deep.equal({ type: 'peer-joined', node: 'fake-1', peer: member });
    expect((await events.next()).value).to.deep.include({ type: 'keyspace-deleted', keyspace: 'ks' });
    await events.return();
  });

  it('that overflow are told as a gap, with how many', async () => {
    const events = client.events();
    await events.next();
    for (let i = 0; i < 1100; i++) node.service.hub.publish({ type: 'keyspace-deleted', keyspace: `${i}` });
    let told = 0;
    let missed = 0;
    while (told + missed < 1100) {
      const { value } = await events.next();
      if (value?.type === 'gap') missed += value.missed;
      else told++;
    }
    expect(missed).to.be.above(0);
    await events.return();
  });

  it('end with the node that stops, and reject when the connection breaks', async () => {
    const ending = client.events();
    await ending.next();
    node.service.hub.close();
    expect((await ending.next()).done).to.equal(true);

    const other = await startFakeNode('fake-2');
    const around = connect({ addresses: [other.address] });
    const broken = around.events();
    await broken.next();
    const next = broken.next();
    await other.stop();
    expect(await codeOfRejection(next)).to.equal('PEER_UNREACHABLE');
    await around.close();
  });

  it('end with the signal, with the client, and for the node when the loop is left', async () => {
    const controller = new AbortController();
    const aborted = client.events({ signal: controller.signal });
    await aborted.next();
    const next = aborted.next();
    controller.abort();
    expect(await codeOfRejection(next)).to.equal('ABORTED');

    const other = connect({ addresses: [node.address] });
    const closed = other.events();
    await closed.next();
    const waiting = closed.next();
    await other.close();
    expect(await codeOfRejection(waiting)).to.equal('ABORTED');

    for await (const event of client.events()) {
      expect(event.type).to.equal('listening');
      break;
    }
  });

  it('are refused where nobody answers, and where a thousand follow already', async () => {
    const nowhere = connect({ addresses: ['127.0.0.1:1'], timeoutMs: 500 });
    expect(await codeOfRejection(nowhere.events().next())).to.equal('PEER_UNREACHABLE');
    await nowhere.close();
    for (let i = 0; i < 1000; i++) node.service.hub.subscribe();
    expect(await codeOfRejection(client.events().next())).to.equal('OVERLOADED');
  });

  it('of a real engine tell of what happens there, and end with it', async () => {
    const engine = new Engine({
      name: 'real',
      bind: { port: 0 },
      keyspaces: [{ name: 'gone', maxBytes: 65_536, dataSource: { fetch: () => new Uint8Array() } }],
    });
    await engine.start();
    const around = connect({ addresses: [engine.status().grpc] });
    const events = around.events();
    expect((await events.next()).value).to.include({ type: 'listening', node: 'real' });
    expect(await around.locate('gone', 'k')).to.deep.equal({
      owner: 'real',
      replicas: [],
      nodes: [{ name: 'real', share: 1 }],
    });
    expect(await codeOfRejection(around.locate('other', 'k'))).to.equal('KEYSPACE_NOT_FOUND');
    expect((await around.peers())[0]).to.deep.include({ name: 'real', serving: true, weight: 1, isSelf: true });
    expect(await around.status()).to.include({ serving: true, weight: 1 });
    await engine.deleteKeyspace('gone');
    expect((await events.next()).value).to.include({ type: 'keyspace-deleted', keyspace: 'gone' });
    await engine.stop();
    expect((await events.next()).done).to.equal(true);
    await around.close();
  });

  it('are followed until the count is reached, or the time is up', async () => {
    const seen: string[] = [];
    const follow = (forMs: number | undefined, count: number | undefined): Promise<void> =>
      followEvents(
        client,
        { forMs, count, signal: new AbortController().signal, clock: systemClock },
        async ({ type }) => {
          seen.push(type);
          if (type === 'listening') node.service.hub.publish({ type: 'gap', missed: 3 });
          if (type === 'gap') node.service.hub.publish({ type: 'keyspace-deleted', keyspace: 'x' });
        },
      );
    await follow(undefined, 1);
    expect(seen).to.deep.equal(['listening', 'gap', 'keyspace-deleted']);
    await follow(200, undefined);
    expect(await codeOfRejection(follow(200, 2))).to.equal('TIMEOUT');
    const stopped = follow(undefined, 5);
    node.service.hub.close();
    expect(await codeOfRejection(stopped)).to.equal('PEER_UNREACHABLE');
  });
});
