import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { addressesOf, connectionOf } from '../../../src/cli/connection-flags.js';
import { entryJson, valueJson } from '../../../src/cli/entries.js';
import { parseEntry } from '../../../src/cli/put-lines.js';
import { wantsColor } from '../../../src/cli/terminal.js';
import { ranges } from '../../../src/config/ranges.js';
import { TestAuthority } from '../../support/issued.js';

const thisFile = fileURLToPath(import.meta.url);
const textOf = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

describe('cli: lines of --from', () => {
  const good: readonly { name: string; line: string; value: string; ttlMs?: number }[] = [
    { name: 'text', line: '{"key":"a","value":"é"}', value: Buffer.from('é').toString('latin1') },
    { name: 'bytes', line: '{"key":"a","value_base64":"AP8="}', value: '\u0000\u00ff' },
    { name: 'bytes without padding', line: '{"key":"a","value_base64":"AP8"}', value: '\u0000\u00ff' },
    { name: 'empty text', line: '{"key":"a","value":""}', value: '' },
    { name: 'a ttl', line: '{"key":"a","value":"1","ttl":"1m30s"}', value: '1', ttlMs: 90_000 },
    { name: 'a ttl in milliseconds', line: '{"key":"a","value":"1","ttl":250}', value: '1', ttlMs: 250 },
  ];
  for (const { name, line, value, ttlMs } of good) {
    it(`are read: ${name}`, () => {
      const entry = parseEntry(line, undefined);
      expect(entry.key).to.equal('a');
      expect(textOf(entry.value)).to.equal(value);
      expect(entry.ttlMs).to.equal(ttlMs);
    });
  }

  it('without a ttl take the one of the command', () => {
    expect(parseEntry('{"key":"a","value":"1"}', 5).ttlMs).to.equal(5);
    expect(parseEntry('{"key":"a","value":"1","ttl":"1s"}', 5).ttlMs).to.equal(1_000);
  });

  const bad: readonly { name: string; line: string; says: string }[] = [
    { name: 'no JSON', line: '{"key"', says: 'no JSON' },
    { name: 'no object', line: '["a"]', says: 'must be an object' },
    { name: 'a misspelt field', line: '{"key":"a","value":"1","tll":"1s"}', says: 'unknown field "tll"' },
    { name: 'no key', line: '{"value":"1"}', says: '"key" must be' },
    { name: 'an empty key', line: '{"key":"","value":"1"}', says: '"key" must be' },
    { name: 'no value', line: '{"key":"a"}', says: 'either "value"' },
    { name: 'two values', line: '{"key":"a","value":"1","value_base64":"MQ=="}', says: 'either "value"' },
    { name: 'a number as value', line: '{"key":"a","value":1}', says: '"value" must be a text' },
    { name: 'a lone surrogate', line: '{"key":"a","value":"\\ud800"}', says: 'lone surrogate' },
    { name: 'broken base64', line: '{"key":"a","value_base64":"%%%"}', says: 'not base64' },
    { name: 'a ttl of 0', line: '{"key":"a","value":"1","ttl":0}', says: '"ttl" is 0' },
    { name: 'a ttl beyond the longest', line: '{"key":"a","value":"1","ttl":1e20}', says: 'at most 36500d' },
    { name: 'a ttl without unit', line: '{"key":"a","value":"1","ttl":"5"}', says: '"ttl" is "5"' },
  ];
  for (const { name, line, says } of bad) {
    it(`are refused: ${name}`, () => expect(() => parseEntry(line, undefined)).to.throw(says));
  }
});

