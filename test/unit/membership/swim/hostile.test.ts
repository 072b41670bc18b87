import { expect } from 'chai';
import type { PacketMessage, Vsn } from '../../../../src/membership/messages.js';
import { plainVsn } from '../../../../src/membership/swim/self.js';
import { seeded } from '../../../support/seeded.js';
import { at, Driver, noSource, pushed } from './driver.js';

const state = (join: boolean, ...nodes: readonly ReturnType<typeof pushed>[]) =>
  ({ is: 'pushPull', join, nodes, userState: new Uint8Array() }) as const;

describe('SWIM core, told anything at all', () => {
  it('stays within its bounds and keeps its laws', () => {
    const random = seeded(process.env.SEED ?? 'anything');
    const driver = Driver.started({ membersMax: 12, broadcastsMax: 16, relaysMax: 2, exchangesMax: 4, seedsMax: 4 });
    const node = (): string => `m${random.below(30)}`;
    const incarnation = (): number => random.pick([0, 1, random.below(40), 100, 0xffff_ffff]);
    const bytes = (): Uint8Array => new Uint8Array(random.pick([0, 4, 4, 16, 5]));
    const vsn = (): Vsn => random.pick([plainVsn, plainVsn, [0, 0, 0, 0, 0, 0], [1, 5, 2, 0, 1, 1]]);
    const endpoint = () => random.pick([at(random.below(30)), { addr: bytes(), port: random.below(3) }]);
    const source = () => random.pick([noSource, { ...endpoint(), node: node() }]);
    const seqNo = (): number => random.pick([0, random.below(100), 0xffff_ffff]);
    const message = (): PacketMessage => {
      const claim = { node: node(), incarnation: incarnation(), from: node() };
      switch (random.below(8)) {
        case 0:
          return { is: 'ping', seqNo: seqNo(), node: random.pick(['', 'm0', node()]), source: source() };
        case 1:
          return { ...request(), source: source() };
        case 2:
          return { is: 'ack', seqNo: seqNo(), payload: bytes() };
        case 3:
          return { is: 'nack', seqNo: seqNo() };
        case 4:
          return { is: 'suspect', ...claim };
        case 5:
          return { is: 'dead', ...claim };
        case 6:
          return { is: 'user', payload: bytes() };
        default:
          return { is: 'alive', node: node(), incarnation: incarnation(), ...endpoint(), meta: bytes(), vsn: vsn() };
      }
    };
    const request = () =>
      ({
        is: 'indirectPing',
        seqNo: seqNo(),
        target: bytes(),
        port: random.below(3),
        node: node(),
        nack: random.chance(0.5),
      }) as const;
    const states = () =>
      Array.from({ length: random.below(6) }, () =>
        pushed(node(), random.pick(['alive', 'suspect', 'dead', 'left'] as const), {
          incarnation: incarnation(),
          vsn: vsn(),
          meta: bytes(),
        }),
      );
    for (let i = 0; i < 4000; i++) {
      driver.clear();
      const messages = Array.from({ length: random.between(1, 4) }, message);
      switch (random.below(9)) {
        case 0:
          driver.step({ is: 'exchangeAsked', stream: i, state: state(true, ...states()) });
          break;
        case 1:
          driver.step({ is: 'exchanged', exchange: random.below(200), state: state(false, ...states()) });
          break;
        case 2:
          driver.step({ is: 'join', join: i, targets: [endpoint(), endpoint()] });
          break;
        case 3:
          driver.step({ is: 'seeds', seeds: Array.from({ length: 9 }, endpoint) });
          break;
        default:
          driver.step({ is: 'packet', from: endpoint(), messages });
      }
      driver.advance(random.pick([0, 0, 0, 0, 1, 10, 100, 1000]));
    }
    expect(driver.state('m0')).to.match(/^alive/);
    expect(driver.core.members().length).to.be.at.most(12);
    const counts = driver.core.counts();
    expect(counts.membersRefused).to.be.above(0);
    expect(counts.relaysRefused).to.be.above(0);
    expect(counts.exchangesRefused).to.be.above(0);
    expect(Object.values(counts).every((count) => count >= 0)).to.equal(true);
  });
});
