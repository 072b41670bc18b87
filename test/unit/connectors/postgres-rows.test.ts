import { expect } from 'chai';
import { RowReader } from '../../../src/connectors/postgres-rows.js';
import { contextOf } from './harness.js';

describe('postgres: a column of bytes', () => {
  const read = (raw: string): unknown =>
    new RowReader([{ name: 'v', dataTypeID: 17 }], { type: 'postgres', url: '', query: '' }, contextOf({})).read([raw]);
  const rows: readonly [string, string, readonly number[]][] = [
    ['in hexadecimal', '\\x00ff5c', [0, 255, 92]],
    ['with escapes', 'a\\\\\\000\\377\\134b', [97, 92, 0, 255, 92, 98]],
    ["with backslashes that escape nothing, over which pg's own parser never ends", 'a\\y\\', [97, 92, 121, 92]],
    ['with none at all', '', []],
  ];
  for (const [name, raw, bytes] of rows) {
    it(name, () => {
      expect([...(read(raw) as Buffer)]).to.deep.equal(bytes);
    });
  }
});
