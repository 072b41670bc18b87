import { createSecretKey, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { ClusterSecret } from '../../../src/access/cluster-secret.js';
import type { FrameStream } from '../../../src/transport/frame-stream.js';
import { decodeFrame, encodeFrame, type Frame, type Hello } from '../../../src/wire/frames.js';
import { addressOf, LinkCluster } from '../../support/link-cluster.js';
import { nodeInfo } from '../../support/peer-nodes.js';

const [old, fresh, other] = ['o', 'f', 'x'].map((letter) => Buffer.alloc(32, letter));

const secretOf = (...keys: readonly (Buffer | undefined)[]): ClusterSecret =>
  new ClusterSecret(
    () => keys.map((key) => createSecretKey(key!)),
    () => randomBytes(16),
  );

const quiet = { write: () => {} };
const options = (...keys: readonly (Buffer | undefined)[]) => ({
  log: quiet,
  ...(keys.length === 0 ? {} : { proof: secretOf(...keys) }),
});

describe('PeerLinks: the proof of the secret', () => {
  const rows: readonly {
    name: string;
    a: readonly (Buffer | undefined)[];
    b: readonly (Buffer | undefined)[];
    linked: boolean;
  }[] = [
    { name: 'the same secret', a: [old], b: [old], linked: true },
    { name: 'no secret on either side', a: [], b: [], linked: true },
    { name: 'another secret', a: [old], b: [other], linked: false },
    { name: 'a secret on the dialling side alone', a: [old], b: [], linked: false },
    { name: 'a secret on the dialled side alone', a: [], b: [old], linked: false },
    { name: 'a new secret behind the old on one side', a: [old, fresh], b: [old], linked: true },
    { name: 'a new secret in front on one side, behind on the other', a: [fresh, old], b: [old, fresh], linked: true },
    { name: 'the old secret gone on one side, behind on the other', a: [fresh], b: [fresh, old], linked: true },
    { name: 'a secret that the other side has not heard of yet', a: [fresh, old], b: [old], linked: false },
  ];
  for (const { name, a, b, linked } of rows) {
    it(`${linked ? 'links' : 'does not link'}: ${name}`, async () => {
      const cluster = new LinkCluster();
      const dialling = cluster.add('a', options(...a));
      const dialled = cluster.add('b', options(...b));
      dialling.links.dial(addressOf('b'));
      await cluster.clock.advance(2_000);
      expect(dialling.events.includes('up node-b')).to.equal(linked);
      expect(dialled.events.includes('up node-a')).to.equal(linked);
      if (linked) expect(await cluster.get(dialling, 'b')).to.equal('node-b:x');
      else expect(dialling.problems.map(({ message }) => message).join()).to.match(/gossip\.secrets|end/);
      await cluster.stop();
    });
  }

  /** Opens a stream to node a by hand. */
  function stranger(cluster: LinkCluster): { stream: FrameStream; heard: Frame[] } {
    const stream = cluster.network.host('stranger').dialer.dial(addressOf('a'));
    const heard: Frame[] = [];
    stream.open({ frame: (bytes) => heard.push(decodeFrame(bytes)), drain: () => {}, closed: () => {} });
    return { stream, heard };
  }

  const hello: Hello = { ...nodeInfo('9', 'x:1'), protocol: 1, label: 'test', hasher: '', nonce: randomBytes(16) };
  const greeting = (more: Partial<Hello> = {}): Uint8Array =>
    encodeFrame({ clock: 1, operations: [], hello: { ...hello, ...more } });

  it('is asked of who dials, who cannot borrow one from another link', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('a', options(old));
    const first = stranger(cluster);
    first.stream.send(greeting());
    await cluster.clock.advance(10);
    const proof = first.heard[0]?.hello?.proof;
    expect(proof).to.have.length(32);
    // What node a has proven of itself, said back to it.
    first.stream.send(greeting({ proof }));
    await cluster.clock.advance(700);
    expect(first.heard.at(-1)?.goodbye?.reason).to.equal('NOT_PROVEN');

    const second = stranger(cluster);
    second.stream.send(greeting({ proof: randomBytes(32) }));
    await cluster.clock.advance(10);
    second.stream.send(encodeFrame({ clock: 1, operations: [] }));
    await cluster.clock.advance(700);
    expect(second.heard.at(-1)?.goodbye?.reason).to.equal('NOT_PROVEN');
    expect(a.events).to.deep.equal([]);
    await cluster.stop();
  });

  it('is no use a second time: the same words on a new link prove nothing', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('a', options(old));
    const secret = secretOf(old);
    const first = stranger(cluster);
    first.stream.send(greeting());
    await cluster.clock.advance(10);
    const theirs = first.heard[0]!.hello!;
    const end = ({ id, name, address, nonce }: Hello) => ({ id, name, address, nonce: nonce! });
    const introduction = { from: 'dialling', label: 'test', dialling: end(hello), dialled: end(theirs) } as const;
    const confirmation = greeting({ proof: secret.prove(introduction) });
    first.stream.send(confirmation);
    await cluster.clock.advance(10);
    expect(a.events).to.deep.equal(['up node-9']);
    first.stream.destroy();
    await cluster.clock.advance(700);

    const second = stranger(cluster);
    second.stream.send(greeting());
    await cluster.clock.advance(10);
    second.stream.send(confirmation);
    await cluster.clock.advance(700);
    expect(second.heard.at(-1)?.goodbye?.reason).to.equal('NOT_PROVEN');
    expect(a.events).to.deep.equal(['up node-9', 'down node-9']);
    await cluster.stop();
  });

  it('who has not given it learns no name, and has nobody dialled', async () => {
    const cluster = new LinkCluster();
    cluster.add('a', options(old));
    const dialled: string[] = [];
    cluster.network.host('victim:1').listen((stream) => {
      dialled.push('victim');
      stream.destroy();
    });
    const { stream, heard } = stranger(cluster);
    stream.send(greeting({ id: 'z', address: 'victim:1' }));
    await cluster.clock.advance(3_000);
    expect(heard.at(-1)?.goodbye?.reason).to.equal('DIAL_YOU');
    expect(heard.at(-1)?.hello).to.equal(undefined);
    expect(dialled).to.deep.equal([]);
    await cluster.stop();
  });
});
