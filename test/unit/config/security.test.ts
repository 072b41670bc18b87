import { expect } from 'chai';
import { loaded, problemsOf } from './support.js';

describe('config: who is let in', () => {
  it('takes files of TLS, and who may do what', () => {
    const { config } = loaded(
      `tls: { ca: ca.pem, cert: node.pem, key: node-key.pem }
auth:
  tokens:
    - { name: ci, token: "\${T}", allow: [read, write], keyspaces: [cities] }
    - { name: ops, tokenFile: ops.token, allow: [admin] }
  certificates: [ { name: app.example, allow: [read] } ]
`,
      { T: 'secret' },
    );
    expect(config.tls).to.deep.equal({
      ca: 'ca.pem',
      cert: 'node.pem',
      key: 'node-key.pem',
      clientAuth: 'require',
      nodeName: 'distcache-node',
    });
    expect(config.auth).to.deep.equal({
      tokens: [
        { name: 'ci', token: 'secret', tokenFile: undefined, allow: ['read', 'write'], keyspaces: ['cities'] },
        { name: 'ops', token: undefined, tokenFile: 'ops.token', allow: ['admin'], keyspaces: undefined },
      ],
      certificates: [{ name: 'app.example', allow: ['read'], keyspaces: undefined }],
    });
  });

  it('refuses what would leave open who is let in, and shows no token', () => {
    const text = `tls: { ca: ca.pem, clientAuth: none }
auth:
  tokens:
    - { name: a, allow: [read] }
    - { name: a, token: hunter2, tokenFile: f, allow: [] }
    - { name: b, token: hunter2, allow: [fly] }
  certificates: [ { name: c, allow: [read] } ]
`;
    const found = problemsOf(text);
    expect(found).to.deep.equal(['6:42 auth.tokens[2].allow[0]: must be one of read, write, admin, found "fly"']);
    expect(problemsOf(text.replace('fly', 'read'))).to.deep.equal([
      '1:1 tls.cert: missing; must be a path (distcache cert create makes such files)',
      '1:1 tls.key: missing; must be a path (distcache cert create makes such files)',
      '4:7 auth.tokens[0].token: must be given, or tokenFile instead of it, and not both',
      '5:15 auth.tokens[1].name: is the name of another token as well',
      '5:25 auth.tokens[1].token: must be given, or tokenFile instead of it, and not both',
      '5:55 auth.tokens[1].allow: is empty; list at least one right',
      '6:25 auth.tokens[2].token: is the token of a as well',
      '7:17 auth.certificates: needs tls whose clientAuth is request or require, or nobody can show a certificate',
    ]);
    expect(found.join()).not.to.include('hunter2');
  });

  it('refuses tokens that no header carries, and does not show them', () => {
    for (const token of ['x y', 'é', 'x'.repeat(4097)]) {
      const found = problemsOf(
        `auth: { tokens: [{ name: a, token: "${token}", allow: [read] }] }\nadmin: { token: "${token}" }\n`,
      );
      expect(found).to.have.length(2);
      for (const problem of found) {
        expect(problem)
          .to.match(/token: must be a token of 1 to 4096 printable characters/)
          .and.not.include(token);
      }
    }
  });
});
