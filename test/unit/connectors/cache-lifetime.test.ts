import type { IncomingHttpHeaders } from 'node:http';
import { expect } from 'chai';
import { lifetimeMs } from '../../../src/connectors/cache-lifetime.js';
import { redirectTarget } from '../../../src/connectors/redirect.js';

describe('HTTP caching headers', () => {
  const wallMs = Date.parse('Tue, 14 Nov 2023 22:13:20 GMT');
  const rows: readonly [name: string, headers: IncomingHttpHeaders, expected: number | undefined][] = [
    ['nothing', {}, undefined],
    ['max-age', { 'cache-control': 'max-age=60' }, 60_000],
    ['max-age among others', { 'cache-control': 'public, MAX-AGE=60, immutable' }, 60_000],
    ['max-age in quotes', { 'cache-control': 'max-age="60"' }, 60_000],
    ['max-age zero', { 'cache-control': 'max-age=0' }, 0],
    ['max-age that is no number', { 'cache-control': 'max-age=soon' }, 0],
    ['max-age below zero', { 'cache-control': 'max-age=-1' }, 0],
    ['max-age without end', { 'cache-control': `max-age=${'9'.repeat(400)}` }, 2 ** 31 * 1000],
    ['the first of two', { 'cache-control': 'max-age=5, max-age=60' }, 5000],
    ['s-maxage before max-age', { 'cache-control': 'max-age=60, s-maxage=5' }, 5000],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }, 0],
    ['no-cache', { 'cache-control': 'max-age=60, no-cache' }, 0],
    ['a word within another', { 'cache-control': 'x-no-store, max-age=60' }, 60_000],
    ['private', { 'cache-control': 'private, max-age=60' }, 60_000],
    ['directives without an age', { 'cache-control': 'public' }, undefined],
    ['Age taken off', { 'cache-control': 'max-age=60', age: '20' }, 40_000],
    ['Age beyond the end', { 'cache-control': 'max-age=60', age: '90' }, 0],
    ['Age that is no number', { 'cache-control': 'max-age=60', age: 'old' }, 60_000],
    ['Expires', { expires: 'Tue, 14 Nov 2023 22:14:20 GMT' }, 60_000],
    [
      'Expires by the sender’s clock',
      { date: 'Wed, 01 Jan 2020 00:00:00 GMT', expires: 'Wed, 01 Jan 2020 00:00:30 GMT' },
      30_000,
    ],
    ['Expires in the past', { expires: 'Tue, 14 Nov 2023 22:12:20 GMT' }, 0],
    ['Expires that is no date', { expires: '0' }, 0],
    ['max-age before Expires', { 'cache-control': 'max-age=5', expires: 'Tue, 14 Nov 2023 22:14:20 GMT' }, 5000],
  ];
  for (const [name, headers, expected] of rows) {
    it(`understand ${name}`, () => {
      expect(lifetimeMs(headers, wallMs)).to.equal(expected);
    });
  }
});

describe('redirects', () => {
  const from = new URL('https://example.org/a/b');
  const rows: readonly [name: string, location: string | undefined, expected: string][] = [
    ['a path', '/c', 'https://example.org/c'],
    ['a relative path', 'c', 'https://example.org/a/c'],
    ['another host', 'https://other.example/c', 'https://other.example/c'],
    ['credentials, left out', 'https://a:b@other.example/c#d', 'https://other.example/c'],
    ['plain http, refused', 'http://example.org/c', 'redirected from https: to http:, which is not followed'],
    ['a file, refused', 'file:///etc/passwd', 'redirected from https: to file:, which is not followed'],
    ['a script, refused', 'javascript:1', 'redirected from https: to javascript:, which is not followed'],
    ['nowhere', undefined, 'redirected without a usable location'],
    ['no URL', 'https://[', 'redirected without a usable location'],
  ];
  for (const [name, location, expected] of rows) {
    it(`lead to ${name}`, () => {
      expect(String(redirectTarget(location, from))).to.equal(expected);
    });
  }

  it('lead from http to https', () => {
    expect(String(redirectTarget('https://example.org/', new URL('http://example.org/')))).to.equal(
      'https://example.org/',
    );
  });
});
