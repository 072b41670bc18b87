import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { type DataSource, Engine, type EngineOptions, type Log, staticDiscovery } from '../../../src/index.js';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${codeOf(error) ?? 'thrown'}: ${messageOf(error)}`,
  );

describe('Engine, as an application uses it', () => {
  const calls: string[] = [];
  const dataSource: DataSource = {
    fetch: (key) => `value of ${key}`,
    open: async () => void calls.push('open'),
    close: async () => void calls.push('close'),
  };
  const engines: Engine[] = [];
  const make = (options: Partial<EngineOptions> = {}): Engine => {
    const engine = new Engine({ keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource }], ...options });
    engines.push(engine);
    return engine;
  };
  beforeEach(() => {
    calls.length = 0;
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.stop()));
  });

  /** A port of the loopback that somebody else listens on. */
  async function takenPort(): Promise<{ port: number; free(): Promise<void> }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      port: (server.address() as AddressInfo).port,
      free: async () => {
        server.close();
        await once(server, 'close');
      },
    };
  }

  it('alone: starts, reads through, answers from memory, and stops', async () => {
    const engine = make();
    expect(engine.status()).to.include({ state: 'starting', ready: false, uptimeMs: 0, grpc: 'off' });
    await engine.start();
    expect(engine.status()).to.include({ state: 'serving', ready: true, peers: 1, ringShare: 1 });
    const first = await engine.get('ks', 'k');
    expect([text(first.value), first.outcome]).to.deep.equal(['value of k', 'load']);
    expect((await engine.get('ks', 'k')).outcome).to.equal('hit');
    await engine.stop();
    expect(engine.status()).to.include({ state: 'stopped', ready: false, healthy: false });
    expect(await outcomeOf(engine.get('ks', 'k'))).to.match(/^NOT_STARTED/);
    expect(calls).to.deep.equal(['open', 'close']);
  });

  it('start called twice starts once', async () => {
    const engine = make();
    expect(engine.start()).to.equal(engine.start());
    await engine.start();
    expect(calls).to.deep.equal(['open']);
  });

  it('stop called before start leaves nothing to start', async () => {
    const engine = make({ bind: { port: 0 } });
    await engine.stop();
    expect(await outcomeOf(engine.start())).to.match(/^NOT_STARTED/);
    expect(engine.status().state).to.equal('stopped');
    expect(calls).not.to.include('open');
  });

  it('stop called during start leaves nothing under way and no port open once it has returned, whenever it comes', async () => {
    // At each step of a start, of which listening takes some.
    for (let turns = 0; turns < 8; turns++) {
      const { port, free } = await takenPort();
      await free();
      const engine = make({ bind: { port } });
      let started = 'under way';
      const starting = outcomeOf(engine.start()).then((outcome) => {
        started = outcome;
      });
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await engine.stop();
      expect(started, `stopped after ${turns} turns`).to.match(/^(NOT_STARTED|done)/);
      const other = createServer().listen(port, '127.0.0.1');
      await once(other, 'listening');
      other.close();
      await once(other, 'close');
      await starting;
    }
  });

  it('a port that is taken fails the start; nothing was opened, so nothing is closed', async () => {
    const { port, free } = await takenPort();
    const engine = make({ bind: { port } });
    const failure = await outcomeOf(engine.start());
    expect(failure).to.include(`127.0.0.1:${port}`);
    expect(engine.status().state).to.equal('stopped');
    expect(calls).to.deep.equal([]);
    expect(await outcomeOf(engine.start())).to.equal(failure);
    await free();
    const other = make({ bind: { port } });
    await other.start();
  });

  it('a source that cannot be opened fails the start, and the port is free again', async () => {
    const broken: DataSource = { ...dataSource, open: () => Promise.reject(new Error('no such table')) };
    const { port, free } = await takenPort();
    await free();
    const engine = make({ bind: { port }, keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: broken }] });
    expect(await outcomeOf(engine.start())).to.include('no such table');
    await make({ bind: { port } }).start();
  });

  for (const timeoutMs of [0, -1, Number.NaN, '5s'] as readonly unknown[]) {
    it(`a time-out of ${JSON.stringify(timeoutMs)} is refused by start and stop, and changes nothing`, async () => {
      const engine = make();
      const options = { timeoutMs: timeoutMs as number };
      expect(await outcomeOf(engine.start(options))).to.match(/^INVALID_ARGUMENT: timeoutMs/);
      await engine.start();
      expect(await outcomeOf(engine.stop(options))).to.match(/^INVALID_ARGUMENT: timeoutMs/);
      expect(engine.status().state).to.equal('serving');
    });
  }

  describe('a logger', () => {
    const rude: Record<string, Log['write']> = {
      'that throws': () => {
        throw new Error('disk full');
      },
      'that rejects': (async () => {
        throw new Error('disk full');
      }) as unknown as Log['write'],
    };
    for (const [name, write] of Object.entries(rude)) {
      it(`${name} never reaches the engine: two nodes meet, load, part and stop`, async () => {
        let written = 0;
        const logger: Log = {
          write: (...given) => {
            written++;
            return write(...given);
          },
        };
        const failing: DataSource = { ...dataSource, close: () => Promise.reject(new Error('busy')) };
        const keyspaces = [{ name: 'ks', maxBytes: '1MiB', dataSource: failing }];
        const at = { bind: { port: 0 }, gossip: { port: 0 }, logger, keyspaces };
        const first = make({ name: 'one', ...at });
        await first.start();
        const discovery = staticDiscovery({ peers: [first.status().gossip] });
        const second = make({ name: 'two', ...at, discovery });
        await second.start();
        const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
        const found = await second.getMany('ks', keys);
        expect(new Set(found.map(({ node }) => node))).to.deep.equal(new Set(['one', 'two']));
        await second.stop();
        await first.stop();
        expect(written).to.be.above(3);
        // A rejection that nobody handles ends the process, at the latest now.
        await new Promise((resolve) => setImmediate(resolve));
      });
    }
  });
});
