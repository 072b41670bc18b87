import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

/*
 * Secrets are planted wherever a node takes one, everything that could tell of them is made to speak, and none may be found:
 * in the log at its most talkative, in errors, in what the admin endpoints and `config` show, in metrics, traces and titles.
 */

const planted = {
  token: 'planted-token-7f3a91c2',
  fileToken: 'planted-file-token-02be77',
  adminToken: 'planted-admin-token-c41d',
  wrongToken: 'planted-wrong-token-99aa',
  gossip: Buffer.from('planted-gossip-secret-0123456789').toString('base64'),
  header: 'planted-header-5512',
  httpPassword: 'planted-http-password-ab12',
  redisPassword: 'planted-redis-password-cd34',
  postgresPassword: 'planted-postgres-password-ef56',
  query: 'planted-api-key-9988',
} as const;

/** As it is, and as it may have been written down. */
const spellings = (secret: string): readonly string[] => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('hex'),
];

function toldIn(text: string): readonly string[] {
  return Object.entries(planted).flatMap(([name, secret]) =>
    spellings(secret).some((how) => text.includes(how)) ? [name] : [],
  );
}

describe('integration: no secret is told', function () {
  this.timeout(120_000);
  let nodes: RealNodes;
  let collector: Server;
  let refusing: Server;
  const collected: Buffer[] = [];
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  /** Closes whatever connects: a database that breaks off. */
  const broken = createNetServer((socket) => socket.destroy());

  before(async () => {
    nodes = await RealNodes.open();
    collector = createServer((request, response) => {
      request.on('data', (piece: Buffer) => collected.push(piece)).on('end', () => response.end());
    });
    // Its answer holds what it was asked with, as error pages do.
    refusing = createServer((request, response) => {
      response.writeHead(500, { 'x-echo': String(request.headers.authorization) });
      response.end(`${request.url} ${request.headers.authorization} ${request.headers['x-api-key']}`);
    });
    for (const server of [collector, refusing, broken]) {
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
    }
  });
  after(async () => {
    await nodes.close();
    for (const server of [collector, refusing]) server.closeAllConnections();
    for (const server of [collector, refusing, broken]) server.close();
  });

  const configOf = (more: object = {}) => ({
    admin: { token: `\${ADMIN_TOKEN}` },
    gossip: { secrets: [`\${GOSSIP_SECRET}`] },
    auth: {
      tokens: [
        { name: 'app', token: `\${TOKEN}`, allow: ['read', 'write', 'admin'] },
        { name: 'filed', tokenFile: 'filed', allow: ['read'] },
      ],
    },
    telemetry: {
      metrics: 'prometheus',
      otlp: `http://127.0.0.1:${portOf(collector)}`,
      traces: true,
      sampling: 1,
      interval: '200ms',
    },
    keyspaces: {
      http: {
        maxBytes: '1MiB',
        source: {
          type: 'http',
          url: `http://user:\${HTTP_PASSWORD}@127.0.0.1:${portOf(refusing)}/{key}?api_key=\${QUERY}`,
          headers: { 'x-api-key': `\${HEADER}` },
        },
      },
      redis: {
        maxBytes: '1MiB',
        source: { type: 'redis', url: `redis://user:\${REDIS_PASSWORD}@127.0.0.1:${portOf(broken)}` },
      },
      postgres: {
        maxBytes: '1MiB',
        source: {
          type: 'postgres',
          url: `postgres://user:\${POSTGRES_PASSWORD}@127.0.0.1:${portOf(broken)}/db`,
          query: 'select 1 where $1 is not null',
        },
      },
    },
    ...more,
  });
  const env = {
    TOKEN: planted.token,
    ADMIN_TOKEN: planted.adminToken,
    GOSSIP_SECRET: planted.gossip,
    HEADER: planted.header,
    HTTP_PASSWORD: planted.httpPassword,
    REDIS_PASSWORD: planted.redisPassword,
    POSTGRES_PASSWORD: planted.postgresPassword,
    QUERY: planted.query,
  };

  it('in logs, errors, endpoints, config, metrics, traces and titles', async () => {
    await writeFile(join(nodes.folder, 'filed'), `${planted.fileToken}\n`);
    const file = await nodes.file('node.json', JSON.stringify(configOf()));
    const args = ['--config', file, '--log-level', 'debug'];
    const node = await nodes.start({ name: 'a', admin: '127.0.0.1:0', args, env });
    const heard = new Map<string, string>();
    const ask = async (...command: readonly string[]): Promise<number | string | null> => {
      const { exit, stdout, stderr } = await cli([...command, '--addr', node.grpc], {
        env: { DISTCACHE_TOKEN: planted.token, DEBUG: '*' },
      });
      // With DEBUG the command line's own framework tells what it was called with; the rest is ours.
      heard.set(`distcache ${command.join(' ')}`, `${stdout}${stderr}`);
      return exit;
    };
    for (const keyspace of ['http', 'redis', 'postgres']) {
      expect(await ask('get', keyspace, 'a', '--json'), heard.get(`distcache get ${keyspace} a --json`)).to.not.equal(
        0,
      );
    }
    await ask('keyspace', 'show', 'http', '--json');
    await ask('stats', '--json');
    const wrong = await cli(['get', 'http', 'a', '--json', '--addr', node.grpc], {
      env: { DISTCACHE_TOKEN: planted.wrongToken },
    });
    expect(wrong.exit).to.equal(6);
    heard.set('a wrong token', `${wrong.stdout}${wrong.stderr}`);

    // A config that cannot be used any more, at SIGHUP and by hand: with secrets where none belong.
    const spoilt = configOf({
      name: `\${TOKEN}/\${GOSSIP_SECRET}`,
      bind: { port: `\${TOKEN}` },
      label: [`\${HEADER}`],
    });
    const other = await nodes.file('spoilt.json', JSON.stringify(spoilt));
    const validated = await cli(['config', 'validate', other], { env });
    expect(validated.exit).to.equal(2);
    heard.set('config validate', `${validated.stdout}${validated.stderr}`);
    await writeFile(file, JSON.stringify(spoilt));
    node.signal('SIGHUP');
    await until('it was refused', () => node.log().some(({ msg }) => msg.includes('goes on as before')));

    for (const path of [
      '',
      '/node',
      '/peers',
      '/keyspaces',
      '/keyspaces/http',
      '/hotkeys',
      '/breakers',
      '/ring',
      '/config',
      '/metrics',
      '/healthz',
      '/readyz',
      '/nowhere',
    ]) {
      for (const token of [planted.adminToken, planted.wrongToken]) {
        const headers = { authorization: `Bearer ${token}` };
        const response = await fetch(`http://${node.admin}/_distcache/admin${path}`, { headers });
        heard.set(
          `${path} ${token === planted.adminToken}`,
          `${await response.text()} ${JSON.stringify([...response.headers])}`,
        );
      }
    }
    heard.set(
      'title',
      readFileSync(`/proc/${node.pid}/cmdline`, 'utf8') + readFileSync(`/proc/${node.pid}/comm`, 'utf8'),
    );
    await until('traces were sent', () => Buffer.concat(collected).includes('distcache'), 30_000);
    heard.set('traces', Buffer.concat(collected).toString('latin1'));
    heard.set('log', node.stderr);
    heard.set('stdout', node.stdout);

    // Each of them spoke of what it was asked.
    expect(heard.get('/config true')).to.include('postgres').and.include('***');
    expect(heard.get('/breakers true')).to.include('redis');
    expect(heard.get('/metrics true')).to.include('distcache_');
    expect(heard.get('config validate')).to.include('bind.port');
    expect(heard.get('log')).to.match(/refused a call of 127\.0\.0\.1: the token is not known/);
    expect(heard.get('distcache get redis a --json')).to.include('redis at 127.0.0.1');
    const found = [...heard].flatMap(([where, text]) => toldIn(text).map((name) => `${name} in ${where}`));
    expect(found).to.deep.equal([]);
  });

  it('would be found', () => {
    expect(toldIn(`x ${planted.token} y`)).to.deep.equal(['token']);
    expect(toldIn(Buffer.from(planted.header).toString('base64'))).to.deep.equal(['header']);
  });
});
