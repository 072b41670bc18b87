import { expect } from 'chai';
import { swimConfig } from '../../../../src/membership/swim/config.js';
import { Inattention } from '../../../../src/membership/swim/inattention.js';
import { alive, Driver, isSend, none, suspect } from './driver.js';

describe("a node's own lag", () => {
  it('is nothing while wakes come about in time', () => {
    const inattention = new Inattention(swimConfig('lan'));
    inattention.observe(0, undefined);
    expect([inattention.observe(200, 200), inattention.observe(490, 400)]).to.deep.equal([0, 0]);
    expect(inattention.ownMs).to.equal(490);
  });

  it('is taken out of its own time when a wake is late, and it listens first', () => {
    const inattention = new Inattention(swimConfig('lan'));
    inattention.observe(0, undefined);
    expect(inattention.observe(2200, 200)).to.equal(2000);
    expect(inattention.ownMs).to.equal(200);
    expect(inattention.recovering).to.equal(true);
    expect(inattention.quietUntilMs).to.equal(700);
    inattention.observe(2600, 700);
    expect(inattention.ownMs).to.equal(600);
    inattention.observe(2700, 700);
    expect(inattention.recovering).to.equal(false);
  });

  it('is only the gap since the last step: who takes in packets does listen, though its wake is overdue', () => {
    const inattention = new Inattention(swimConfig('lan'));
    inattention.observe(0, undefined);
    for (let nowMs = 50; nowMs < 1000; nowMs += 50) expect(inattention.observe(nowMs, 100)).to.equal(0);
  });

  it('never keeps a node that is always late from taking part', () => {
    const inattention = new Inattention(swimConfig('lan'));
    inattention.observe(0, undefined);
    let nowMs = 0;
    let wakeAtMs = 200;
    let acted = 0;
    for (let i = 0; i < 50; i++) {
      nowMs += Math.max(0, wakeAtMs - inattention.ownMs) + 300;
      inattention.observe(nowMs, wakeAtMs);
      if (!inattention.recovering) acted++;
      wakeAtMs = Math.max(inattention.ownMs + 200, inattention.quietUntilMs);
    }
    expect(acted).to.be.above(40);
  });

  describe('in the core', () => {
    /** A probe of some member is under way, and the loop then blocks for so long. */
    const blocked = (ms: number): { driver: Driver; answer: () => void } => {
      const driver = Driver.started({}, ['m1', 'm2', 'm3', 'm4', 'm5']);
      driver.drainNews();
      driver.until(isSend('ping'));
      const { seqNo } = driver.sent('ping')[0]!.message;
      driver.nowMs += ms;
      return { driver, answer: () => driver.hear({ is: 'ack', seqNo, payload: none }) };
    };

    for (const ms of [600, 2000, 60_000]) {
      it(`blocked for ${ms} ms, it suspects nobody whose answer lies in the socket`, () => {
        const { driver, answer } = blocked(ms);
        driver.clear();
        driver.advance(0);
        driver.advance(5);
        answer();
        driver.answering = true;
        driver.advance(3000);
        expect(driver.told()).to.deep.equal([]);
        expect(driver.core.counts().probesFailed).to.equal(0);
        expect(driver.core.counts().lagMs).to.be.within(ms - 250, ms);
      });
    }

    it('still suspects who does not answer afterwards either', () => {
      const { driver } = blocked(2000);
      driver.clear();
      driver.advance(3000);
      expect(driver.told()).to.have.length.above(0);
    });

    it('waits as much longer before it declares a suspect dead', () => {
      const driver = Driver.started({}, ['m2', 'm3', 'm4']);
      driver.drainNews();
      driver.answering = true;
      driver.hear(alive('m1'));
      for (const from of ['m2', 'm3', 'm4']) driver.hear(suspect('m1', 10, from));
      driver.advance(3000);
      driver.nowMs += 30_000;
      driver.advance(500);
      expect(driver.state('m1')).to.equal('suspect 10');
      driver.hear(alive('m1', { incarnation: 11 }));
      driver.advance(30_000);
      expect(driver.told()).not.to.include('failed m1');
    });

    it('lowers its own health when the loss was longer than a probe may take', () => {
      const { driver } = blocked(2000);
      expect(driver.core.health).to.equal(0);
      driver.advance(0);
      expect(driver.core.health).to.equal(1);
      expect(driver.core.counts().lags).to.equal(1);
    });
  });
});
