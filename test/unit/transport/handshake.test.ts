import { expect } from 'chai';
import type { FrameStream } from '../../../src/transport/frame-stream.js';
import { decodeFrame, encodeFrame, type Goodbye, type Hello } from '../../../src/wire/frames.js';
import { addressOf, LinkCluster } from '../../support/link-cluster.js';
import { nodeInfo } from '../../support/peer-nodes.js';

describe('PeerLinks: strangers', () => {
  const hello: Hello = { ...nodeInfo('9', 'x:1'), protocol: 1, label: 'test', hasher: '' };

  /** Opens a stream to node a and gives what came back, decoded. */
  function stranger(cluster: LinkCluster): { stream: FrameStream; heard: (Goodbye | string)[]; closed: () => boolean } {
    const stream = cluster.network.host('stranger').dialer.dial(addressOf('a'));
    const heard: (Goodbye | string)[] = [];
    let closed = false;
    stream.open({
      frame(bytes) {
        const frame = decodeFrame(bytes);
        heard.push(frame.goodbye ?? (frame.hello === undefined ? 'frame' : 'hello'));
      },
      drain: () => {},
      closed: () => {
        closed = true;
      },
    });
    return { stream, heard, closed: () => closed };
  }

  const rows: Record<string, { frames: Uint8Array[]; reason: string }> = {
    noise: { frames: [Uint8Array.from([1, 2, 3])], reason: 'BAD_FRAME' },
    'a greeting of 100 KiB': { frames: [new Uint8Array(100 * 1024)], reason: 'BAD_FRAME' },
    'requests before a greeting': {
      frames: [encodeFrame({ clock: 1, operations: [{ is: 'cancel', id: 1 }] })],
      reason: 'BAD_FRAME',
    },
    'another protocol': {
      frames: [encodeFrame({ clock: 1, operations: [], hello: { ...hello, protocol: 2 } })],
      reason: 'WRONG_PROTOCOL',
    },
    'a larger id': {
      frames: [encodeFrame({ clock: 1, operations: [], hello: { ...hello, id: 'z' } })],
      reason: 'DIAL_YOU',
    },
    'noise instead of the confirmation': {
      frames: [encodeFrame({ clock: 1, operations: [], hello }), Uint8Array.from([0xff])],
      reason: 'BAD_FRAME',
    },
  };
  for (const [name, { frames, reason }] of Object.entries(rows)) {
    it(`are sent away with a reason: ${name}`, async () => {
      const cluster = new LinkCluster();
      const a = cluster.add('a', { log: { write: () => {} } });
      const { stream, heard, closed } = stranger(cluster);
      for (const frame of frames) stream.send(frame);
      await cluster.clock.advance(700);
      expect(heard.at(-1)).to.have.property('reason', reason);
      expect(closed()).to.equal(true);
      expect(a.events).to.deep.equal([]);
      await cluster.stop();
    });
  }

  it('are cut off after 5 s without a greeting, and at once when there are too many of them', async () => {
    const cluster = new LinkCluster();
    const { links } = cluster.add('a', { log: { write: () => {} } });
    const all = Array.from({ length: 300 }, () => stranger(cluster));
    await cluster.clock.advance(100);
    expect(all.filter(({ closed }) => closed())).to.have.length(44);
    expect(links.counters().greetingsRefused).to.equal(44);
    await cluster.clock.advance(5_000);
    expect(all.filter(({ closed }) => closed())).to.have.length(300);
    await cluster.stop();
  });
});
