import { expect } from 'chai';
import { lookAtFile } from '../../../src/doctor/config-file.js';
import { checkAuthorityKey, checkSecretFile } from '../../../src/doctor/file-modes.js';
import { checkProtection } from '../../../src/doctor/protection.js';
import { checkGossipSecrets, checkToken } from '../../../src/doctor/secrets.js';
import { loaded, options } from '../config/support.js';
import { expectAdvice, lines, one } from './support.js';

const keyspaces = 'keyspaces: { ks: { maxBytes: 1MiB, source: { type: none } } }\n';

describe('doctor: the file', () => {
  it('that is valid is said to be so', () => {
    const { config, checks, inline } = lookAtFile(keyspaces, options());
    expect(config?.keyspaces).to.have.length(1);
    expect(inline).to.deep.equal([]);
    expect(lines(checks)).to.deep.equal([
      'ok config: c.yaml is valid, with 1 keyspace',
      'ok secrets in the file: none stands in c.yaml itself',
    ]);
  });

  it('that is not is told of problem by problem, with place and path', () => {
    const { config, checks } = lookAtFile('bind: { port: 70000 }\nlimits: { maxBatch: 0 }\n', options());
    expect(config).to.equal(undefined);
    expect(lines(checks)).to.have.length(3);
    expect(lines(checks)[0]).to.match(/^fail config: c\.yaml:1:\d+ bind\.port: must be/);
    expect(lines(checks)[1]).to.match(/^fail config: c\.yaml:2:\d+ limits\.maxBatch: must be/);
    expectAdvice(checks);
  });

  it('that has doubts is valid and warned of', () => {
    const { config, checks } = lookAtFile(`${keyspaces}telemetry: { otlp: "http://127.0.0.1:4318" }\n`, options());
    expect(config).to.not.equal(undefined);
    expect(checks.map(({ result }) => result)).to.deep.equal(['ok', 'warn', 'ok']);
    expectAdvice(checks);
  });

  it('is searched for secrets that stand in it; what variables put in and what names files is none', () => {
    const text = `auth:
  tokens:
    - { name: a, token: hunter2hunter2, allow: [read] }
    - { name: b, token: "\${B}", allow: [read] }
    - { name: c, tokenFile: c.token, allow: [read] }
gossip: { secrets: ["\${G}", "AAAAAAAAAAAAAAAAAAAAAA=="] }
discovery: { provider: static }
admin: { token: hunter3 }
keyspaces:
  users: { maxBytes: 1MiB, source: { type: postgres, url: "postgres://u:pw@h/db", query: "select 1 where 'a' = $1" } }
  pages:
    maxBytes: 1MiB
    source:
      type: http
      url: "https://h/{key}"
      headers: { accept: text/html, authorization: Bearer abc, x-key: "\${B}" }
`;
    const env = { B: 'bbbbbbbbbbbbbbbb', G: 'AQEBAQEBAQEBAQEBAQEBAQ==' };
    const { inline, checks } = lookAtFile(text, options(env));
    expect(inline).to.deep.equal([
      'auth.tokens[0].token',
      'gossip.secrets[1]',
      'admin.token',
      'keyspaces.users.source.url',
      'keyspaces.pages.source.headers.authorization',
    ]);
    expect(one(checks, 'secrets in the file').result).to.equal('warn');
    for (const secret of ['hunter', 'AAAA', 'pw@', 'Bearer']) expect(lines(checks).join()).to.not.contain(secret);
  });

  it('that is no YAML has no secrets that could be told', () => {
    expect(lookAtFile('a: [', options()).inline).to.deep.equal([]);
  });
});

