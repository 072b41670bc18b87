import { Socket } from 'node:net';
import { expect } from 'chai';
import { codeOf, messageOf } from '../../src/base/errors.js';
import { natsDiscovery } from '../../src/discovery/nats/discovery.js';
import type { NatsOptions } from '../../src/discovery/nats/settings.js';
import { systemClock } from '../../src/platform/clock.js';
import { systemRandom } from '../../src/platform/random.js';
import type { Clock, Wait } from '../../src/ports/clock.js';
import type { Discovery, DiscoveryContext } from '../../src/ports/discovery.js';
import { discoveryContract, type Finding } from '../contract/discovery.contract.js';
import { RawNats, TestNatsServer } from '../support/nats-server.js';
import { needs } from '../support/servers.js';
import { pause, until, within } from '../support/until.js';

const subject = 'distcache.test';
const wait = (ms = 3000): Wait => ({ deadlineMs: systemClock.nowMs() + ms });
const here = (name: string, gossip: string): string => JSON.stringify({ distcache: 1, is: 'here', name, gossip });
const gone = (name: string, gossip: string): string => JSON.stringify({ distcache: 1, is: 'gone', name, gossip });

interface Line {
  readonly level: string;
  readonly text: string;
}

const lineLog = (lines: Line[]): DiscoveryContext['log'] => ({
  write: (level, message, fields) => void lines.push({ level, text: `${message} ${JSON.stringify(fields ?? {})}` }),
});

/** The machine's clock, with the timers that wait counted. */
function countingClock(): Clock & { pending(): number } {
  let pending = 0;
  return {
    ...systemClock,
    after(delayMs, run, options) {
      let isOpen = true;
      const end = (): void => {
        if (isOpen) pending--;
        isOpen = false;
      };
      pending++;
      const cancel = systemClock.after(
        delayMs,
        () => {
          end();
          run();
        },
        options,
      );
      return () => {
        end();
        cancel();
      };
    },
    pending: () => pending,
  };
}

const openSockets = (): readonly Socket[] =>
  (process as unknown as { _getActiveHandles(): readonly unknown[] })
    ._getActiveHandles()
    .filter((handle): handle is Socket => handle instanceof Socket && !handle.destroyed);

/** Other nodes, all behind one bare connection, that answer and tell of themselves as nodes do. */
class Others {
  #addresses: readonly string[] = [];
  #client: RawNats | undefined;

  async connect(port: number): Promise<void> {
    this.#client?.close();
    this.#client = await RawNats.connected(port, subject, ({ text, reply }) => {
      if (reply === '' || !text.includes('"who"')) return;
      for (const address of this.#addresses) this.#client?.publish(reply, here(`node ${address}`, address));
    });
    await this.know(this.#addresses);
  }

  async know(addresses: readonly string[]): Promise<void> {
    const went = this.#addresses.filter((address) => !addresses.includes(address));
    this.#addresses = addresses;
    for (const address of addresses) this.#client?.publish(subject, here(`node ${address}`, address));
    for (const address of went) this.#client?.publish(subject, gone(`node ${address}`, address));
    if (addresses.length + went.length > 0) await this.#client?.flush();
  }

