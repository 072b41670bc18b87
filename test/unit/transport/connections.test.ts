import { expect } from 'chai';
import { type Connection, type ConnectionLimits, Connections, type Wire } from '../../../src/transport/connections.js';
import { FakeClock } from '../../support/fake-clock.js';

class FakeWire implements Wire {
  readonly remoteAddress = '10.0.0.1';
  readonly localAddress = '10.0.0.2';
  readonly localPort = 3320;
  bytesWritten = 0;
  isDestroyed = false;

  constructor(readonly remotePort: number) {}

  destroy(): void {
    this.isDestroyed = true;
  }
}

const limits: ConnectionLimits = { maxConnections: 4, maxStrangers: 2, maxUnsentBytes: 100, maxUnsentBytesTotal: 150 };

describe('connections', () => {
  let clock: FakeClock;
  let connections: Connections;
  let wires: FakeWire[];
  beforeEach(() => {
    clock = new FakeClock();
    connections = new Connections(clock, limits);
    wires = [];
  });
  afterEach(() => {
    connections.close();
    expect(connections.counts()).to.include({ connections: 0, unsentBytes: 0 });
    expect(clock.pending()).to.equal(0);
  });

  function join(): Connection {
    const wire = new FakeWire(1_000 + wires.length);
    wires.push(wire);
    return connections.join(wire, true, undefined);
  }
  const friend = (): Connection => {
    const connection = join();
    connections.introduce(connection);
    return connection;
  };
  const dropped = (): readonly number[] => wires.flatMap((wire, index) => (wire.isDestroyed ? [index] : []));

  it('have room for so many, and count who is turned away', () => {
    for (let index = 0; index < 4; index++) {
      expect(connections.hasRoom()).to.equal(true);
      friend();
    }
    expect(connections.hasRoom()).to.equal(false);
    expect(connections.counts()).to.include({ connections: 4, connectionsAccepted: 4, connectionsRefused: 1 });
  });

  it('the oldest that has made no call makes room for the next; who has made one stays', () => {
    friend();
    join();
    join();
    expect(dropped()).to.deep.equal([]);
    join();
    expect(dropped()).to.deep.equal([1]);
    expect(connections.counts()).to.include({ connections: 3, strangersDropped: 1 });
  });

  it('one that leaves so much unread may ask for nothing more until it has read', () => {
    const one = friend();
    connections.wait(one, 100);
    expect(connections.isFull(one)).to.equal(true);
    connections.taken(one, 60);
    expect(connections.isFull(one)).to.equal(false);
  });

  it('of all that read slowly who leaves most is cut off where it becomes too much', () => {
    const [one, two, three] = [friend(), friend(), friend()];
    connections.wait(one, 60);
    connections.wait(two, 70);
    connections.wait(three, 30);
    expect(dropped()).to.deep.equal([1]);
    expect(connections.counts()).to.include({ readersCutOff: 1, unsentBytes: 90 });
    // What was under way to it is over, and counts for nothing more.
    connections.taken(two, 70);
    expect(connections.counts().unsentBytes).to.equal(90);
  });

  it('one that takes nothing of its answers for 30 s is cut off; one that takes a little is not', async () => {
    const [still, slow] = [friend(), friend()];
    connections.wait(still, 10);
    connections.wait(slow, 10);
    for (let times = 0; times < 8; times++) {
      wires[1]!.bytesWritten += 1;
      await clock.advance(5_000);
    }
    expect(dropped()).to.deep.equal([0]);
    expect(connections.counts()).to.include({ readersCutOff: 1, connections: 1 });
    connections.taken(slow, 10);
    await clock.advance(60_000);
    expect(dropped()).to.deep.equal([0]);
  });

  it('are found by their ends for as long as they are open, and tell when none is left', () => {
    const one = friend();
    expect(connections.find(wires[0]!)).to.equal(one);
    let isEmpty = false;
    connections.whenEmpty(() => {
      isEmpty = true;
    });
    expect(isEmpty).to.equal(false);
    connections.left(one);
    connections.left(one);
    expect(connections.find(wires[0]!)).to.equal(undefined);
    expect(isEmpty).to.equal(true);
  });
});
