import { expect } from 'chai';
import { readEvent, readPage } from '../../../../src/discovery/kubernetes/pods.js';
import { type PodShape, podObject, statusObject } from '../../../support/kubernetes-pods.js';

const page = (...items: readonly unknown[]) => readPage({ metadata: { resourceVersion: '7' }, items }, 'gossip');
const addressOf = (item: unknown): string | undefined => page(item)?.pods[0]?.address;
const serving: PodShape = { name: 'a', ip: '10.0.0.1' };
const changed = (part: 'spec' | 'status', fields: Readonly<Record<string, unknown>>): unknown => {
  const pod = podObject(serving);
  return { ...pod, [part]: { ...pod[part], ...fields } };
};
const port = (containerPort: unknown) => [{ ports: [{ name: 'gossip', containerPort }] }];

describe('discovery: pods of Kubernetes', () => {
  const rows: readonly (readonly [string, unknown, string | undefined])[] = [
    ['running and ready', podObject(serving), '10.0.0.1:3322'],
    ['with IPv6', podObject({ ...serving, ip: 'fd00::1' }), '[fd00::1]:3322'],
    ['pending', podObject({ ...serving, phase: 'Pending' }), undefined],
    ['ended', podObject({ ...serving, phase: 'Succeeded' }), undefined],
    ['not ready', podObject({ ...serving, ready: false }), undefined],
    ['of unknown readiness', changed('status', { conditions: [{ type: 'Ready', status: 'Unknown' }] }), undefined],
    ['without conditions', changed('status', { conditions: null }), undefined],
    ['on its way out', podObject({ ...serving, deleting: true }), undefined],
    ['without an address', podObject({ name: 'a' }), undefined],
    ['with an address that is none', podObject({ ...serving, ip: 'localhost' }), undefined],
    [
      'with the port in another container',
      changed('spec', { containers: [{ ports: null }, {}, ...port(7946)] }),
      '10.0.0.1:7946',
    ],
    [
      'with the port in a sidecar',
      changed('spec', { containers: [], initContainers: [{ restartPolicy: 'Always', ...port(7946)[0] }] }),
      '10.0.0.1:7946',
    ],
    [
      'with the port in a container of its start only',
      changed('spec', { containers: [], initContainers: port(7946) }),
      undefined,
    ],
    ['with a port that is none', changed('spec', { containers: port('3322') }), undefined],
    ['with port 0', changed('spec', { containers: port(0) }), undefined],
    ['with port 65536', changed('spec', { containers: port(65_536) }), undefined],
    [
      'whose parts have wrong types',
      changed('spec', { containers: { ports: 7 }, initContainers: [null, 3] }),
      undefined,
    ],
  ];
  for (const [name, item, address] of rows) {
    it(`a pod ${name} ${address === undefined ? 'is left out' : `is at ${address}`}`, () => {
      expect(addressOf(item)).to.equal(address);
    });
  }

  it('names the ports of a pod that lacks only the one', () => {
    const seen = page(podObject({ ...serving, ports: { grpc: 1, http: 2 } }))?.pods[0];
    expect(seen).to.deep.equal({ key: 'uid-a', name: 'a', address: undefined, otherPorts: ['grpc', 'http'] });
  });

  it('reads a page, an empty one too, and nothing that is none', () => {
    expect(page()).to.deep.equal({ pods: [], resourceVersion: '7', continueToken: '' });
    expect(readPage({ metadata: { resourceVersion: '7', continue: 'c' }, items: null }, 'gossip')).to.deep.equal({
      pods: [],
      resourceVersion: '7',
      continueToken: 'c',
    });
    const none = [null, 7, [], {}, { metadata: {} }, { metadata: { resourceVersion: '7' }, items: {} }];
    for (const json of none) expect(readPage(json, 'gossip'), JSON.stringify(json)).to.equal(undefined);
    for (const item of [null, 7, {}, { metadata: {} }, { metadata: { name: 5 } }])
      expect(page(item)).to.equal(undefined);
  });

  it('reads each kind of event, and nothing that is none', () => {
    const object = podObject(serving, '9');
    expect(readEvent({ type: 'ADDED', object }, 'gossip')).to.deep.include({ is: 'seen', resourceVersion: '9' });
    expect(readEvent({ type: 'MODIFIED', object }, 'gossip')).to.deep.include({ is: 'seen' });
    expect(readEvent({ type: 'DELETED', object }, 'gossip')).to.deep.include({ is: 'deleted' });
    const bookmark = { kind: 'Pod', metadata: { resourceVersion: '12' } };
    expect(readEvent({ type: 'BOOKMARK', object: bookmark }, 'gossip')).to.deep.equal({
      is: 'bookmark',
      resourceVersion: '12',
    });
    expect(readEvent({ type: 'ERROR', object: statusObject(410, 'Expired', 'too\nold') }, 'gossip')).to.deep.equal({
      is: 'error',
      status: 410,
      message: 'too old',
    });
    expect(readEvent({ type: 'NEWER', object: {} }, 'gossip')).to.deep.equal({ is: 'other' });
    const none = [null, 'x', {}, { type: 'ADDED' }, { type: 'ADDED', object: {} }, { type: 'BOOKMARK', object: {} }];
    for (const json of none) expect(readEvent(json, 'gossip'), JSON.stringify(json)).to.equal(undefined);
  });
});