  owns(socket: Socket): boolean {
    return this.#client?.owns(socket) === true;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}

async function finding(): Promise<Finding> {
  const server = await TestNatsServer.started();
  const others = new Others();
  await others.connect(server.port);
  const clock = countingClock();
  return {
    discovery: natsDiscovery({ servers: [server.url], subject, timeout: '500ms' }),
    context: { clock, random: systemRandom, log: lineLog([]), self: { name: 'self', gossip: '10.0.0.1:3322' } },
    named: new RegExp(`127\\.0\\.0\\.1:${server.port}`),
    address: (i) => `10.1.${i >> 8}.${i & 0xff}:3322`,
    know: (addresses) => others.know(addresses),
    down: async () => {
      others.close();
      await server.kill();
    },
    up: async () => {
      server.thaw();
      if (!(await isUp(server))) await server.start();
      await others.connect(server.port);
    },
    silence: () => server.freeze(),
    manyKnown: true,
    pass: pause,
    until: (promise) => within(50_000, 'the provider', promise),
    open: () =>
      clock.pending() +
      openSockets().filter((socket) => socket.remotePort === server.port && !others.owns(socket)).length,
    close: async () => {
      others.close();
      await server.close();
    },
  };
}

const isUp = (server: TestNatsServer): Promise<boolean> =>
  RawNats.connected(server.port, 'anything', () => {}).then(
    (client) => {
      client.close();
      return true;
    },
    () => false,
  );

describe('discovery over NATS', function () {
  this.timeout(60_000);
  before(function () {
    needs(this, 'nats-server', 'nats-server');
  });

  discoveryContract('nats, with a real server', finding);

  describe('among nodes', () => {
    const servers: TestNatsServer[] = [];
    const nodes: Discovery[] = [];
    const bare: RawNats[] = [];

    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((node) => node.stop(wait())));
      for (const client of bare.splice(0)) client.close();
      await Promise.all(servers.splice(0).map((server) => server.close()));
    });

    const serve = async (config = ''): Promise<TestNatsServer> => {
      const server = await TestNatsServer.started(config);
      servers.push(server);
      return server;
    };

    const gossipOf = (i: number): string => `10.2.0.${i}:3322`;

    async function node(i: number, options: Partial<NatsOptions> & Pick<NatsOptions, 'servers'>) {
      const lines: Line[] = [];
      const discovery = natsDiscovery({ subject, timeout: '300ms', ...options });
      nodes.push(discovery);
      const self = { name: `node-${i}`, gossip: gossipOf(i) };
      await discovery.start({ clock: systemClock, random: systemRandom, log: lineLog(lines), self }, wait());
      const find = async (): Promise<readonly string[]> => [...(await discovery.find(wait()))].sort();
      return {
        discovery,
        lines,
        find,
        finds: (...which: number[]) =>
          until(`node ${i} finds ${which}`, async () => {
            const found = await find().catch((error: unknown) => [messageOf(error)]);
            return found.join() === which.map(gossipOf).sort().join();
          }),
      };
    }

    const has = (lines: readonly Line[], pattern: RegExp): number =>
      lines.filter(({ text }) => pattern.test(text)).length;
    const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => undefined,
        (error) => error,
      );

    it('three find each other, and one that stops is gone', async () => {
      const { url } = await serve();
      const [one, two, three] = [
        await node(1, { servers: [url] }),
        await node(2, { servers: [url] }),
        await node(3, { servers: [url] }),
      ];
      await one.finds(2, 3);
      await two.finds(1, 3);
      await three.finds(1, 2);
      await three.discovery.stop(wait());
      await one.finds(2);
    });

    it('a server that comes later is used when it is there, and told of once until then', async () => {
      const server = await serve();
      await server.kill();
      const one = await node(1, { servers: [server.url] });
      const two = await node(2, { servers: [server.url] });
      expect(codeOf(await failureOf(one.find()))).to.equal('PEER_UNREACHABLE');
      // Long enough for several tries.
      await pause(1500);
      expect(has(one.lines, /cannot connect/)).to.equal(1);
      await server.start();
      await one.finds(2);
      await two.finds(1);
      expect(has(one.lines, /^connected to NATS/)).to.equal(1);
    });

    it('a server that is killed and started again is found again by all, each telling it once', async () => {
      const server = await serve();
      const all = await Promise.all([1, 2, 3].map((i) => node(i, { servers: [server.url] })));
      await all[0]!.finds(2, 3);
      await server.kill();
      await until('all notice', () => all.every(({ lines }) => has(lines, /lost the connection/) === 1));
      await pause(1000);
      await server.start();
      await all[0]!.finds(2, 3);
      await all[1]!.finds(1, 3);
      await all[2]!.finds(1, 2);
      for (const { lines } of all) {
        expect(has(lines, /lost the connection/)).to.equal(1);
        expect(has(lines, /connected again/)).to.equal(1);
      }
    });

    it('goes on with another server of the list', async () => {
      const [first, second] = [await serve(), await serve()];
      await first.kill();
      const both = [first.url, second.url];
      const one = await node(1, { servers: both });
      await node(2, { servers: both });
      await one.finds(2);
    });

    for (const { title, config, right, wrong } of [
      {
        title: 'a user and password',
        config: 'authorization { user: cache, password: "s3cret!" }',
        right: { user: 'cache', password: 's3cret!' },
        wrong: { user: 'cache', password: 'wr0ng' },
      },
      {
        title: 'a token',
        config: 'authorization { token: "s3cret!" }',
        right: { token: 's3cret!' },
        wrong: { token: 'wr0ng' },
      },
    ]) {
      it(`${title} lets in, and a wrong one is told with the setting to check, without the secret`, async () => {
        const { url } = await serve(config);
        const one = await node(1, { servers: [url], credentials: right });
        await node(2, { servers: [url], credentials: right });
        await one.finds(2);
        const stranger = await node(3, { servers: [url], credentials: wrong });
        const error = await failureOf(stranger.find());
        expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
        await until(
          'it is told',
          () =>
            has(
              stranger.lines,
              /refuses this node; check user and password, token or credentials of discovery\.nats/,
            ) === 1,
        );
        await pause(1000);
        expect(stranger.lines.map(({ level }) => level)).to.deep.equal(['error']);
        expect(messageOf(error) + JSON.stringify(stranger.lines)).not.to.match(/s3cret|wr0ng/);
      });
    }

    it('a user in the URL is used and never shown', async () => {
      const server = await serve('authorization { user: cache, password: "p@ss" }');
      const servers = [`nats://cache:p%40ss@127.0.0.1:${server.port}`];
      const one = await node(1, { servers });
      await node(2, { servers });
      await one.finds(2);
      await server.kill();
      const error = await failureOf(one.find());
      expect(messageOf(error)).to.include(`nats://127.0.0.1:${server.port}`);
      expect(messageOf(error) + JSON.stringify(one.lines)).not.to.match(/p@ss|p%40ss/);
    });

    it('rights that are missing are told with what to allow', async () => {
      const { url } = await serve(
        'authorization { users: [ { user: a, password: b, permissions: { publish: "other.>", subscribe: "other.>" } } ] }',
      );
      const one = await node(1, { servers: [url], credentials: { user: 'a', password: 'b' } });
      await until(
        'it is told',
        () => has(one.lines, /does not let this user publish to distcache\.test; allow both/) === 1,
      );
      const error = await failureOf(one.find());
      expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
      expect(messageOf(error)).to.match(/allow both for distcache\.test and _INBOX\.>/);
    });

    it('another subject is another world', async () => {
      const { url } = await serve();
      const one = await node(1, { servers: [url] });
      await node(2, { servers: [url] });
      const apart = await node(3, { servers: [url], subject: 'distcache.other' });
      await one.finds(2);
      await apart.finds();
    });

    it('garbage on the subject and in answers is ignored, and told once', async () => {
      const server = await serve();
      const one = await node(1, { servers: [server.url] });
      await node(2, { servers: [server.url] });
      await one.finds(2);
      const garbage: readonly (string | Uint8Array)[] = [
        '',
        'hello',
        '{',
        'null',
        '[]',
        '{"distcache":2,"is":"who"}',
        here('x', '10.0.0.1'),
        here('x', 'evil.example:3322'),
        here('', '10.0.0.1:3322'),
        here('x'.repeat(5000), '10.0.0.1:3322'),
        Buffer.from([0xff, 0xfe, 0, 1, 2]),
        Buffer.alloc(100_000, '['),
      ];
      const foreign = await RawNats.connected(server.port, subject, ({ reply }) => {
        for (const bytes of garbage) foreign.publish(reply === '' ? subject : reply, bytes);
      });
      bare.push(foreign);
      for (const bytes of garbage) foreign.publish(subject, bytes, 'not.an.inbox');
      await foreign.flush();
      await one.finds(2);
      await until('it is told', () => has(one.lines, /no message of distcache/) === 1);
      await one.finds(2);
      expect(has(one.lines, /no message of distcache/)).to.equal(1);
    });

    it('answers only to inboxes', async () => {
      const server = await serve();
      const one = await node(1, { servers: [server.url] });
      await one.finds();
      const told: string[] = [];
      const foreign = await RawNats.connected(server.port, '>', ({ subject: on }) => void told.push(on));
      bare.push(foreign);
      const who = JSON.stringify({ distcache: 1, is: 'who' });
      foreign.publish(subject, who, 'victim');
      foreign.publish(subject, who, '_INBOX.mine');
      await until('it answers', () => told.includes('_INBOX.mine'));
      expect(told).not.to.include('victim');
    });

    it('a node that comes and one that goes are told at once, without being asked for', async () => {
      const { url } = await serve();
      const one = await node(1, { servers: [url] });
      let told: readonly string[] = [];
      one.discovery.watch!((addresses) => {
        told = [...addresses].sort();
      });
      const two = await node(2, { servers: [url] });
      await until('two is told', () => told.join() === gossipOf(2));
      await node(3, { servers: [url] });
      await until('three is told', () => told.join() === [gossipOf(2), gossipOf(3)].join());
      await two.discovery.stop(wait());
      await until('two is gone', () => told.join() === gossipOf(3));
    });

    it('a server that takes connections and says nothing leaves no socket behind', async () => {
      const server = await serve();
      await server.freeze();
      const one = await node(1, { servers: [server.url] });
      expect(codeOf(await failureOf(one.find()))).to.equal('PEER_UNREACHABLE');
      await one.discovery.stop(wait());
      expect(openSockets().filter((socket) => socket.remotePort === server.port)).to.have.lengthOf(0);
    });
  });
});
