import { expect } from 'chai';
import type { PacketMessage, Vsn } from '../../../../src/membership/messages.js';
import { alive, at, Driver, dead, none, noSource, pushed, suspect } from './driver.js';

/** A driver that knows m1 in that state at incarnation 10, and m2 to m5 alive. */
function knowing(state: 'alive' | 'suspect' | 'dead' | 'left' | 'unknown'): Driver {
  const driver = Driver.started({}, ['m2', 'm3', 'm4', 'm5']);
  if (state !== 'unknown') driver.hear(alive('m1'));
  if (state === 'suspect') driver.hear(suspect('m1'));
  if (state === 'dead') driver.hear(dead('m1'));
  if (state === 'left') driver.hear(dead('m1', 10, 'm1'));
  driver.clear();
  return driver;
}

/** What waits to be passed on about m1, by a packet's answer that carries it. */
const passedOn = (driver: Driver, node = 'm1'): readonly string[] => {
  driver.clear();
  driver.hear({ is: 'ping', seqNo: 1, node: '', source: noSource });
  return driver
    .done('send')
    .flatMap(({ messages }) => messages)
    .filter((message) => 'incarnation' in message && message.node === node)
    .map((message) => message.is);
};

describe('SWIM claims', () => {
  type Row = readonly [
    known: 'alive' | 'suspect' | 'dead' | 'left' | 'unknown',
    claim: PacketMessage,
    then: string,
    told: readonly string[],
    passedOn?: string,
  ];
  const elsewhere = { endpoint: at(77) };
  const rows: readonly Row[] = [
    ['alive', alive('m1', { incarnation: 9 }), 'alive 10', []],
    ['alive', alive('m1', { incarnation: 10 }), 'alive 10', []],
    ['alive', alive('m1', { incarnation: 11 }), 'alive 11', ['updated m1'], 'alive'],
    ['alive', alive('m1', { incarnation: 11, meta: Uint8Array.of(1) }), 'alive 11', ['updated m1'], 'alive'],
    ['alive', suspect('m1', 9), 'alive 10', []],
    ['alive', suspect('m1', 10), 'suspect 10', ['suspect m1'], 'suspect'],
    ['alive', suspect('m1', 12), 'suspect 12', ['suspect m1'], 'suspect'],
    ['alive', dead('m1', 9), 'alive 10', []],
    ['alive', dead('m1', 10), 'dead 10', ['failed m1'], 'dead'],
    ['alive', dead('m1', 10, 'm1'), 'left 10', ['left m1'], 'dead'],
    ['suspect', alive('m1', { incarnation: 10 }), 'suspect 10', []],
    ['suspect', alive('m1', { incarnation: 11 }), 'alive 11', ['recovered m1'], 'alive'],
    [
      'suspect',
      alive('m1', { incarnation: 11, meta: Uint8Array.of(1) }),
      'alive 11',
      ['recovered m1', 'updated m1'],
      'alive',
    ],
    ['suspect', suspect('m1', 12, 'm5'), 'suspect 10', [], 'suspect'],
    ['suspect', dead('m1', 9), 'suspect 10', []],
    ['suspect', dead('m1', 10), 'dead 10', ['failed m1'], 'dead'],
    ['suspect', dead('m1', 11, 'm1'), 'left 11', ['left m1'], 'dead'],
    ['dead', alive('m1', { incarnation: 10 }), 'dead 10', []],
    ['dead', alive('m1', { incarnation: 11 }), 'alive 11', ['joined m1'], 'alive'],
    ['dead', suspect('m1', 12), 'dead 10', []],
    ['dead', dead('m1', 12), 'dead 10', []],
    ['dead', dead('m1', 12, 'm1'), 'dead 10', []],
    ['dead', alive('m1', { incarnation: 11, ...elsewhere }), 'dead 10', ['conflict m1']],
    ['left', alive('m1', { incarnation: 10 }), 'left 10', []],
    ['left', alive('m1', { incarnation: 11 }), 'alive 11', ['joined m1'], 'alive'],
    ['left', alive('m1', { incarnation: 10, ...elsewhere }), 'alive 10', ['joined m1'], 'alive'],
    ['left', alive('m1', { incarnation: 3, ...elsewhere }), 'alive 3', ['joined m1'], 'alive'],
    ['left', dead('m1', 12), 'left 10', []],
    ['alive', alive('m1', { incarnation: 11, ...elsewhere }), 'alive 10', ['conflict m1']],
    ['alive', alive('m1', { incarnation: 11, endpoint: at(1, 8000) }), 'alive 10', ['conflict m1']],
    ['unknown', alive('m1'), 'alive 10', ['joined m1'], 'alive'],
    ['unknown', alive('m1', { incarnation: 0 }), 'unknown', []],
    ['unknown', suspect('m1'), 'unknown', []],
    ['unknown', dead('m1'), 'unknown', []],
  ];
  for (const [known, claim, then, told, spread] of rows) {
    const { is, incarnation } = claim as { is: string; incarnation: number };
    it(`${known} 10, hears ${is} ${incarnation}: ${then}${told.length > 0 ? `, tells ${told.join(', ')}` : ''}`, () => {
      const driver = knowing(known);
      // News that already waits would hide whether this claim is passed on.
      driver.drainNews();
      driver.hear(claim);
      expect(driver.state('m1')).to.equal(then);
      expect(driver.told()).to.deep.equal(told);
      expect(passedOn(driver)).to.deep.equal(spread === undefined ? [] : [spread]);
    });
  }

  const malformed: readonly (readonly [name: string, claim: PacketMessage])[] = [
    ['no name', alive('', { endpoint: at(1) })],
    ['a name of a thousand letters', { ...alive('m1'), node: 'x'.repeat(1000) }],
    ['no address', alive('m1', { endpoint: { addr: none, port: 7946 } })],
    ['an address of five bytes', alive('m1', { endpoint: { addr: new Uint8Array(5), port: 7946 } })],
    ['no port', alive('m1', { endpoint: at(1, 0) })],
    ['more metadata than anybody may have', alive('m1', { meta: new Uint8Array(513) })],
    ['no protocol versions', alive('m1', { vsn: [0, 0, 0, 0, 0, 0] })],
    ['a range upside down', alive('m1', { vsn: [3, 2, 2, 0, 0, 0] })],
    ['a protocol version in use that we do not speak', alive('m1', { vsn: [1, 9, 7, 0, 0, 0] })],
    ['a range that lacks the version that we use', alive('m1', { vsn: [3, 5, 3, 0, 0, 0] })],
    ['an application that we do not speak', alive('m1', { vsn: [1, 5, 2, 2, 5, 5] })],
  ];
  for (const [name, claim] of malformed) {
    it(`ignores and counts an alive with ${name}`, () => {
      const driver = knowing('unknown');
      driver.hear(claim);
      expect(driver.told()).to.deep.equal([]);
      expect(driver.core.counts().malformed).to.equal(1);
    });
  }

  it('takes an IPv4 in its 16-byte form for another address', () => {
    const driver = knowing('alive');
    const mapped = new Uint8Array(16);
    mapped.set([255, 255, 10, 0, 0, 1], 10);
    driver.hear(alive('m1', { incarnation: 11, endpoint: { addr: mapped, port: 7946 } }));
    expect(driver.told()).to.deep.equal(['conflict m1']);
    expect(driver.core.counts().conflicts).to.equal(1);
  });

  it('hears the living first: an older accusation in the same packet changes nothing', () => {
    const driver = knowing('alive');
    driver.hear(suspect('m1', 10), dead('m1', 10), alive('m1', { incarnation: 11 }));
    expect(driver.state('m1')).to.equal('alive 11');
    expect(driver.told()).to.deep.equal(['updated m1']);
  });

  it('refuses members beyond its maximum, and counts them', () => {
    const driver = Driver.started({ membersMax: 3, broadcastsMax: 16 }, ['m1', 'm2']);
    driver.hear(alive('m3'));
    expect(driver.state('m3')).to.equal('unknown');
    expect(driver.core.counts().membersRefused).to.equal(1);
  });

  describe('about a name at another address', () => {
    it('is accepted for a dead member once the reclaim time has passed', () => {
      const driver = Driver.started({ deadReclaimMs: 5000 }, ['m1', 'm2', 'm3']);
      driver.hear(dead('m1'));
      driver.hear(alive('m1', { incarnation: 11, ...elsewhere }));
      expect(driver.state('m1')).to.equal('dead 10');
      driver.advance(5500);
      driver.clear();
      driver.hear(alive('m1', { incarnation: 11, ...elsewhere }));
      expect(driver.state('m1')).to.equal('alive 11');
      expect(driver.core.member('m1')?.addr[3]).to.equal(77);
      expect(driver.told()).to.deep.equal(['joined m1']);
    });

    it('is accepted once the dead member is forgotten', () => {
      const driver = Driver.started({}, ['m1']);
      driver.hear(dead('m1'));
      driver.advance(40_000);
      expect(driver.state('m1')).to.equal('unknown');
      driver.hear(alive('m1', { incarnation: 1, ...elsewhere }));
      expect(driver.state('m1')).to.equal('alive 1');
    });

    it('is a conflict even when it is our own name', () => {
      const driver = knowing('alive');
      driver.hear(alive('m0', { incarnation: 999, ...elsewhere }));
      expect(driver.told()).to.deep.equal(['conflict m0']);
      expect(driver.state('m0')).to.equal('alive 100');
    });
  });

  describe('about this node', () => {
    const other: Vsn = [1, 5, 2, 0, 1, 0];
    const denials: readonly (readonly [name: string, claim: PacketMessage, incarnation: number])[] = [
      ['suspect, at its own incarnation', suspect('m0', 100), 101],
      ['suspect, ahead of it', suspect('m0', 200), 201],
      ['dead, at its own incarnation', dead('m0', 100), 101],
      ['dead, in its own name', dead('m0', 100, 'm0'), 101],
      ['dead, ahead of it', dead('m0', 200), 201],
      ['alive ahead of it', alive('m0', { incarnation: 150, endpoint: at(0) }), 151],
      ['alive at its own, with other metadata', alive('m0', { incarnation: 100, meta: Uint8Array.of(1) }), 101],
      ['alive at its own, with other versions', alive('m0', { incarnation: 100, vsn: other }), 101],
      ['suspect at the last incarnation there is', suspect('m0', 0xffff_ffff), 1],
    ];
    for (const [name, claim, incarnation] of denials) {
      it(`denies to be ${name}, by ${incarnation}, and takes it as a sign of being slow`, () => {
        const driver = knowing('alive');
        driver.drainNews();
        driver.hear(claim);
        expect(driver.state('m0')).to.equal(`alive ${incarnation}`);
        expect(driver.core.health).to.equal(1);
        expect(driver.core.counts().refuted).to.equal(1);
        expect(passedOn(driver, 'm0')).to.deep.equal(['alive']);
      });
    }

    for (const [name, claim] of [
      ['what it says itself', alive('m0', { incarnation: 100 })],
      ['an older life', alive('m0', { incarnation: 99, meta: Uint8Array.of(1) })],
    ] as const) {
      it(`leaves alone ${name}`, () => {
        const driver = knowing('alive');
        driver.drainNews();
        driver.hear(claim);
        expect(driver.state('m0')).to.equal('alive 100');
        expect(driver.core.health).to.equal(0);
      });
    }

    it('says again what it said when somebody accuses an incarnation that is past', () => {
      const driver = knowing('alive');
      driver.drainNews();
      driver.hear(suspect('m0', 99));
      expect(driver.state('m0')).to.equal('alive 100');
      expect(driver.core.counts()).to.include({ reminded: 1, refuted: 0 });
      expect(passedOn(driver, 'm0')).to.deep.equal(['alive']);
      driver.hear(suspect('m0', 99), dead('m0', 98));
      expect(driver.core.counts().reminded, 'not while it still spreads').to.equal(1);
    });

    it('denies in the very packet that answers the ping which came with the accusation', () => {
      const driver = knowing('alive');
      driver.drainNews();
      driver.hear({ is: 'ping', seqNo: 7, node: 'm0', source: noSource }, suspect('m0', 100));
      expect(driver.done('send')).to.have.length(1);
      expect(driver.done('send')[0]?.messages).to.deep.include({ is: 'ack', seqNo: 7, payload: none });
      expect(driver.sent('alive').map(({ message }) => message.incarnation)).to.deep.equal([101]);
    });

    it('raises its incarnation with its metadata, and spreads it', () => {
      const driver = knowing('alive');
      driver.drainNews();
      driver.step({ is: 'meta', meta: Uint8Array.of(1, 2) });
      expect(driver.state('m0')).to.equal('alive 101');
      expect(driver.sent('alive').length, 'told at once').to.be.above(0);
      expect(passedOn(driver, 'm0')).to.deep.equal(['alive']);
      driver.step({ is: 'meta', meta: Uint8Array.of(1, 2) });
      expect(driver.state('m0'), 'the same once more changes nothing').to.equal('alive 101');
      expect(() => driver.step({ is: 'meta', meta: new Uint8Array(513) }))
        .to.throw(/513 bytes; other members accept 512/)
        .with.property('code', 'INVALID_ARGUMENT');
    });
  });

  describe('suspicion of a member', () => {
    const accusers: readonly (readonly [froms: readonly string[], deadAfterMs: number])[] = [
      [['m2'], 24_000],
      [['m2', 'm3'], 11_381],
      [['m2', 'm3', 'm4'], 4000],
      [['m2', 'm2', 'm2'], 24_000],
    ];
    for (const [froms, deadAfterMs] of accusers) {
      it(`ends in death after ${deadAfterMs} ms when accused by ${froms.join(', ')}`, () => {
        // Its pings are answered, so that no accusation of our own adds to those here.
        const driver = Driver.started({}, ['m2', 'm3', 'm4']);
        driver.hear(alive('m1'));
        driver.answering = true;
        const failedAfter = (): number => {
          for (let waitedMs = 0; waitedMs < 30_000; waitedMs++) {
            if (driver.told().includes('failed m1')) return waitedMs;
            driver.clear();
            driver.advance(1);
          }
          return Number.NaN;
        };
        for (const from of froms) driver.hear(suspect('m1', 10, from));
        expect(failedAfter()).to.be.within(deadAfterMs, deadAfterMs + 2);
        expect(driver.state('m1')).to.equal('dead 10');
      });
    }

    it('is void when it was denied meanwhile', () => {
      const driver = knowing('suspect');
      driver.hear(alive('m1', { incarnation: 11 }));
      driver.answering = true;
      driver.advance(30_000);
      expect(driver.told()).to.deep.equal(['recovered m1']);
      expect(driver.state('m1')).to.equal('alive 11');
    });

    it('is told to its face, so that it can deny', () => {
      const driver = Driver.started({}, ['m1', 'm2', 'm3', 'm4']);
      driver.hear(suspect('m1'));
      driver.clear();
      driver.advance(13_000);
      const pleas = driver
        .done('send')
        .filter(({ to, messages }) => to.addr[3] === 1 && messages.length === 2 && messages[1]?.is === 'suspect');
      expect(pleas.length).to.be.above(0);
      expect(pleas[0]?.messages.map(({ is }) => is)).to.deep.equal(['ping', 'suspect']);
    });
  });

  describe('in a whole state', () => {
    const state = (...nodes: readonly ReturnType<typeof pushed>[]) =>
      ({ is: 'pushPull', join: false, nodes, userState: none }) as const;

    it('trusts no verdict of death: it suspects instead, in its own name', () => {
      const driver = knowing('alive');
      driver.drainNews();
      driver.step({ is: 'exchangeAsked', stream: 1, state: state(pushed('m1', 'dead'), pushed('m2', 'suspect')) });
      expect([driver.state('m1'), driver.state('m2')]).to.deep.equal(['suspect 10', 'suspect 10']);
      const said = passedOn(driver);
      expect(said).to.deep.equal(['suspect']);
      expect(driver.sent('suspect').every(({ message }) => message.from === 'm0')).to.equal(true);
    });

    it('believes who left, and who lives; port 0 means our own', () => {
      const driver = knowing('alive');
      const nodes = [pushed('m1', 'left'), pushed('m6', 'alive', { endpoint: at(6, 0) })];
      driver.step({ is: 'exchangeAsked', stream: 1, state: state(...nodes) });
      expect([driver.state('m1'), driver.state('m6')]).to.deep.equal(['left 10', 'alive 10']);
      expect(driver.core.member('m6')?.port).to.equal(7946);
    });

    it('denies what a state says of this node', () => {
      for (const [is, incarnation] of [
        ['dead', 105],
        ['left', 109],
        ['suspect', 100],
      ] as const) {
        const driver = knowing('alive');
        driver.step({ is: 'exchangeAsked', stream: 1, state: state(pushed('m0', is, { incarnation })) });
        expect(driver.state('m0'), is).to.equal(`alive ${incarnation + 1}`);
      }
    });
  });
});
