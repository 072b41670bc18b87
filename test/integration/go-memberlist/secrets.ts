import { expect } from 'chai';
import type { GoProgram } from '../../support/go-memberlist.js';
import { until } from '../../support/until.js';
import { key128, key192, key256 } from './keys.js';
import { MixedPool } from './pool.js';
import { emptyState, exchange, policyOf, type Secrets } from './raw.js';

/** Who may join, and how a secret is changed while all runs on. */
export function secretTests(program: () => GoProgram): void {
  let pool: MixedPool;

  afterEach(() => pool.close());

  interface Strangers {
    readonly name: string;
    readonly go: Secrets;
    readonly ours: Secrets;
    /** Why we drop what the peer sends us in packets: without a label a packet has no mark of what it is. */
    readonly packets: readonly string[];
    /** And over streams. */
    readonly streams: string;
  }

  const strangers: readonly Strangers[] = [
    {
      name: 'of another label',
      go: { label: 'red' },
      ours: { label: 'blue' },
      packets: ['label_mismatch'],
      streams: 'label_mismatch',
    },
    {
      name: 'without our label',
      go: {},
      ours: { label: 'blue' },
      packets: ['label_mismatch'],
      streams: 'label_mismatch',
    },
    {
      name: 'with a label that we lack',
      go: { label: 'red' },
      ours: {},
      packets: ['label_mismatch'],
      streams: 'label_mismatch',
    },
    {
      name: 'under another key',
      go: { keys: [key128] },
      ours: { keys: [key192] },
      packets: ['undecryptable'],
      streams: 'undecryptable',
    },
    {
      name: 'in the clear',
      go: {},
      ours: { keys: [key128] },
      packets: ['unencrypted', 'undecryptable'],
      streams: 'unencrypted',
    },
    {
      name: 'under a key, to us in the clear',
      go: { keys: [key128] },
      ours: {},
      // Whatever its random bytes are taken for.
      packets: ['malformed', 'truncated', 'out_of_range', 'too_large', 'too_many'],
      streams: 'unexpectedly_encrypted',
    },
    {
      name: 'under our key and another label',
      go: { keys: [key128], label: 'red' },
      ours: { keys: [key128], label: 'blue' },
      packets: ['label_mismatch'],
      streams: 'label_mismatch',
    },
  ];

  for (const { name, go: theirs, ours: own, packets, streams } of strangers) {
    it(`a peer ${name} never joins, whoever asks; each try is counted`, async () => {
      pool = new MixedPool(program());
      const go = await pool.go('go1', theirs);
      const node = await pool.node('ours1', ownOptions(own));
      await refused(go.join(node.address));
      expect(node.counted(`gossip_streams_dropped_${streams}`)).to.equal(1);
      await refused(node.join(go.address));
      // Told of us by somebody of its own, it pings us.
      await exchange(go, { ...emptyState, nodes: [node.member('ours1')!] }, policyOf(theirs));
      await until('it takes us for a member', async () => (await go.names()).includes('ours1'));
      const counted = (): readonly string[] =>
        Object.keys(node.dropped()).flatMap((count) => count.match(/(?<=^gossip_packets_dropped_).*/) ?? []);
      await until('its packets are dropped', () => counted().length > 0);
      expect(packets).to.include.members([...counted()]);
      expect(node.core.members()).to.have.length(1);
      expect(node.core.counts().exchangesDone).to.equal(0);
    });
  }

  it('keys are changed one member after another, and nobody is lost', async () => {
    pool = new MixedPool(program(), { keys: [key128], pushPullIntervalMs: 300 });
    const [go1, go2] = [await pool.go('go1'), await pool.go('go2')];
    const [ours1, ours2] = [await pool.node('ours1'), await pool.node('ours2')];
    await go2.join(go1.address);
    await ours1.join(go1.address);
    await ours2.join(go2.address);
    await pool.allShow('go1', 'go2', 'ours1', 'ours2');
    const [old, fresh] = [Buffer.from(key128, 'hex'), Buffer.from(key256, 'hex')];
    let news = 0;
    const newsPasses = async (): Promise<void> => {
      const meta = `news ${++news}`;
      ours1.step({ is: 'meta', meta: Buffer.from(meta) });
      await go1.changeMeta(meta);
      await until(
        'it reaches the other Go peer',
        async () => (await go2.members()).filter((member) => member.meta === meta).length === 2,
      );
      await until('it reaches the other of ours', () =>
        ['go1', 'ours1'].every((name) => Buffer.from(ours2.member(name)!.meta).toString() === meta),
      );
      const exchanges = ours2.core.counts().exchangesDone;
      await until('states are exchanged', () => ours2.core.counts().exchangesDone > exchanges + 1);
    };
    await newsPasses();
    for (const peer of [go1, go2]) await peer.key('addKey', key256);
    for (const node of [ours1, ours2]) node.keys!.add(fresh);
    await newsPasses();
    await go1.key('useKey', key256);
    ours2.keys!.use(fresh);
    await newsPasses();
    await go2.key('useKey', key256);
    ours1.keys!.use(fresh);
    await newsPasses();
    for (const peer of [go1, go2]) await peer.key('removeKey', key128);
    for (const node of [ours1, ours2]) node.keys!.remove(old);
    await newsPasses();
    expect(pool.losses()).to.deep.equal([]);
    for (const peer of [go1, go2]) expect(peer.complaints()).to.deep.equal([]);
    for (const node of [ours1, ours2]) expect(node.dropped()).to.deep.equal({});

    await (await pool.go('go3', { keys: [key256] })).join(ours1.address);
    const late = await pool.go('go4');
    await refused(late.join(ours1.address));
    await pool.crash(late);
    await pool.allShow('go1', 'go2', 'go3', 'ours1', 'ours2');
    expect(ours1.dropped()).to.deep.equal({ gossip_streams_dropped_undecryptable: 1 });
  });
}

async function refused(joining: Promise<number>): Promise<void> {
  const outcome = await joining.then(
    (contacted) => `joined ${contacted}`,
    () => 'refused',
  );
  expect(outcome).to.equal('refused');
}

const ownOptions = ({ label = '', keys }: Secrets) => ({
  transport: { label },
  ...(keys === undefined ? {} : { keys: keys.map((key) => Buffer.from(key, 'hex')) }),
});
