import { expect } from 'chai';
import { blankSecrets } from '../../../src/admin/blank-secrets.js';

describe('admin: secrets of a config', () => {
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['a list of secrets', { gossip: { secrets: ['a', 'b'] } }, { gossip: { secrets: ['***', '***'] } }],
    ['no secrets', { gossip: { secrets: [] } }, { gossip: { secrets: [] } }],
    ['a token of many', { tokens: [{ name: 'ci', token: 'x' }] }, { tokens: [{ name: 'ci', token: '***' }] }],
    ['a password that is not set', { password: undefined, token: null }, { password: undefined, token: null }],
    ['a number as password', { password: 123456 }, { password: '***' }],
    ['headers of any name', { headers: { 'x-api': 'k' } }, { headers: { 'x-api': '***' } }],
    ['user and password of a URL', { url: 'postgres://u:p%40@h/db' }, { url: 'postgres://***@h/db' }],
    ['of several URLs', ['redis://:p@a', 'redis://b'], ['redis://***@a', 'redis://b']],
    ['an @ that is no user', { url: 'https://h/a@b' }, { url: 'https://h/a@b' }],
    ['a parameter of a URL', 'https://h/{key}?api_key=1&b=2&sig=3', 'https://h/{key}?api_key=***&b=2&sig=***'],
    ['what is no secret', { maxBytes: 5, port: 0, ok: true, keys: 'a' }, { maxBytes: 5, port: 0, ok: true, keys: 'a' }],
    ['maps in headers', { headers: { a: { b: 1 } } }, { headers: { a: { b: '***' } } }],
    [
      'a map that is named so',
      { credentials: { user: 'u', password: 'p' } },
      { credentials: { user: 'u', password: '***' } },
    ],
    ['functions', { fetch: () => 'x', n: 1 }, { n: 1 }],
  ];
  for (const [name, given, expected] of rows) {
    it(`blanks ${name}`, () => expect(blankSecrets(given)).to.deep.equal(expected));
  }
});