describe('doctor: who could get at the node', () => {
  const of = (text: string, env = {}) => checkProtection(loaded(text + keyspaces, env).config);
  const secret = 'gossip: { secrets: ["AQEBAQEBAQEBAQEBAQEBAQ=="] }\n';
  const all = 'bind: { addr: 0.0.0.0 }\n';
  const tls = 'tls: { ca: ca.pem, cert: c.pem, key: k.pem }\n';
  const token = 'auth: { tokens: [ { name: a, token: secret, allow: [read] } ] }\n';

  it('on this machine alone is in order', () => {
    expect(lines(of(''))).to.deep.equal([
      'ok protection of the node: 127.0.0.1, for this machine alone',
      'ok protection of the admin endpoints: 127.0.0.1, for this machine alone',
    ]);
  });

  const rows: readonly { name: string; text: string; result: string; says: RegExp }[] = [
    { name: 'open to all', text: all, result: 'fail', says: /0\.0\.0\.0.*anybody who reaches it can read and write/ },
    {
      name: 'gossip in the clear',
      text: `${all}${tls}discovery: { provider: static }\n`,
      result: 'fail',
      says: /its gossip is in the clear/,
    },
    { name: 'tokens in the clear', text: `${all}${token}`, result: 'warn', says: /tokens travel in the clear/ },
    {
      name: 'tokens, and nothing that tells a node from a client',
      text: `${token}discovery: { provider: static }\n`,
      result: 'warn',
      says: /nothing tells a node from a client/,
    },
    { name: 'TLS and tokens', text: `${all}${tls}${token}`, result: 'ok', says: /mutual TLS, 1 token/ },
  ];
  for (const { name, text, result, says } of rows) {
    it(`${name}: ${result}`, () => {
      const checks = of(text);
      const check = one(checks, 'protection of the node');
      expect(check.result, check.found).to.equal(result);
      expect(check.found).to.match(says);
      expectAdvice(checks);
    });
  }

  it('with certificates alone whoever has one may do everything, which is warned of', () => {
    const check = one(of(`${all}${tls}`), 'rights at the node');
    expect(check).to.include({ result: 'warn' });
    expect(lines(of(`${all}${tls}${token}`)).join('\n')).to.not.contain('rights at');
    expect(lines(of(tls)).join('\n')).to.not.contain('rights at');
  });

  it('admin endpoints stand for themselves, and may have a token of their own', () => {
    const open = one(of('admin: { addr: 0.0.0.0 }\n'), 'protection of the admin endpoints');
    expect(open).to.include({ result: 'fail' });
    expect(open.mend).to.contain('auth.tokens');
    const closed = one(of('admin: { addr: 0.0.0.0, token: t }\n'), 'protection of the admin endpoints');
    expect(closed.result).to.equal('warn');
    expect(lines(of('admin: false\n')).join('\n')).to.not.contain('admin endpoints');
  });

  it('a cluster that others reach has a label', () => {
    const clustered = `${all}${tls}${token}${secret}discovery: { provider: static }\n`;
    expect(one(of(clustered), 'label').result).to.equal('warn');
    expect(one(of(`${clustered}label: prod\n`), 'label').result).to.equal('ok');
    expect(lines(of('discovery: { provider: static }\n')).join('\n')).to.not.contain('label');
  });

  it('an interface that is not there fails, and names those that are', () => {
    const [check] = of('bind: { interface: nowhere0 }\n');
    expect(check).to.include({ check: 'protection', result: 'fail' });
    expect(check!.found).to.contain('this machine has: ');
  });
});

describe('doctor: secrets', () => {
  const resultOf = (token: string) => checkToken({ setting: 'auth.tokens[0]', name: 'ci', token }).result;

  it('tokens are long, and of many characters', () => {
    expect(resultOf('short')).to.equal('fail');
    expect(resultOf('a'.repeat(64))).to.equal('fail');
    expect(resultOf('abcdefghijklmnopqrst')).to.equal('warn');
    expect(resultOf('0123456789abcdef'.repeat(4))).to.equal('ok');
  });

  it('no token is shown', () => {
    const check = checkToken({ setting: 'auth.tokens[0]', name: 'ci', token: 'hunter2' });
    expect(JSON.stringify(check)).to.not.contain('hunter2');
    expectAdvice([check]);
  });

  it('secrets of gossip were made by chance; the first encrypts', () => {
    const made = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7)).toString('base64');
    const checks = checkGossipSecrets([made, Buffer.alloc(16).toString('base64')]);
    expect(lines(checks)).to.deep.equal([
      'ok gossip.secrets[0]: AES-256; encrypts and decrypts',
      'fail gossip.secrets[1]: its 16 bytes are 1 different ones: no chance made it',
    ]);
    expectAdvice(checks);
  });
});

describe('doctor: files that hold secrets', () => {
  const of = (mode: number | undefined) => checkSecretFile({ setting: 'tls.key', path: '/k.pem', mode });

  it('are for their owner, and perhaps its group', () => {
    for (const mode of [0o400, 0o600, 0o640]) expect(of(mode)?.result, mode.toString(8)).to.equal('ok');
    for (const mode of [0o644, 0o604, 0o660, 0o602, 0o777]) expect(of(mode)?.result, mode.toString(8)).to.equal('fail');
    expect(of(0o644)).to.include({ mend: 'chmod 600 /k.pem' });
    expect(of(0o644)?.found).to.contain('mode 0644');
  });

  it('that are not there are told of elsewhere', () => expect(of(undefined)).to.equal(undefined));

  it('the key of an authority does not lie beside a node that others reach', () => {
    expect(checkAuthorityKey('/ca-key.pem', false).result).to.equal('fail');
    expect(checkAuthorityKey('/ca-key.pem', true).result).to.equal('warn');
  });
});
