import { expect } from 'chai';
import { Topology } from '../../../src/engine/topology.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';
import type { Member, MemberState } from '../../../src/ports/membership.js';

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
function topologyOf(members: Member[], linked: Member[] = []): Topology {
  const self = member('self', 'alive', true);
  const unused = () => {
    throw new Error('nobody asks for this');
  };
  const membership = { members: () => members, start: unused, stop: unused, drain: unused, onChange: unused };
  const topology = new Topology(membership, { linked: () => linked }, xxh3Hasher, 512, () => self);
  topology.refresh();
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

  it('tells whether anything changed, also when a node came back under its name', () => {
    const members = [member('other', 'alive', true), self];
    const topology = topologyOf(members);
    expect(topology.refresh()).to.equal(false);
    members[0] = { ...members[0]!, id: 'another id' };
    expect(topology.refresh()).to.equal(true);
    expect(topology.refresh()).to.equal(false);
  });

  it('leaves to this node what is under way on it when nobody serves', () => {
    const topology = topologyOf([member('self', 'draining', false)]);
    expect(topology.place('key')).to.include({ mine: true }).and.to.have.nested.property('owner.name', 'self');
  });
});
