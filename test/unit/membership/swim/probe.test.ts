import { expect } from 'chai';
import type { Ping, Vsn } from '../../../../src/membership/messages.js';
import type { SwimConfig } from '../../../../src/membership/swim/config.js';
import { alive, at, Driver, dead, isDoing, isSend, none, noSource, suspect } from './driver.js';

const ack = (seqNo: number) => ({ is: 'ack', seqNo, payload: none }) as const;

interface Begun {
  readonly driver: Driver;
  readonly ping: Ping;
  readonly target: string;
}

/** Runs until the first probe is under way; `vsn` is what all members speak. */
function begun(members: readonly string[], changes: Partial<SwimConfig> = {}, vsn?: Vsn): Begun {
  const driver = Driver.started(changes);
  for (const name of members) driver.hear(alive(name, vsn === undefined ? {} : { vsn }));
  driver.drainNews();
  driver.until(isSend('ping'));
  const { to, message } = driver.sent('ping')[0]!;
  return { driver, ping: message, target: `m${to}` };
}

const four = ['m1', 'm2', 'm3', 'm4', 'm5'];

describe('SWIM probe', () => {
  it('pings one member per interval, by name, and says where to answer', () => {
    const { driver, ping, target } = begun(four);
    expect(ping).to.deep.include({ is: 'ping', node: target, source: { ...at(0), node: 'm0' } });
    driver.hear(ack(ping.seqNo));
    driver.clear();
    driver.advance(990);
    expect(driver.sent('ping')).to.have.length(0);
    driver.advance(20);
    expect(driver.sent('ping')).to.have.length(1);
  });

  it('is satisfied by an ack, even one that comes late', () => {
    for (const lateMs of [0, 490, 700, 990]) {
      const { driver, ping, target } = begun(four);
      driver.advance(lateMs);
      driver.hear(ack(ping.seqNo));
      driver.advance(1);
      expect(driver.state(target), `${lateMs} ms`).to.match(/^alive/);
      expect(driver.told()).to.deep.equal([]);
    }
  });

  it('asks three others, and a stream, after the timeout', () => {
    const { driver, ping, target } = begun(four);
    driver.clear();
    driver.advance(500);
    const asked = driver.sent('indirectPing');
    expect(asked).to.have.length(3);
    expect(new Set(asked.map(({ to }) => to)).size).to.equal(3);
    for (const { to, message } of asked) {
      expect(`m${to}`).not.to.equal(target);
      expect(message).to.deep.include({
        seqNo: ping.seqNo,
        node: target,
        nack: true,
        target: at(Number(target[1])).addr,
      });
    }
    const [stream] = driver.done('streamPing');
    expect(stream).to.deep.include({ to: at(Number(target[1])), withinMs: 500 });
    expect(stream?.ping.seqNo).to.equal(ping.seqNo);
  });

  it('suspects at the end of the interval, in its own name', () => {
    const { driver, target } = begun(four);
    driver.advance(990);
    expect(driver.told()).to.deep.equal([]);
    driver.advance(11);
    expect(driver.told()).to.deep.equal([`suspect ${target}`]);
  });

  it('goes straight on to others when the packet could not be sent', () => {
    const { driver, target } = begun(four);
    driver.step({ is: 'sendFailed', to: at(88) });
    expect(driver.sent('indirectPing')).to.have.length(0);
    driver.step({ is: 'sendFailed', to: at(Number(target[1])) });
    expect(driver.sent('indirectPing')).to.have.length(3);
    driver.step({ is: 'sendFailed', to: at(Number(target[1])) });
    driver.advance(500);
    expect(driver.sent('indirectPing')).to.have.length(3);
  });

  it('is satisfied by a stream, at the end, and says that only that answered', () => {
    const { driver, ping, target } = begun(four);
    driver.until(isDoing('streamPing'));
    driver.step({ is: 'streamPong', seqNo: ping.seqNo + 1, ok: true });
    driver.step({ is: 'streamPong', seqNo: ping.seqNo, ok: true });
    expect(driver.told()).to.deep.equal([]);
    driver.advance(501);
    expect(driver.told()).to.deep.equal([`onlyByStream ${target}`]);
    expect(driver.core.counts().probesByStream).to.equal(1);
  });

  it('is not satisfied by a stream that failed', () => {
    const { driver, ping, target } = begun(four);
    driver.until(isDoing('streamPing'));
    driver.step({ is: 'streamPong', seqNo: ping.seqNo, ok: false });
    driver.advance(501);
    expect(driver.told()).to.deep.equal([`suspect ${target}`]);
  });

  const versions: readonly (readonly [pMax: number, nack: boolean, stream: boolean])[] = [
    [2, false, false],
    [3, false, true],
    [4, true, true],
    [5, true, true],
  ];
  for (const [pMax, nack, stream] of versions) {
    it(`asks of members that speak ${pMax}: nacks ${nack}, streams ${stream}`, () => {
      const { driver } = begun(four, {}, [1, pMax, 2, 0, 0, 0]);
      driver.advance(500);
      expect(driver.sent('indirectPing').map(({ message }) => message.nack)).to.deep.equal([nack, nack, nack]);
      expect(driver.done('streamPing')).to.have.length(stream ? 1 : 0);
    });
  }

  it('tries no stream when told not to', () => {
    const { driver } = begun(four, { tcpPings: false });
    driver.advance(600);
    expect(driver.done('streamPing')).to.have.length(0);
  });

  const health: readonly (readonly [name: string, nacks: number, health: number])[] = [
    ['all three asked say that they got no answer either', 3, 0],
    ['two of them do', 2, 1],
    ['none does', 0, 3],
    ['one says so five times', 5, 0],
  ];
  for (const [name, nacks, expected] of health) {
    it(`leaves health at ${expected} when ${name}`, () => {
      const { driver, ping } = begun(four);
      driver.advance(600);
      for (let i = 0; i < nacks; i++) driver.hear({ is: 'nack', seqNo: ping.seqNo });
      driver.advance(401);
      expect(driver.core.health).to.equal(expected);
    });
  }

  it('counts a failure on itself by one when nobody could be asked', () => {
    const { driver } = begun(['m1']);
    driver.advance(1001);
    expect(driver.core.health).to.equal(1);
    expect(driver.state('m1')).to.match(/^suspect/);
  });

  it('waits longer for answers when its own health is poor, and drops the ticks meanwhile', () => {
    const { driver, ping } = begun(four);
    driver.hear(ack(ping.seqNo));
    driver.hear(suspect('m0', 100), suspect('m0', 101));
    expect(driver.core.health).to.equal(2);
    driver.clear();
    driver.until(isSend('ping'));
    driver.clear();
    driver.advance(2900);
    expect(driver.told()).to.deep.equal([]);
    expect(driver.sent('ping')).to.have.length(0);
    driver.advance(101);
    expect(driver.told()).to.have.length(1);
  });

  it('pings a suspect with the accusation beside it, and nothing else', () => {
    const { driver, ping, target } = begun(['m1']);
    driver.hear(ack(ping.seqNo));
    driver.hear(suspect(target, 20));
    driver.clear();
    const found = driver.until(isSend('ping'));
    expect(found?.messages.map(({ is }) => is)).to.deep.equal(['ping', 'suspect']);
    expect(found?.checksum).to.equal(true);
  });

  it('leaves the dead and those who left alone', () => {
    const { driver, ping } = begun(four);
    driver.hear(ack(ping.seqNo));
    for (const name of four) driver.hear(dead(name, 20, name === 'm1' ? 'm1' : 'm9'));
    driver.clear();
    driver.advance(5000);
    expect(driver.sent('ping')).to.have.length(0);
  });

  it('ignores acks and nacks that nobody waits for', () => {
    const { driver, ping, target } = begun(four);
    driver.hear(ack(ping.seqNo + 1), ack(0), { is: 'nack', seqNo: 12 });
    driver.advance(1001);
    expect(driver.told()).to.deep.equal([`suspect ${target}`]);
  });
});

