import { expect } from 'chai';
import { CallTable } from '../../../src/transport/call-table.js';
import { FakeClock } from '../../support/fake-clock.js';
import { nodeInfo } from '../../support/peer-nodes.js';

describe('CallTable', () => {
  const table = (firstId: number): CallTable => new CallTable(new FakeClock(), nodeInfo('b', 'b:1'), () => {}, firstId);
  const wait = (calls: CallTable, id: number): void => {
    const request = { do: 'delete', keyspace: 'k', key: 'a', ack: 'applied' } as const;
    calls.wait(id, 0, request, 0, { deadlineMs: Number.POSITIVE_INFINITY }).catch(() => {});
  };

  it('counts ids on past 32 bits from one again, never zero, and leaves out those in use', () => {
    const calls = table(0xffff_fffe);
    for (const id of [0xffff_fffe, 0xffff_ffff, 1]) {
      expect(calls.nextId()).to.equal(id);
      wait(calls, id);
    }
    wait(calls, 2);
    wait(calls, 3);
    expect(calls.nextId()).to.equal(4);
    calls.close('test over');
    expect(calls.size).to.equal(0);
  });
});
