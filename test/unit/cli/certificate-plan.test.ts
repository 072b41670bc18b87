import { expect } from 'chai';
import { type CertificateFlags, certificatePlan } from '../../../src/cli/certificate-plan.js';

const flags: CertificateFlags = { out: 'certs', nodeName: 'distcache-node', days: 1, overwrite: false };

describe('cli: certificates to make', () => {
  const good: readonly { name: string; given: Partial<CertificateFlags>; nodes: string[]; clients: string[] }[] = [
    { name: 'nothing said', given: {}, nodes: ['node'], clients: ['client'] },
    { name: 'nodes alone', given: { node: 'a, b' }, nodes: ['a', 'b'], clients: [] },
    { name: 'clients alone', given: { client: 'app' }, nodes: [], clients: ['app'] },
    { name: 'a node of the node name', given: { node: 'distcache-node' }, nodes: ['distcache-node'], clients: [] },
  ];
  for (const { name, given, nodes, clients } of good) {
    it(`are as said: ${name}`, () =>
      expect(certificatePlan({ ...flags, ...given })).to.deep.include({ nodes, clients }));
  }

  const bad: readonly { name: string; given: Partial<CertificateFlags>; says: string }[] = [
    { name: 'a client that would be a node', given: { client: 'distcache-node' }, says: 'all rights of a node' },
    { name: 'the same in capitals', given: { client: 'Distcache-Node' }, says: 'all rights of a node' },
    {
      name: 'a client of a node name of its own',
      given: { client: 'a,cache', nodeName: 'cache' },
      says: '--client: cache',
    },
    { name: 'a default client that is the node name', given: { nodeName: 'client' }, says: '--client: client' },
    { name: 'no node', given: { node: '' }, says: '--node is empty' },
    { name: 'no client', given: { client: ' , ' }, says: '--client is empty' },
    { name: 'the name of the authority', given: { node: 'ca' }, says: '--node: ca is the name of the authority' },
    { name: 'a path', given: { client: '../app' }, says: '--client: "../app"' },
    { name: 'no node name', given: { nodeName: '' }, says: '--node-name: ""' },
    { name: 'a host with a port', given: { host: 'a:1' }, says: '--host: "a:1"' },
    { name: 'no folder', given: { out: '' }, says: '--out is empty' },
    { name: 'more than a hundred years', given: { days: 36_501 }, says: '--lifetime' },
  ];
  for (const { name, given, says } of bad) {
    it(`are refused: ${name}`, () => expect(() => certificatePlan({ ...flags, ...given })).to.throw(says));
  }
});