describe('SWIM answers', () => {
  it('acks a ping to where its sender asks, else to where it came from', () => {
    const driver = Driver.started();
    driver.hear({ is: 'ping', seqNo: 5, node: 'm0', source: { ...at(7), node: 'm7' } });
    driver.hear({ is: 'ping', seqNo: 6, node: '', source: noSource });
    expect(driver.sent('ack')).to.deep.equal([
      { to: 7, message: ack(5) },
      { to: 99, message: ack(6) },
    ]);
  });

  it('leaves a ping for another name alone', () => {
    const driver = Driver.started();
    driver.hear({ is: 'ping', seqNo: 5, node: 'm9', source: noSource });
    driver.step({ is: 'streamPing', stream: 3, ping: { is: 'ping', seqNo: 5, node: 'm9', source: noSource } });
    expect(driver.sent('ack')).to.have.length(0);
    expect(driver.done('drop')).to.deep.equal([{ do: 'drop', stream: 3 }]);
  });

  it('answers a ping on its stream', () => {
    const driver = Driver.started();
    driver.step({ is: 'streamPing', stream: 3, ping: { is: 'ping', seqNo: 5, node: 'm0', source: noSource } });
    expect(driver.done('answer')).to.deep.equal([{ do: 'answer', stream: 3, message: ack(5) }]);
  });

  describe('for others', () => {
    const request = (changes: { nack?: boolean; seqNo?: number; port?: number } = {}) =>
      ({
        is: 'indirectPing',
        seqNo: changes.seqNo ?? 77,
        target: at(3).addr,
        port: changes.port ?? 7946,
        node: 'm3',
        nack: changes.nack ?? true,
        source: { ...at(8), node: 'm8' },
      }) as const;

    it('pings in its own name and passes the ack on under the number of the request', () => {
      const driver = Driver.started();
      driver.hear(request());
      const [sent] = driver.sent('ping');
      expect(sent?.to).to.equal(3);
      expect(sent?.message).to.deep.include({ node: 'm3', source: { ...at(0), node: 'm0' } });
      driver.hear(ack(sent!.message.seqNo));
      driver.hear(ack(sent!.message.seqNo));
      expect(driver.sent('ack')).to.deep.equal([{ to: 8, message: ack(77) }]);
      driver.advance(2000);
      expect(driver.sent('nack')).to.have.length(0);
    });

    it('says before its timeout, not stretched by its health, that it got no answer: the asker has to hear it in time', () => {
      const driver = Driver.started();
      driver.hear(suspect('m0', 100), suspect('m0', 101));
      driver.hear(request());
      driver.advance(399);
      expect(driver.sent('nack')).to.have.length(0);
      driver.advance(2);
      expect(driver.sent('nack')).to.deep.equal([{ to: 8, message: { is: 'nack', seqNo: 77 } }]);
      driver.advance(2000);
      expect(driver.sent('nack')).to.have.length(1);
    });

    it('passes on an ack that comes after it said so, within its timeout', () => {
      const driver = Driver.started();
      driver.hear(request(), request({ seqNo: 78 }));
      const [early, late] = driver.sent('ping').map(({ message }) => message.seqNo);
      driver.advance(490);
      expect(driver.sent('nack')).to.have.length(2);
      driver.hear(ack(early!));
      expect(driver.sent('ack')).to.deep.equal([{ to: 8, message: ack(77) }]);
      driver.advance(20);
      driver.hear(ack(late!));
      expect(driver.sent('ack')).to.have.length(1);
    });

    it('says nothing to those who would not understand it', () => {
      const driver = Driver.started();
      driver.hear(request({ nack: false }));
      driver.advance(2000);
      expect(driver.sent('nack')).to.have.length(0);
    });

    it('takes its own port where none is named', () => {
      const driver = Driver.started();
      driver.hear(request({ port: 0 }));
      expect(driver.done('send')[0]?.to.port).to.equal(7946);
    });

    it('refuses more than it can hold, and counts them', () => {
      const driver = Driver.started({ relaysMax: 3 });
      for (let seqNo = 1; seqNo <= 5; seqNo++) driver.hear(request({ seqNo }));
      expect(driver.sent('ping')).to.have.length(3);
      expect(driver.core.counts().relaysRefused).to.equal(2);
      driver.advance(600);
      driver.hear(request({ seqNo: 6 }));
      expect(driver.core.counts().relaysRefused).to.equal(2);
    });
  });

  describe('of a doubted member', () => {
    const quiet = (): Driver => {
      const { driver, ping } = begun(four);
      driver.hear(ack(ping.seqNo));
      driver.clear();
      return driver;
    };

    it('begins at once, and takes its course', () => {
      const driver = quiet();
      driver.step({ is: 'doubt', name: 'm3' });
      expect(driver.sent('ping').map(({ message }) => message.node)).to.deep.equal(['m3']);
      driver.advance(1_000);
      expect(driver.state('m3')).to.match(/^suspect/);
    });

    it('waits for the probe that runs, and is its tick then', () => {
      const { driver, ping, target } = begun(four);
      const doubted = target === 'm3' ? 'm4' : 'm3';
      driver.clear();
      driver.step({ is: 'doubt', name: doubted });
      driver.step({ is: 'doubt', name: doubted });
      expect(driver.sent('ping')).to.have.length(0);
      driver.hear(ack(ping.seqNo));
      driver.advance(1_000);
      expect(driver.sent('ping').map(({ message }) => message.node)).to.deep.equal([doubted]);
    });

    for (const [who, name] of [
      ['this node', 'm0'],
      ['nobody known', 'm9'],
    ] as const) {
      it(`is nothing for ${who}`, () => {
        const driver = quiet();
        driver.step({ is: 'doubt', name });
        expect(driver.sent('ping')).to.have.length(0);
      });
    }

    it('is nothing for the dead', () => {
      const driver = quiet();
      driver.hear(dead('m3'));
      driver.clear();
      driver.step({ is: 'doubt', name: 'm3' });
      expect(driver.sent('ping')).to.have.length(0);
    });
  });
});
