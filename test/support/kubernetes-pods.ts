/** Pods as the Kubernetes API writes them, as far as discovery reads them, with some of what it does not. */
export interface PodShape {
  readonly name: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ip?: string;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly deleting?: boolean;
  /** By name, of its one container. */
  readonly ports?: Readonly<Record<string, number>>;
}

export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, unknown>>;
}

/** Running and ready, with the label app=cache and the port gossip, unless the shape says otherwise. */
export function podObject(shape: PodShape, resourceVersion = '1'): PodObject {
  const { name, uid = `uid-${name}`, labels = { app: 'cache' }, phase = 'Running', ready = true } = shape;
  const ports = Object.entries(shape.ports ?? { grpc: 3320, gossip: 3322 });
  return {
    metadata: {
      name,
      namespace: 'prod',
      uid,
      resourceVersion,
      labels,
      // Two to four bytes a character, so that a chunk may end within one.
      annotations: { note: 'größer als ein Byte: ☃ 🐳' },
      ...(shape.deleting === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      containers: [
        { name: 'log', image: 'log:1' },
        {
          name: 'cache',
          ports: ports.map(([port, containerPort]) => ({ name: port, containerPort, protocol: 'TCP' })),
        },
      ],
    },
    status: {
      phase,
      ...(shape.ip === undefined ? {} : { podIP: shape.ip, podIPs: [{ ip: shape.ip }] }),
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: ready ? 'True' : 'False' },
      ],
    },
  };
}

/** What the API answers with when it refuses. */
export const statusObject = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
});
