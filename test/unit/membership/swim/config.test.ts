import { expect } from 'chai';
import {
  checkSwimConfig,
  pushPullPeriodMs,
  type SwimConfig,
  swimConfig,
  swimProfiles,
} from '../../../../src/membership/swim/config.js';

describe('SWIM configuration', () => {
  it('has profiles that pass their own check', () => {
    for (const profile of Object.values(swimProfiles)) expect(() => checkSwimConfig(profile)).not.to.throw();
    expect(swimConfig('wan', { gossipNodes: 2 })).to.include({ probeIntervalMs: 5000, gossipNodes: 2 });
  });

  const refused: readonly (readonly [name: string, changes: Partial<SwimConfig>, message: RegExp])[] = [
    [
      'a timeout as long as the interval',
      { probeTimeoutMs: 1000 },
      /probeTimeoutMs is 1000.*below probeIntervalMs \(1s\)/,
    ],
    ['a timeout above the interval', { probeIntervalMs: 400 }, /probeTimeoutMs is 500/],
    ['a lag tolerance as long as the interval', { lagToleranceMs: 1000 }, /lagToleranceMs is 1000/],
    ['room for fewer broadcasts than members', { broadcastsMax: 100 }, /broadcastsMax is 100.*membersMax \(10000\)/],
    ['a fraction', { gossipNodes: 1.5 }, /gossipNodes is 1.5; give a whole number from 1 to 64/],
    ['zero members gossiped to', { gossipNodes: 0 }, /gossipNodes is 0/],
    ['NaN', { probeIntervalMs: Number.NaN }, /probeIntervalMs is NaN/],
    ['negative relays', { relaysMax: -1 }, /relaysMax is -1/],
    ['metadata that others refuse', { metaBytesMax: 513 }, /metaBytesMax is 513/],
    ['packets beyond what UDP carries', { packetBytesMax: 70_000 }, /packetBytesMax is 70000/],
  ];
  for (const [name, changes, message] of refused) {
    it(`refuses ${name}`, () => {
      expect(() => swimConfig('lan', changes))
        .to.throw(message)
        .with.property('code', 'INVALID_ARGUMENT');
    });
  }

  const periods: readonly (readonly [members: number, times: number])[] = [
    [1, 1],
    [32, 1],
    [33, 2],
    [64, 2],
    [65, 3],
    [128, 3],
    [1000, 6],
  ];
  for (const [members, times] of periods) {
    it(`exchanges states every ${times * 30} s among ${members}`, () => {
      expect(pushPullPeriodMs(swimProfiles.lan, members)).to.equal(times * 30_000);
    });
  }
});
