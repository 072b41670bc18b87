import { expect } from 'chai';
import type { Ping, PushNodeState, PushPull, Suspect } from '../../../src/membership/messages.js';
import { plainVsn } from '../../../src/membership/swim/self.js';
import {
  inflatedBytesMax,
  pushPullNodesMax,
  sealedStreamBytesMax,
  userMessageBytesMax,
  userStateBytesMax,
} from '../../../src/wire/memberlist/limits.js';
import { compressLzw } from '../../../src/wire/memberlist/lzw.js';
import { StreamCodec } from '../../../src/wire/memberlist/stream.js';
import { GoPeer, type GoPeerOptions, type GoProgram } from '../../support/go-memberlist.js';
import { until } from '../../support/until.js';
import { key128, key192, key256 } from './keys.js';
import { askByPacket, emptyState, everybody, exchange, exchangeBytes, listen, policyOf, readAnswer } from './raw.js';

const ping = (node: string): Ping => ({
  is: 'ping',
  seqNo: 77,
  node,
  source: { addr: new Uint8Array(), port: 0, node: '' },
});

/** About nobody they know, and long enough that a packet with it gets shorter when compressed. */
const rumour: Suspect = { is: 'suspect', incarnation: 1, node: 'nobody'.repeat(30), from: 'nobody'.repeat(30) };

/** A member at a port of this machine where nobody listens. */
const member = (name: string, port = 9): PushNodeState => ({
  name,
  addr: Uint8Array.of(127, 0, 0, 1),
  port,
  meta: new Uint8Array(),
  incarnation: 1,
  state: 'alive',
  vsn: plainVsn,
});

/** A number as msgpack writes it in 32 bits. */
const u32 = (value: number): string => `ce${value.toString(16).padStart(8, '0')}`;
const text = (value: string): string =>
  (0xa0 | value.length).toString(16) + Buffer.from(value, 'latin1').toString('hex');
const header = (nodes: number, stateBytes: number): string =>
  `0683${text('Join')}c2${text('Nodes')}${u32(nodes)}${text('UserStateLen')}${u32(stateBytes)}`;