describe('cli: values in JSON', () => {
  it('are text where the bytes are UTF-8, byte order mark included, else base64', () => {
    expect(valueJson(Buffer.from('é'))).to.deep.equal({ value: 'é' });
    expect(valueJson(Buffer.from('\ufeffa'))).to.deep.equal({ value: '\ufeffa' });
    expect(valueJson(new Uint8Array())).to.deep.equal({ value: '' });
    expect(valueJson(Uint8Array.of(0xff))).to.deep.equal({ value_base64: '/w==' });
  });

  it('that no JSON text could hold are refused with what to do', () => {
    expect(() => valueJson(new Uint8Array(64 * 1024 * 1024 + 1))).to.throw('--output FILE');
  });

  it('come with where they are from, the version as text', () => {
    const lookup = { key: 'a', node: 'n', version: 2 ** 52, expiresAt: new Date(0) };
    expect(entryJson({ ...lookup, found: true, outcome: 'hot', value: Buffer.from('v') }, true)).to.deep.equal({
      key: 'a',
      found: true,
      value: 'v',
      outcome: 'hot',
      node: 'n',
      version: '4503599627370496',
      expires_at: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('cli: addresses', () => {
  it('are a list of host:port', () => {
    expect(addressesOf('a:1, [::1]:2,10.0.0.1:65535')).to.deep.equal(['a:1', '[::1]:2', '10.0.0.1:65535']);
  });

  for (const text of ['', ',', 'a', 'a:', 'a:0', 'a:65536', 'a:x', '::1:3320', 'http://a:1', 'a b:1']) {
    it(`are refused: ${JSON.stringify(text)}`, () => expect(() => addressesOf(text)).to.throw('--addr'));
  }

  it('come with a default, and a time-out', async () => {
    expect(await connectionOf({})).to.deep.include({ addresses: ['127.0.0.1:3320'], timeoutMs: 5_000 });
  });

  it('come with room for the largest value that a node may be configured for', async () => {
    const { maxMessageBytes } = await connectionOf({});
    expect(maxMessageBytes).to.be.greaterThan(ranges.maxValueBytes.max + ranges.maxKeyBytes.max);
  });

  it('take a token, and TLS with the authorities of a file or of the machine', async () => {
    expect(await connectionOf({ token: 't' })).to.include({ token: 't' });
    expect(await connectionOf({ 'tls-ca': 'system' })).to.deep.include({ tls: {} });
    const folder = await mkdtemp(join(tmpdir(), 'distcache-cli-'));
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.client();
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const { tls } = await connectionOf({
      'tls-ca': await file('ca.pem', authority.ca.cert),
      'tls-cert': await file('c.pem', cert),
      'tls-key': await file('k.pem', key),
    });
    expect(tls).to.deep.equal({ ca: authority.ca.cert, cert, key });
    await rm(folder, { recursive: true });
  });

  const refusals: readonly [string, Parameters<typeof connectionOf>[0], string][] = [
    ['a token with a line break', { token: 'a\nb' }, '--token'],
    ['a certificate without its key', { 'tls-cert': 'x' }, '--tls-cert needs --tls-key'],
    ['a key without its certificate', { 'tls-key': 'x' }, '--tls-key needs --tls-cert'],
    ['an authority that is no PEM', { 'tls-ca': thisFile }, `--tls-ca: ${thisFile} holds no certificate in PEM`],
    ['a file that is not there', { 'tls-ca': '/nowhere/ca.pem' }, '--tls-ca: /nowhere/ca.pem cannot be read: ENOENT'],
  ];
  for (const [name, flags, message] of refusals) {
    it(`are refused with ${name}`, async () => {
      const error = await connectionOf(flags).catch((thrown: unknown) => thrown);
      expect((error as Error).message).to.include(message);
    });
  }
});

describe('cli: colour', () => {
  const rows: readonly { name: string; env: Record<string, string>; isTerminal: boolean; color: boolean }[] = [
    { name: 'a terminal', env: {}, isTerminal: true, color: true },
    { name: 'a pipe', env: {}, isTerminal: false, color: false },
    { name: 'NO_COLOR', env: { NO_COLOR: '1' }, isTerminal: true, color: false },
    { name: 'an empty NO_COLOR', env: { NO_COLOR: '' }, isTerminal: true, color: true },
    { name: 'FORCE_COLOR in a pipe', env: { FORCE_COLOR: '1' }, isTerminal: false, color: true },
    { name: 'FORCE_COLOR=0', env: { FORCE_COLOR: '0' }, isTerminal: true, color: false },
    { name: 'both', env: { NO_COLOR: '1', FORCE_COLOR: '1' }, isTerminal: true, color: false },
    { name: 'a dumb terminal', env: { TERM: 'dumb' }, isTerminal: true, color: false },
  ];
  for (const { name, env, isTerminal, color } of rows) {
    it(`is ${color ? 'on' : 'off'}: ${name}`, () => expect(wantsColor(env, isTerminal)).to.equal(color));
  }
});
