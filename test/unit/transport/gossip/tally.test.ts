import { expect } from 'chai';
import { GossipTally } from '../../../../src/transport/gossip/tally.js';
import { type DropReason, dropReasons } from '../../../../src/wire/memberlist/fault.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { Lines } from '../../../support/gossip-sockets.js';

describe('gossip transport: counts and log', () => {
  const make = () => {
    const [clock, lines] = [new FakeClock(), new Lines()];
    return { clock, lines, tally: new GossipTally(clock, lines) };
  };

  it('counts each drop by its reason', () => {
    const { tally } = make();
    for (const reason of dropReasons) tally.dropped('packets', { reason, detail: 'x' }, '10.0.0.1:1');
    tally.dropped('streams', { reason: 'labelMismatch', detail: 'x' }, '10.0.0.1:1');
    tally.dropped('streams', { reason: 'labelMismatch', detail: 'x' }, '10.0.0.1:1');
    const counts = tally.counts();
    const snake = (reason: DropReason) => reason.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    for (const reason of dropReasons) expect(counts[`gossip_packets_dropped_${snake(reason)}`], reason).to.equal(1);
    expect(counts).to.include({ gossip_streams_dropped_label_mismatch: 2, gossip_packets_sent: 0 });
  });

  it('gives a copy, every name from the start and in snake case', () => {
    const { tally } = make();
    const before = tally.counts();
    tally.add('gossip_packets_sent', 3);
    expect(before.gossip_packets_sent).to.equal(0);
    expect(tally.counts().gossip_packets_sent).to.equal(3);
    for (const name of Object.keys(before)) expect(name).to.match(/^gossip(_[a-z]+)+$/);
  });

  it('logs each reason once a minute, with one sender and how many more there were', async () => {
    const { clock, lines, tally } = make();
    const drop = (reason: DropReason, n: number) =>
      tally.dropped('packets', { reason, detail: 'the label of another cluster' }, `10.0.0.${n}:7946`);
    for (let n = 1; n <= 100; n++) drop('labelMismatch', n);
    drop('crcMismatch', 7);
    expect(lines.all.map(({ message }) => message)).to.deep.equal([
      'dropped a gossip packet from 10.0.0.1:7946: the label of another cluster; give every node of one cluster the same ' +
        'gossip label, and clusters of one network different ones',
      'dropped a gossip packet from 10.0.0.7:7946: the label of another cluster',
    ]);
    await clock.advance(59_999);
    drop('labelMismatch', 2);
    expect(lines.all).to.have.length(2);
    await clock.advance(1);
    drop('labelMismatch', 3);
    expect(lines.all).to.have.length(3);
    expect(lines.all[2]?.message).to.match(/from 10\.0\.0\.3:7946: .* \(and 100 more since this was last said\)$/);
    expect(lines.all[2]?.fields).to.deep.equal({ reason: 'labelMismatch', untold: 100 });
    await clock.advance(60_000);
    drop('labelMismatch', 4);
    expect(lines.all[3]?.fields).to.deep.equal({ reason: 'labelMismatch' });
  });
});
