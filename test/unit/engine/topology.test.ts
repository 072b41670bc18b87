import { expect } from 'chai';
import { Topology } from '../../../src/engine/topology.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import type { Hasher } from '../../../src/ports/hasher.js';
import type { Member, MemberState } from '../../../src/ports/membership.js';
import { FakeClock } from '../../support/fake-clock.js';

const member = (name: string, state: MemberState, serving: boolean): Member => ({
  id: `id of ${name}`,
  name,
  address: `${name}:3320`,
  admin: '',
  gossip: '',
  version: '',
  weight: 1,
  incarnation: 1,
  state,
  serving,
});

/** A topology of `self` and another, over lists that a test changes. */
function topologyOf(
  members: Member[],
  linked: Member[] = [],
  moved = () => {},
  hasher: Hasher = xxh3Hasher,
  silent: readonly string[] = [],
): Topology {
  const self = member('self', 'alive', true);
  const unused = () => {
    throw new Error('nobody asks for this');
  };
  const membership = {
    members: () => members,
    start: unused,
    stop: unused,
    drain: unused,
    counts: unused,
    onChange: unused,
  };
  const topology = new Topology({
    clock: new FakeClock(),
    membership,
    peers: { linked: () => linked },
    hasher,
    virtualNodes: 512,
    replicas: 1,
    self: () => self,
    isSilent: (id) => silent.includes(id),
    caughtUp: (_, done) => done(),
    moved,
  });
  topology.changed();
  return topology;
}

describe('the ring of the engine', () => {
  const self = member('self', 'alive', true);
  const rows: readonly [what: string, state: MemberState, serving: boolean, linked: boolean, owns: boolean][] = [
    ['alive and linked', 'alive', true, true, true],
    ['alive, its link broken: others may reach it', 'alive', true, false, true],
    ['alive, still joining', 'alive', false, true, false],
    ['suspect but linked: busy, perhaps', 'suspect', true, true, true],
    ['suspect and its link broken: crashed, most likely', 'suspect', true, false, false],
    ['draining', 'draining', false, true, false],
    ['dead, its link not yet broken', 'dead', false, true, false],
    ['left', 'left', false, true, false],
  ];
  for (const [what, state, serving, linked, owns] of rows) {
    it(`${owns ? 'has' : 'has not'} a member that is ${what}`, () => {
      const other = member('other', state, serving);
      const topology = topologyOf([other, self], linked ? [other] : []);
      expect([...topology.shares().keys()]).to.deep.equal(owns ? ['other', 'self'] : ['self']);
      expect(topology.serving).to.equal(owns ? 2 : 1);
    });
  }

  it('tells when keys have moved, also when a node came back under its name, and for nothing else', () => {
    const members = [member('other', 'alive', true), self];
    let moves = 0;
    const topology = topologyOf(members, members, () => moves++);
    const movesAfter = (change: Partial<Member>): number => {
      members[0] = { ...members[0]!, ...change };
      topology.changed();
      topology.settle();
      return moves;
    };
    expect(topology.serving).to.equal(2);
    expect(moves).to.equal(1);
    expect(movesAfter({}), 'nothing').to.equal(1);
    expect(movesAfter({ incarnation: 7 }), 'incarnation').to.equal(1);
    expect(movesAfter({ id: 'another id' }), 'id').to.equal(2);
    expect(movesAfter({ weight: 2 }), 'weight').to.equal(3);
    expect(movesAfter({ state: 'left' }), 'state').to.equal(4);
  });

  it('is made once for all that changes before it is asked, and is never asked while it is out of date', () => {
    let hashes = 0;
    const hash = (key: string): number => {
      hashes++;
      return xxh3Hasher.hash(key);
    };
    const members = [self];
    const topology = topologyOf(members, [], undefined, { name: 'counted', hash });
    topology.settle();
    hashes = 0;
    for (let i = 0; i < 100; i++) {
      members.push(member(`node-${i}`, 'alive', true));
      topology.changed();
    }
    expect(hashes).to.equal(0);
    expect(topology.shares().size).to.equal(101);
    const once = hashes;
    expect(once, 'two for each member and one for the whole').to.be.within(101, 303);
    for (let i = 0; i < 100; i++) topology.placeOf(i);
    expect(hashes).to.equal(once);
  });

  it('names those who may have had a key before others joined: up to the first that has run for more than a minute', () => {
    const clock = new FakeClock();
    const nowS = Math.floor(clock.wallMs() / 1000);
    const aged = (name: string, ageS: number): Member => ({ ...member(name, 'alive', true), incarnation: nowS - ageS });
    const young = ['a', 'b', 'c'].map((name) => aged(name, 5));
    const hash = 1;
    const all = topologyOf([self, ...young]).heldBefore(hash, 16);
    expect(all.map(({ name }) => name)).to.have.members(['a', 'b', 'c']);
    const settled = young.map((one) => (one.name === all[1]!.name ? aged(one.name, 600) : one));
    const before = topologyOf([self, ...settled]).heldBefore(hash, 16);
    expect(before.map(({ name }) => name)).to.deep.equal([all[0]!.name, all[1]!.name]);
    expect(topologyOf([self, ...young]).heldBefore(hash, 2)).to.have.length.within(1, 2);
  });

  it('adds those who are leaving to whom is asked, sixteen at most, neither twice nor this node', () => {
    const leavers = Array.from({ length: 20 }, (_, i) => member(`leaver-${i}`, 'draining', false));
    const gone = [member('left', 'left', false), member('dead', 'dead', false)];
    const other = member('other', 'alive', true);
    const drained = { ...self, state: 'draining' as const, serving: false };
    const namesOf = (topology: Topology, former: readonly Member[]): readonly string[] =>
      topology.withLeaving(former).map(({ name }) => name);
    const few = topologyOf([...gone, leavers[0]!, leavers[1]!, other, drained]);
    expect(namesOf(few, [other, leavers[1]!])).to.deep.equal(['other', 'leaver-1', 'leaver-0']);
    expect(namesOf(topologyOf([...leavers, other, self]), [other])).to.have.length(1 + 16);
  });

  it('leaves to this node what is under way on it when nobody serves', () => {
    const topology = topologyOf([member('self', 'draining', false)]);
    expect(topology.place('key')).to.include({ mine: true }).and.to.have.nested.property('owner.name', 'self');
  });

  it('a node that drains out of everybody’s reach still needs the others, though nobody is left on its ring', () => {
    const drained = { ...self, state: 'draining' as const, serving: false };
    const other = member('other', 'suspect', true);
    expect(topologyOf([drained, other]).company()).to.deep.equal([other.id]);
    expect(topologyOf([drained, { ...other, state: 'dead' }]).company()).to.deep.equal([]);
    expect(topologyOf([drained, { ...other, state: 'alive' }]).company(), 'who owns its keys now').to.deep.equal([]);
  });
});
