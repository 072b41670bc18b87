import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import { protoPath as healthProto } from 'grpc-health-check';
import { adminRuleOf } from '../../../src/access/admin-rules.js';
import { rpcRules } from '../../../src/access/rpc-rules.js';
import { adminPaths } from '../../../src/ports/admin.js';

const proto = fileURLToPath(new URL('../../../proto', import.meta.url));
const reflection = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')),
  'build/proto/grpc/reflection',
);

interface Rpc {
  readonly path: string;
  readonly requestType: { readonly type: { readonly field: readonly { readonly name: string }[] } };
}

/** Every remote procedure of the services that a node serves. */
function rpcs(): readonly Rpc[] {
  const files = [
    join(proto, 'distcache/v1/cache.proto'),
    join(proto, 'distcache/v1/peer.proto'),
    healthProto,
    join(reflection, 'v1/reflection.proto'),
    join(reflection, 'v1alpha/reflection.proto'),
  ];
  const services = Object.values(loadSync(files, { includeDirs: [proto], keepCase: true }));
  return services
    .filter((found) => !('format' in found))
    .flatMap((service) => Object.values(service as object) as Rpc[]);
}

describe('rights: the table of remote procedures', () => {
  it('has every one of them, and none that is gone', () => {
    const paths = rpcs().map(({ path }) => path);
    expect(paths.length).to.be.above(18);
    expect(Object.keys(rpcRules).sort()).to.deep.equal(paths.sort());
  });

  it('asks for a right of the keyspace where the request names one, and nowhere else', () => {
    for (const { path, requestType } of rpcs()) {
      if (!path.startsWith('/distcache.v1.C')) continue;
      const fields = requestType.type.field.map(({ name }) => name);
      const names = fields.includes('keyspace') || /Keyspaces?$/.test(path) !== path.endsWith('/ListKeyspaces');
      expect(rpcRules[path]?.is === 'keyspace', path).to.equal(names);
    }
  });

  it('is open for health alone, and for nodes where links are opened', () => {
    const open = Object.entries(rpcRules).filter(([, { is }]) => is === 'open');
    expect(open.every(([path]) => path.startsWith('/grpc.health.v1.Health/'))).to.equal(true);
    expect(Object.entries(rpcRules).filter(([, { is }]) => is === 'node')).to.have.length(1);
  });

  it('serves only what is in it: a service without a rule would be closed to everybody', () => {
    const source = readFileSync(
      fileURLToPath(new URL('../../../src/transport/grpc-services.ts', import.meta.url)),
      'utf8',
    );
    const served = [...source.matchAll(/'((?:Cache|Cluster|Peer)\/\w+)'/g)].map(([, path]) => `/distcache.v1.${path}`);
    expect(served.length).to.be.above(13);
    expect(served.filter((path) => rpcRules[path] === undefined)).to.deep.equal([]);
  });
});

describe('rights: the admin endpoints', () => {
  const rows: readonly [string, string, boolean, string, string?][] = [
    ['the list of endpoints', adminPaths.index, false, 'node-wide read'],
    ['the node', adminPaths.node, false, 'node-wide read'],
    ['peers', adminPaths.peers, false, 'node-wide read'],
    ['the ring', adminPaths.ring, false, 'node-wide read'],
    ['all keyspaces', adminPaths.keyspaces, false, 'whole read'],
    ['hot keys', adminPaths.hotKeys, false, 'whole read'],
    ['breakers', adminPaths.breakers, false, 'whole read'],
    ['the config', adminPaths.config, false, 'whole read'],
    ['events', adminPaths.events, false, 'whole read'],
    ['metrics', adminPaths.metrics, false, 'whole read'],
    ['health', adminPaths.health, false, 'open'],
    ['readiness', adminPaths.ready, false, 'open'],
    ['one keyspace', '/keyspaces/a%2Fb', false, 'keyspace read', 'a/b'],
    ['deleting a key', '/keyspaces/a/delete', true, 'keyspace write', 'a'],
    ['clearing a keyspace', '/keyspaces/a/clear', true, 'keyspace admin', 'a'],
    ['what comes later of a keyspace', '/keyspaces/a/other', true, 'keyspace admin', 'a'],
    ['resetting a breaker', '/breakers/a/reset', true, 'keyspace admin', 'a'],
    ['draining', adminPaths.drain, true, 'whole admin'],
    ['a write to a path of reads', adminPaths.node, true, 'whole admin'],
    ['a write to the probe', adminPaths.health, true, 'whole admin'],
    ['what is not there', '/nowhere', false, 'whole read'],
    ['a name that every object has', '/constructor', false, 'whole read'],
    ['a name that cannot be decoded', '/keyspaces/%E0%A4%A', false, 'keyspace read', ''],
  ];
  for (const [name, path, isWrite, expected, keyspace] of rows) {
    it(`${name}: ${expected}`, () => {
      const { rule, keyspace: named } = adminRuleOf({ path, isWrite });
      expect('right' in rule ? `${rule.is} ${rule.right}` : rule.is).to.equal(expected);
      expect(named).to.equal(keyspace);
    });
  }

  it('are all in the rows above', () => {
    const told = new Set(rows.map(([, path]) => path.replace(/\/a(?=\/|$)|\/a%2Fb/, '/{name}')));
    expect(Object.values(adminPaths).filter((path) => !told.has(path))).to.deep.equal([]);
  });
});
