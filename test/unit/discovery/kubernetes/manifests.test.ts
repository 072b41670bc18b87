import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { readPage } from '../../../../src/discovery/kubernetes/pods.js';

const folder = fileURLToPath(new URL('../../../../deploy/kubernetes', import.meta.url));

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string }[];
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly selector: Readonly<Record<string, unknown>>;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly serviceAccountName: string;
        readonly containers: readonly { readonly ports: readonly unknown[]; readonly readinessProbe: unknown }[];
      };
    };
  };
}

describe('deploy/kubernetes', () => {
  const documents = readdirSync(folder).flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => {
      expect(document.errors, file).to.deep.equal([]);
      return document.toJS() as Manifest;
    }),
  );
  const one = (kind: string): Manifest => {
    const found = documents.filter((document) => document.kind === kind);
    expect(found, kind).to.have.lengthOf(1);
    return found[0]!;
  };
  const pod = one('StatefulSet').spec.template;
  const config = parse(one('ConfigMap').data['distcache.yaml'] ?? '') as {
    discovery: { provider: string; kubernetes: { podLabels: Record<string, string>; portName: string } };
  };

  it('allows what discovery asks, to the account that the pods run as', () => {
    expect(one('Role').rules).to.deep.equal([
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    ]);
    const binding = one('RoleBinding');
    expect(binding.roleRef.name).to.equal(one('Role').metadata.name);
    expect(binding.subjects.map(({ name }) => name)).to.deep.equal([one('ServiceAccount').metadata.name]);
    expect(pod.spec.serviceAccountName).to.equal(one('ServiceAccount').metadata.name);
  });

  it('gives the pods the labels and the port that the config looks for', () => {
    const { provider, kubernetes } = config.discovery;
    expect(provider).to.equal('kubernetes');
    expect(pod.metadata.labels).to.include(kubernetes.podLabels);
    expect(one('Service').spec.selector).to.deep.equal(kubernetes.podLabels);
    const item = {
      metadata: { name: 'distcache-0', uid: 'u' },
      spec: pod.spec,
      status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
    };
    const page = readPage({ metadata: { resourceVersion: '1' }, items: [item] }, kubernetes.portName);
    expect(page?.pods.map(({ address }) => address)).to.deep.equal(['10.0.0.1:3322']);
  });

  it('has a readiness that waits for no other node', () => {
    expect(pod.spec.containers[0]?.readinessProbe).to.deep.include({
      tcpSocket: { port: config.discovery.kubernetes.portName },
    });
  });
});
