import { expect } from 'chai';
import { encodeMeta } from '../../../../src/membership/gossip/node-meta.js';
import { Roster } from '../../../../src/membership/gossip/roster.js';
import type { PushState } from '../../../../src/membership/messages.js';
import type { SwimMember } from '../../../../src/membership/swim/effects.js';
import type { MemberChange } from '../../../../src/ports/membership.js';
import { nodeInfo } from '../../../support/peer-nodes.js';

const swim = (name: string, state: PushState, id = `${name}.1`, incarnation = 1): SwimMember => ({
  name,
  addr: Uint8Array.of(10, 0, 0, 1),
  port: 7946,
  incarnation,
  meta: encodeMeta(nodeInfo(id, '10.0.0.1:3320', name), 'serving'),
  vsn: [1, 5, 2, 0, 0, 0],
  state,
  sinceMs: 0,
});

describe('the roster', () => {
  const rows: readonly (readonly [string, readonly SwimMember[], readonly string[]])[] = [
    ['a new member', [swim('a', 'alive')], ['joined a.1 alive']],
    ['one that is seen suspect first', [swim('a', 'suspect')], ['joined a.1 suspect']],
    ['the same again', [swim('a', 'alive'), swim('a', 'alive')], ['joined a.1 alive']],
    ['a doubt', [swim('a', 'alive'), swim('a', 'suspect')], ['joined a.1 alive', 'updated a.1 suspect']],
    ['a denial', [swim('a', 'suspect'), swim('a', 'alive', 'a.1', 2)], ['joined a.1 suspect', 'updated a.1 alive']],
    [
      'a higher incarnation',
      [swim('a', 'alive'), swim('a', 'alive', 'a.1', 2)],
      ['joined a.1 alive', 'updated a.1 alive'],
    ],
    ['an end', [swim('a', 'alive'), swim('a', 'dead')], ['joined a.1 alive', 'failed a.1 dead']],
    ['a leave', [swim('a', 'alive'), swim('a', 'left')], ['joined a.1 alive', 'left a.1 left']],
    ['an end of one never seen', [swim('a', 'dead')], []],
    [
      'a second end',
      [swim('a', 'alive'), swim('a', 'dead'), swim('a', 'left')],
      ['joined a.1 alive', 'failed a.1 dead'],
    ],
    [
      'another process under the name',
      [swim('a', 'alive'), swim('a', 'alive', 'a.2')],
      ['joined a.1 alive', 'left a.1 left', 'joined a.2 alive'],
    ],
    [
      'another process after the end of the first',
      [swim('a', 'alive'), swim('a', 'dead'), swim('a', 'alive', 'a.2')],
      ['joined a.1 alive', 'failed a.1 dead', 'joined a.2 alive'],
    ],
  ];
  for (const [name, seen, expected] of rows) {
    it(`tells ${name}, and lists what it tells`, () => {
      const roster = new Roster('self');
      const told: string[] = [];
      for (const member of seen) {
        roster.take(member, 0, ({ is, member: { id, state } }: MemberChange) => {
          told.push(`${is} ${id} ${state}`);
          expect(roster.list(0).map((listed) => `${listed.id} ${listed.state}`)).to.deep.equal([`${id} ${state}`]);
        });
      }
      expect(told).to.deep.equal(expected);
    });
  }

  it('lists those who went for ten minutes, a thousand at most, the longest gone dropped first', () => {
    const roster = new Roster('self');
    const ignore = (): void => {};
    for (let i = 0; i < 1500; i++) {
      roster.take(swim(`m${i}`, 'alive'), i, ignore);
      roster.take(swim(`m${i}`, 'dead'), i, ignore);
    }
    const names = (nowMs: number): readonly string[] => roster.list(nowMs).map(({ name }) => name);
    expect(names(1500)).to.have.length(1000);
    expect(names(1500)[0]).to.equal('m500');
    expect(names(601_000)).to.have.length(500);
    expect(names(601_500)).to.have.length(0);
    expect(roster.hasCompany).to.equal(false);
  });
});