/** The codec and a Go peer, nothing between. */
export function wireTests(program: () => GoProgram): void {
  let peer: GoPeer | undefined;

  const start = async (options: Partial<GoPeerOptions> = {}): Promise<GoPeer> => {
    peer = await GoPeer.start(program(), { name: 'go', ...options });
    return peer;
  };

  afterEach(async () => {
    await peer?.kill();
    peer = undefined;
  });

  describe('layers', () => {
    const layers: readonly {
      name: string;
      peer: Partial<GoPeerOptions>;
      ours: Parameters<typeof policyOf>[0];
      crc?: boolean;
    }[] = [
      { name: 'plain', peer: { compress: false }, ours: {} },
      { name: 'a checksum', peer: {}, ours: {}, crc: true },
      { name: 'compressed', peer: {}, ours: { compress: true } },
      { name: 'labelled', peer: { label: 'blue' }, ours: { label: 'blue' } },
      { name: 'the longest label', peer: { label: 'x'.repeat(255) }, ours: { label: 'x'.repeat(255) } },
      { name: 'AES-128', peer: { keys: [key128] }, ours: { keys: [key128] } },
      { name: 'AES-192', peer: { keys: [key192] }, ours: { keys: [key192] } },
      { name: 'AES-256', peer: { keys: [key256] }, ours: { keys: [key256] } },
      {
        name: 'AES-256 of the first version, padded',
        peer: { keys: [key256] },
        ours: { keys: [key256], sealVersion: 0 },
      },
      { name: 'under its second key', peer: { keys: [key128, key256] }, ours: { keys: [key256, key128] } },
      {
        name: 'all at once',
        peer: { label: 'blue', keys: [key256] },
        ours: { label: 'blue', keys: [key256], compress: true },
        crc: true,
      },
    ];
    for (const { name, peer: options, ours, crc } of layers) {
      it(`${name}: a packet, a ping over a stream and an exchange of states are answered`, async () => {
        const policy = policyOf(ours);
        const go = await start(options);
        const answers = await askByPacket(go, [rumour, ping('go')], policy, { crc: crc === true });
        expect(answers.filter(({ is }) => is === 'ack')).to.deep.equal([
          { is: 'ack', seqNo: 77, payload: new Uint8Array() },
        ]);
        const ack = await exchange(go, ping('go'), policy);
        expect(ack).to.deep.equal({ is: 'ack', seqNo: 77, payload: new Uint8Array() });
        expect(await everybody(go, policy)).to.deep.equal(['go alive']);
      });
    }

    it('a ping for another name gets no answer', async () => {
      const go = await start();
      expect(await exchange(go, ping('somebody'))).to.equal(undefined);
    });

    const refusals: readonly {
      name: string;
      peer: Partial<GoPeerOptions>;
      ours: Parameters<typeof policyOf>[0];
      says: string | undefined;
    }[] = [
      { name: 'another label', peer: { label: 'blue' }, ours: { label: 'red' }, says: undefined },
      { name: 'no label where one is due', peer: { label: 'blue' }, ours: {}, says: undefined },
      { name: 'a label where none is due', peer: {}, ours: { label: 'blue' }, says: undefined },
      {
        name: 'a key where none is due',
        peer: {},
        ours: { keys: [key128], verifyIncoming: false },
        says: 'remote state is encrypted and encryption is not configured',
      },
    ];
    for (const { name, peer: options, ours, says } of refusals) {
      it(`${name}: the stream is ${says === undefined ? 'closed' : 'answered by an error'}`, async () => {
        const answer = await exchange(await start(options), emptyState, policyOf(ours));
        expect(answer).to.deep.equal(says === undefined ? undefined : { is: 'err', error: says });
      });
    }

    it('the error that answers a plain stream is encrypted', async () => {
      const go = await start({ keys: [key128] });
      const answer = await exchangeBytes(go, new StreamCodec(policyOf()).write(emptyState, 'dialler'));
      const error = readAnswer(new StreamCodec(policyOf({ keys: [key128] })), answer);
      expect(error).to.deep.equal({ is: 'err', error: 'encryption is configured but remote state is not encrypted' });
    });
  });

  describe('numbers above 127, which the codec of memberlist 0.5.1 and later signs', () => {
    for (const [length, form] of [
      [127, '7f'],
      [200, 'd100c8'],
      [40_000, 'd200009c40'],
      [8 * 1024 * 1024, 'd200800000'],
    ] as const) {
      it(`${length} bytes of the application come with an exchange, plain and compressed`, async () => {
        for (const compress of [false, true]) {
          const go = await start({ stateBytes: length, compress });
          const bytes = await exchangeBytes(go, new StreamCodec(policyOf()).write(emptyState, 'dialler'));
          const answer = readAnswer(new StreamCodec(policyOf()), bytes) as PushPull;
          expect(answer.userState.length).to.equal(length);
          expect(answer.userState.every((byte, i) => byte === ((i * i) / 8) % 256 || byte === byteOf(i))).to.equal(
            true,
          );
          if (!compress) expect(bytes.toString('hex', 0, 60)).to.include(text('UserStateLen') + form);
          await go.kill();
        }
      });
    }

    it('200 members are taken over, and handed out with a signed count', async () => {
      const go = await start({ compress: false });
      const nodes = Array.from({ length: 200 }, (_, i) => member(`ghost ${i}`));
      await exchange(go, { ...emptyState, nodes });
      await until('the Go peer holds all of them', async () => (await go.names()).length === 201);
      const bytes = await exchangeBytes(go, new StreamCodec(policyOf()).write(emptyState, 'dialler'));
      expect(bytes.toString('hex', 0, 40)).to.include(`${text('Nodes')}d100c9`);
      expect((readAnswer(new StreamCodec(policyOf()), bytes) as PushPull).nodes).to.have.length(201);
    });

    for (const length of [1, 200, 40_000]) {
      it(`a message of the application of ${length} bytes comes over a stream`, async () => {
        const ours = await listen();
        try {
          const go = await start();
          await exchange(go, { ...emptyState, nodes: [member('ours', ours.port)] });
          await until('the Go peer knows us', async () => (await go.names()).includes('ours'));
          const payload = Uint8Array.from({ length }, (_, i) => byteOf(i));
          await go.send(payload, { to: 'ours', reliable: true });
          // Pings over streams may come in between: nobody here answers packets.
          for (;;) {
            const step = new StreamCodec(policyOf()).reader('listener').push(await ours.next());
            if (step.is === 'message' && step.message.is === 'ping') continue;
            expect(step).to.deep.equal({ is: 'message', message: { is: 'user', payload } });
            break;
          }
        } finally {
          ours.close();
        }
      });
    }

    it('a message of ours is taken over a stream and in a packet', async () => {
      const go = await start();
      const payload = Buffer.from('here'.repeat(100));
      await exchange(go, { is: 'user', payload });
      await askByPacket(go, [{ is: 'user', payload }, ping('go')], policyOf({ compress: true }), { crc: true });
      const heard = (): number =>
        go.events.filter((event) => event.event === 'user' && event.bytes === payload.toString('hex')).length;
      await until('both arrive', () => heard() === 2);
    });
  });

  describe('limits: what we refuse to read, a Go peer refuses as well', () => {
    const rows: readonly { name: string; bytes: () => Uint8Array; keys?: readonly string[]; logged: RegExp }[] = [
      {
        name: 'members in an exchange',
        bytes: () => Buffer.from(header(pushPullNodesMax + 1, 0), 'hex'),
        logged: /number of nodes in header \(1048577\) exceeds limit/,
      },
      {
        name: "bytes of the application's state",
        bytes: () => Buffer.from(header(0, userStateBytesMax + 1), 'hex'),
        logged: /user state length \(20971521\) exceeds limit/,
      },
      {
        name: 'bytes of a message over a stream',
        bytes: () => Buffer.from(`0881${text('UserMsgLen')}${u32(userMessageBytesMax + 1)}`, 'hex'),
        logged: /user message length \(20971521\) exceeds limit/,
      },
      {
        name: 'bytes of an encrypted stream',
        bytes: () => Buffer.from(`0a${(sealedStreamBytesMax + 1).toString(16).padStart(8, '0')}`, 'hex'),
        keys: [key128],
        logged: /larger than limit \(20971521\)/,
      },
      {
        name: 'bytes inflated',
        bytes: () => compressed(inflatedBytesMax + 1),
        logged: /larger than limit \(41943040\)/,
      },
    ];
    for (const { name, bytes, keys, logged } of rows) {
      it(`one more than our bound of ${name}`, async () => {
        const sent = bytes();
        const go = await start(keys === undefined ? {} : { keys });
        const policy = policyOf(keys === undefined ? {} : { keys });
        await exchangeBytes(go, sent);
        await until(`the Go peer logs ${logged}`, () => go.logged(logged));
        const step = new StreamCodec({ ...policy, nodesMax: pushPullNodesMax }).reader('listener').push(sent);
        expect(step).to.have.nested.property('drop.reason').that.is.oneOf(['tooLarge', 'tooMany']);
        expect(await everybody(go, policy)).to.deep.equal(['go alive']);
      });
    }

    it('as many as our bounds are not refused for their number', async () => {
      const go = await start();
      await exchangeBytes(go, Buffer.from(header(pushPullNodesMax, 0), 'hex'));
      await until('it waits for the members until its deadline', () =>
        go.logged(/Failed to read remote state: .*timeout/),
      );
      expect(go.logged(/exceeds limit/)).to.equal(false);
    });
  });
}

/** What the peer's state holds at `i`. */
const byteOf = (i: number): number => Math.floor((i * i) / 8) % 256;

/** A compressed stream that inflates to so many zeros. */
function compressed(inflatedBytes: number): Uint8Array {
  const packed = compressLzw(new Uint8Array(inflatedBytes));
  return Buffer.concat([
    Buffer.from(`0982${text('Algo')}00${text('Buf')}db${u32(packed.length).slice(2)}`, 'hex'),
    packed,
  ]);
}
