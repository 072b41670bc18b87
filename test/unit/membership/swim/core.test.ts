import { expect } from 'chai';
import type { Vsn } from '../../../../src/membership/messages.js';
import { swimConfig } from '../../../../src/membership/swim/config.js';
import { SwimCore } from '../../../../src/membership/swim/core.js';
import { plainVsn, type SwimSelf } from '../../../../src/membership/swim/self.js';
import { seeded } from '../../../support/seeded.js';
import { alive, at, Driver, dead, isDoing, none, noSource, pushed, suspect } from './driver.js';

const state = (join: boolean, ...nodes: readonly ReturnType<typeof pushed>[]) =>
  ({ is: 'pushPull', join, nodes, userState: none }) as const;

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `m${i + 1}`);

describe('SWIM core', () => {
  const wrong: readonly (readonly [name: string, self: Partial<SwimSelf>, message: RegExp])[] = [
    ['no name', { name: '' }, /name is empty/],
    ['incarnation 0, which never counts as alive', { incarnation: 0 }, /incarnation is 0.*1 to 4294967295/],
    ['an incarnation beyond 32 bits', { incarnation: 2 ** 32 }, /incarnation is 4294967296/],
    ['a host name for an address', { addr: new Uint8Array(9) }, /has 9 bytes; an IP address has 4 or 16/],
    ['port 0', { port: 0 }, /port is 0/],
    ['too much metadata', { meta: new Uint8Array(600) }, /600 bytes; other members accept 512/],
  ];
  for (const [name, changes, message] of wrong) {
    it(`refuses ${name}`, () => {
      const self = { ...at(0), name: 'm0', incarnation: 1, meta: none, vsn: plainVsn, ...changes };
      expect(() => new SwimCore(self, swimConfig(), { random: seeded('x'), sizeOf: () => 1 }))
        .to.throw(message)
        .with.property('code', 'INVALID_ARGUMENT');
    });
  }

  it('knows itself before it is started, and answers', () => {
    const driver = new Driver();
    expect(driver.state('m0')).to.equal('alive 100');
    driver.hear({ is: 'ping', seqNo: 1, node: 'm0', source: noSource });
    driver.step({ is: 'exchangeAsked', stream: 1, state: state(true) });
    expect(driver.done('answer').map(({ message }) => message.is)).to.deep.equal(['pushPull']);
    expect(driver.sent('ack')).to.have.length(1);
  });

  it('does the same for the same seed, and starts its tasks at other times for another', () => {
    const run = (seed: string): string => {
      const driver = new Driver({}, { seed });
      driver.step({ is: 'start' });
      driver.hear(...names(6).map((name) => alive(name)));
      driver.advance(10_000);
      return JSON.stringify(driver.effects);
    };
    expect(run('a')).to.equal(run('a'));
    expect(run('a')).not.to.equal(run('b'));
  });

  it('hands out copies', () => {
    const driver = Driver.started({}, ['m1']);
    const before = driver.core.member('m1');
    const counts = driver.core.counts();
    driver.hear(dead('m1'));
    expect(before?.state).to.equal('alive');
    expect(counts.stale).to.equal(0);
    driver.hear(dead('m1'));
    expect(counts.stale).to.equal(0);
    expect(driver.core.counts().stale).to.equal(1);
  });

  describe('gossip', () => {
    it('goes to three members per interval, until the news was sent as often as it should', () => {
      const driver = Driver.started({}, names(6));
      driver.drainNews();
      driver.answering = true;
      driver.hear(alive('m1', { incarnation: 11 }));
      driver.advance(200);
      const first = driver.sent('alive').map(({ to }) => to);
      expect(new Set(first).size).to.be.within(3, 4);
      driver.advance(2000);
      expect(driver.sent('alive'), 'four transmits among seven').to.have.length(4);
    });

    it('reaches the dead for a while, and never those who left', () => {
      const driver = Driver.started({ gossipToTheDeadMs: 5000 }, ['m1', 'm2']);
      driver.drainNews();
      driver.answering = true;
      driver.hear(dead('m1'), dead('m2', 10, 'm2'));
      driver.advance(1000);
      const reached = new Set(driver.done('send').map(({ to }) => to.addr[3]));
      expect([...reached]).to.deep.equal([1]);
    });

    it('marks packets to members that verify checksums', () => {
      const old: Vsn = [1, 4, 2, 0, 0, 0];
      const driver = Driver.started();
      driver.hear(alive('m1'), alive('m2', { vsn: old }));
      driver.answering = true;
      driver.clear();
      driver.advance(1000);
      const marks = driver
        .done('send')
        .filter(({ messages }) => messages.every(({ is }) => is === 'alive'))
        .map(({ to, checksum }) => `${to.addr[3]} ${checksum}`);
      expect([...new Set(marks)].toSorted()).to.deep.equal(['1 true', '2 false']);
    });

    it('keeps every packet within its budget, framing included', () => {
      const driver = new Driver({ packetBytesMax: 600, packetOverheadBytes: 29 }, { sizeOf: () => 90 });
      driver.step({ is: 'start' });
      driver.answering = true;
      driver.hear(...names(30).map((name) => alive(name)));
      driver.advance(3000);
      const most = Math.max(...driver.done('send').map(({ messages }) => messages.length));
      // A compound: 2 bytes of its own, 2 for each part but the first, which the budget leaves out.
      expect(most).to.equal(Math.floor((600 - 29 - 2) / 92));
    });
  });

  describe('exchange of states', () => {
    it('answers with everything it knew, then takes over what it heard', () => {
      const driver = Driver.started({}, ['m1']);
      driver.step({ is: 'exchangeAsked', stream: 4, state: state(true, pushed('m2', 'alive')) });
      const [answer] = driver.done('answer');
      expect(answer?.stream).to.equal(4);
      expect(answer?.message).to.deep.include({ is: 'pushPull', join: true });
      expect((answer!.message as ReturnType<typeof state>).nodes.map(({ name }) => name)).to.deep.equal(['m0', 'm1']);
      expect(driver.told()).to.deep.equal(['joined m2']);
    });

    it('happens with one living member per interval', () => {
      const driver = Driver.started({ rejoinIntervalMs: 86_400_000 }, ['m1', 'm2', 'm3']);
      driver.answering = true;
      driver.hear(dead('m3'));
      driver.advance(120_000);
      const begun = driver.done('exchange');
      expect(begun.length).to.be.within(3, 5);
      for (const { to, state: sent } of begun) {
        expect([1, 2]).to.include(to.addr[3]);
        expect(sent.join).to.equal(false);
      }
    });

    const cluster: Vsn = [1, 5, 2, 2, 5, 5];
    const refused: readonly (readonly [name: string, nodes: readonly ReturnType<typeof pushed>[], refused: boolean])[] =
      [
        ['what we speak', [pushed('m1', 'alive')], false],
        ['a wider range', [pushed('m1', 'alive', { vsn: [1, 9, 3, 0, 0, 0] })], false],
        ['a version in use that we do not speak', [pushed('m1', 'alive', { vsn: [1, 9, 7, 0, 0, 0] })], true],
        ['a range above the version that we use', [pushed('m1', 'alive', { vsn: [3, 5, 3, 0, 0, 0] })], true],
        ['no versions', [pushed('m1', 'alive', { vsn: [0, 0, 0, 0, 0, 0] })], true],
        ['no versions, of a dead member', [pushed('m1', 'dead', { vsn: [0, 0, 0, 0, 0, 0] })], true],
        ['a dead member with a range of its own', [pushed('m1', 'dead', { vsn: [9, 9, 2, 0, 0, 0] })], false],
        ['an application that we do not speak', [pushed('m1', 'alive', { vsn: cluster })], true],
        [
          'one that does not fit among those that do',
          [pushed('m1', 'alive'), pushed('m2', 'left', { vsn: cluster })],
          true,
        ],
      ];
    for (const [name, nodes, no] of refused) {
      it(`${no ? 'refuses whole' : 'takes over'} a state with ${name}`, () => {
        const driver = Driver.started();
        driver.step({ is: 'exchangeAsked', stream: 1, state: state(true, ...nodes) });
        expect(driver.done('answer')).to.have.length(1);
        expect(driver.told().includes('mergeRefused')).to.equal(no);
        expect(driver.core.members()).to.have.length(no || nodes[0]?.state !== 'alive' ? 1 : 2);
        expect(driver.core.counts().mergesRefused).to.equal(no ? 1 : 0);
      });
    }
  });

  describe('join', () => {
    const joining = (driver: Driver, count: number): readonly number[] => {
      driver.step({ is: 'join', join: 9, targets: names(count).map((_, i) => at(i + 1)) });
      return driver.done('exchange').map(({ exchange }) => exchange);
    };

    it('tells once all have answered or failed, and how many did', () => {
      const driver = Driver.started();
      const [first, second, third] = joining(driver, 3);
      driver.step({ is: 'exchanged', exchange: second!, state: state(true, pushed('m2', 'alive')) });
      driver.step({ is: 'exchangeFailed', exchange: first!, problem: 'connection refused', refused: true });
      expect(driver.told()).to.deep.equal(['joined m2']);
      driver.step({
        is: 'exchanged',
        exchange: third!,
        state: state(true, pushed('m3', 'alive', { vsn: [0, 0, 0, 0, 0, 0] })),
      });
      expect(driver.events().at(-1)).to.deep.equal({
        is: 'joinDone',
        join: 9,
        contacted: 1,
        refused: 1,
        problems: ['connection refused', 'its state was refused: protocol versions do not fit'],
      });
      driver.step({ is: 'exchanged', exchange: first!, state: state(true, pushed('m1', 'alive')) });
      expect(driver.state('m1'), 'an answer after the failure changes nothing').to.equal('unknown');
    });

    it('is done at once when there is nobody to ask', () => {
      const driver = Driver.started();
      joining(driver, 0);
      expect(driver.events()).to.deep.equal([{ is: 'joinDone', join: 9, contacted: 0, refused: 0, problems: [] }]);
    });

    it('ends even if the transport never reports', () => {
      const driver = Driver.started();
      joining(driver, 2);
      driver.advance(20_001);
      expect(driver.events().at(-1)).to.deep.include({ is: 'joinDone', contacted: 0 });
      expect(driver.core.counts()).to.include({ exchanges: 2, exchangesFailed: 2 });
    });

    it('asks no more at a time than it may', () => {
      const driver = Driver.started({ exchangesMax: 3 });
      const begun = joining(driver, 5);
      expect(begun).to.have.length(3);
      for (const exchange of begun) driver.step({ is: 'exchangeFailed', exchange, problem: 'no' });
      expect(driver.events().at(-1)).to.have.property('problems').with.length(5);
      expect(driver.core.counts().exchangesRefused).to.equal(2);
    });
  });

  describe('reunion', () => {
    it('tries seeds again and again until they are members, and then no more', () => {
      const driver = Driver.started({ pushPullIntervalMs: 86_400_000 });
      driver.answering = true;
      driver.step({ is: 'seeds', seeds: [at(1), at(2)] });
      driver.advance(60_000);
      const tried = driver.done('exchange');
      expect(tried.length).to.be.within(5, 7);
      expect(tried.every((effect) => effect.state.join)).to.equal(true);
      driver.hear(alive('m1'), alive('m2'));
      driver.clear();
      driver.advance(60_000);
      expect(driver.done('exchange')).to.have.length(0);
    });

    it('tries those who failed, also once they are forgotten, but not those who left', () => {
      const driver = Driver.started({ pushPullIntervalMs: 86_400_000, tcpPings: false }, ['m1', 'm2']);
      driver.answering = true;
      driver.hear(dead('m1'), dead('m2', 10, 'm2'));
      driver.advance(300_000);
      expect(driver.core.members()).to.have.length(1);
      const tried = new Set(driver.done('exchange').map(({ to }) => to.addr[3]));
      expect([...tried]).to.deep.equal([1]);
    });

    it('gives up on those who failed after a day', () => {
      const driver = Driver.started({ pushPullIntervalMs: 86_400_000, lostKeepMs: 60_000 }, ['m1']);
      driver.hear(dead('m1'));
      driver.advance(200_000);
      driver.clear();
      driver.advance(100_000);
      expect(driver.done('exchange')).to.have.length(0);
    });

    it('tries the rarer, the fewer of many are missing: about once per interval for all together', () => {
      const driver = Driver.started({ pushPullIntervalMs: 86_400_000 }, names(100));
      driver.answering = true;
      driver.step({ is: 'seeds', seeds: [at(200)] });
      driver.advance(10_000 * 400);
      expect(driver.done('exchange').length).to.be.within(1, 12);
    });
  });

  describe('leave', () => {
    it('is done when the news was sent as often as it should', () => {
      const driver = Driver.started({}, ['m1', 'm2', 'm3', 'm4']);
      driver.drainNews();
      driver.answering = true;
      driver.step({ is: 'leave', withinMs: 5000 });
      expect(driver.state('m0')).to.equal('left 100');
      driver.advance(1000);
      expect(driver.events()).to.deep.equal([{ is: 'leaveDone', sent: true }]);
      const said = driver.sent('dead').map(({ message }) => message);
      expect(said).to.have.length(4);
      expect(said[0]).to.deep.equal({ is: 'dead', incarnation: 100, node: 'm0', from: 'm0' });
      driver.step({ is: 'leave', withinMs: 5000 });
      expect(driver.events()).to.have.length(1);
    });

    it('is done at once when nobody is left to tell', () => {
      const driver = Driver.started({}, ['m1']);
      driver.hear(dead('m1'));
      driver.clear();
      driver.step({ is: 'leave', withinMs: 5000 });
      expect(driver.events()).to.deep.equal([{ is: 'leaveDone', sent: true }]);
    });

    it('ends when time is up', () => {
      const driver = Driver.started({ gossipIntervalMs: 10_000, probeIntervalMs: 60_000 }, ['m1', 'm2']);
      driver.step({ is: 'leave', withinMs: 300 });
      driver.advance(301);
      expect(driver.events()).to.deep.equal([{ is: 'leaveDone', sent: false }]);
    });

    it('lets the node answer on, as one that left, and deny nothing', () => {
      const driver = Driver.started({}, ['m1', 'm2']);
      driver.step({ is: 'leave', withinMs: 5000 });
      driver.hear(alive('m0', { incarnation: 500, endpoint: at(0) }), suspect('m0', 600), dead('m0', 700));
      driver.step({ is: 'meta', meta: Uint8Array.of(1) });
      expect(driver.state('m0')).to.equal('left 100');
      driver.clear();
      driver.hear({ is: 'ping', seqNo: 3, node: 'm0', source: noSource });
      driver.step({ is: 'exchangeAsked', stream: 1, state: state(false) });
      expect(driver.sent('ack')).to.have.length(1);
      const [answer] = driver.done('answer');
      expect((answer!.message as ReturnType<typeof state>).nodes[0]).to.include({ name: 'm0', state: 'left' });
    });
  });

  describe('forgetting', () => {
    it('drops the dead and those who left after their time, at the end of a round', () => {
      const driver = Driver.started({}, ['m1', 'm2', 'm3']);
      driver.answering = true;
      driver.hear(dead('m1'), dead('m2', 10, 'm2'));
      driver.advance(29_000);
      expect(driver.core.members()).to.have.length(4);
      driver.advance(6000);
      expect(driver.core.members().map(({ name }) => name)).to.have.members(['m0', 'm3']);
    });
  });

  it('asks for a wake in whole milliseconds, and only when the next one changes', () => {
    const driver = Driver.started({}, ['m1', 'm2']);
    driver.until(isDoing('wake'));
    driver.clear();
    driver.advance(5000);
    for (const { afterMs } of driver.done('wake')) expect(Number.isInteger(afterMs)).to.equal(true);
    driver.clear();
    driver.hear(alive('m1'), { is: 'nack', seqNo: 9 });
    expect(driver.done('wake')).to.have.length(0);
  });
});
