import { expect } from 'chai';
import { Access, checkKeyspace, checkRule } from '../../../src/access/access.js';
import type { Caller } from '../../../src/access/rights.js';

const nodes = { nodeName: 'distcache-node', nodes: 'certified' } as const;
const tokens = [
  { name: 'ci', token: 'ci-token', allow: ['read'], keyspaces: ['ks'] },
  { name: 'ops', token: 'ops-token', allow: ['read', 'write', 'admin'] },
] as const;
const certificates = [{ name: 'app.example', allow: ['read', 'write'] }] as const;

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect((error as { code?: string }).code).to.equal('UNAUTHORIZED');
    return (error as Error).message;
  }
  return '';
};

describe('access', () => {
  const access = new Access({ tokens, certificates }, nodes);

  const known: readonly [string, Parameters<Access['callerOf']>[0], string][] = [
    ['a token', { authorization: 'Bearer ci-token' }, 'ci'],
    ['a token, its scheme in any letters', { authorization: 'bearer  ops-token ' }, 'ops'],
    ['a certificate', { certificate: ['other', 'app.example'] }, 'app.example'],
    ['a token beside a certificate', { authorization: 'Bearer ci-token', certificate: ['app.example'] }, 'ci'],
    ['a node', { certificate: ['cache-1', 'distcache-node'] }, 'cache-1'],
  ];
  for (const [name, shown, expected] of known) {
    it(`knows ${name}`, () => expect(access.callerOf(shown).name).to.equal(expected));
  }

  const unknown: readonly [string, Parameters<Access['callerOf']>[0], string][] = [
    ['nothing', {}, 'no token was shown'],
    ['another token', { authorization: 'Bearer nope' }, 'the token is not known here'],
    ['a part of a token', { authorization: 'Bearer ops-toke' }, 'the token is not known here'],
    ['a token and more', { authorization: 'Bearer ops-tokenn' }, 'the token is not known here'],
    ['no bearer', { authorization: 'Basic ops-token' }, 'not of the form'],
    ['no token', { authorization: 'Bearer ' }, 'not of the form'],
    ['two tokens', { authorization: 'Bearer a b' }, 'not of the form'],
    ['a token of 100 KiB', { authorization: `Bearer ${'x'.repeat(100_000)}` }, 'not of the form'],
    ['another certificate', { certificate: ['who.example'] }, 'the certificate of who.example gives no rights'],
    [
      'a wrong token beside a good certificate',
      { authorization: 'Bearer x', certificate: ['app.example'] },
      'not known',
    ],
    [
      'a wrong token beside the certificate of a node',
      { authorization: 'Bearer x', certificate: ['distcache-node'] },
      'not known',
    ],
  ];
  for (const [name, shown, expected] of unknown) {
    it(`refuses ${name}`, () => expect(refusal(() => access.callerOf(shown))).to.include(expected));
  }

  it('never shows what was shown to it', () => {
    expect(refusal(() => access.callerOf({ authorization: 'Bearer hunter2' }))).not.to.include('hunter2');
  });

  it('is open without tokens and certificates, and where one must be shown, to who shows it', () => {
    expect(new Access({}, nodes).callerOf({}).name).to.equal('anyone');
    const strict = new Access({}, { ...nodes, needsCertificate: true });
    expect(strict.callerOf({ certificate: ['x'] }).name).to.equal('anyone');
    expect(refusal(() => strict.callerOf({}))).to.include('no certificate was shown');
  });

  it('changes for the next call', () => {
    const changing = new Access({ tokens }, nodes);
    changing.replace({ tokens: [{ name: 'new', token: 'fresh', allow: ['read'] }] });
    expect(changing.callerOf({ authorization: 'Bearer fresh' }).name).to.equal('new');
    expect(refusal(() => changing.callerOf({ authorization: 'Bearer ci-token' }))).to.include('not known');
  });

  const nodeRows: readonly [string, 'nobody' | 'certified' | 'anybody', readonly string[] | undefined, string][] = [
    ['a node, by its certificate', 'certified', ['a', 'distcache-node'], ''],
    ['a client with a certificate', 'certified', ['app.example'], 'links are for nodes'],
    ['a client without', 'certified', undefined, 'no certificate was shown'],
    ['anybody, where the handshake tells', 'anybody', undefined, ''],
    ['a node, where there is no cluster', 'nobody', ['distcache-node'], 'stands alone'],
  ];
  for (const [name, kind, certificate, expected] of nodeRows) {
    it(`${expected === '' ? 'lets' : 'does not let'} a link be opened by ${name}`, () => {
      const guard = new Access({ tokens }, { nodeName: 'distcache-node', nodes: kind });
      expect(refusal(() => guard.checkNode(certificate))).to.include(expected);
    });
  }

  describe('rights', () => {
    const ci: Caller = access.callerOf({ authorization: 'Bearer ci-token' });
    const ops: Caller = access.callerOf({ authorization: 'Bearer ops-token' });
    const rows: readonly [string, Caller, Parameters<typeof checkRule>[1], string, string][] = [
      ['reads its keyspace', ci, { is: 'keyspace', right: 'read' }, 'ks', ''],
      [
        'does not read another',
        ci,
        { is: 'keyspace', right: 'read' },
        'other',
        "ci lacks the right 'read' for keyspace 'other'",
      ],
      ['does not write its own', ci, { is: 'keyspace', right: 'write' }, 'ks', "ci lacks the right 'write'"],
      ['looks at the node', ci, { is: 'node-wide', right: 'read' }, '', ''],
      [
        'does not see all keyspaces',
        ci,
        { is: 'whole', right: 'read' },
        '',
        "ci lacks the right 'read' for every keyspace",
      ],
      ['who may do all, does', ops, { is: 'whole', right: 'admin' }, '', ''],
      ['who may do all, runs the node', ops, { is: 'node-wide', right: 'admin' }, '', ''],
    ];
    for (const [name, caller, rule, keyspace, expected] of rows) {
      it(name, () => {
        const check = (): void => {
          checkRule(caller, rule);
          checkKeyspace(caller, rule, keyspace);
        };
        expect(refusal(check)).to.include(expected);
      });
    }

    it('to change keyspaces does not reach the node where it is for some of them', () => {
      const some = new Access({ tokens: [{ name: 'k', token: 't', allow: ['admin'], keyspaces: ['ks'] }] }, nodes);
      const caller = some.callerOf({ authorization: 'Bearer t' });
      expect(refusal(() => checkRule(caller, { is: 'node-wide', right: 'admin' }))).to.include(
        'for the node as a whole',
      );
    });
  });
});
