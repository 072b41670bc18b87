import type { ServerCounts } from '../transport/grpc-server.js';
import type { Metric } from './metric.js';

/** What each limit on clients has turned away, by its name in `distcache.limit`. */
export const clientLimits = (clients: ServerCounts): Readonly<Record<string, number>> => ({
  client_calls: clients.overloaded,
  client_calls_each: clients.clientCallsRefused,
  client_bytes: clients.clientBytesRefused,
  connections: clients.connectionsRefused,
  connection_strangers: clients.strangersDropped,
  connection_greetings: clients.greetingsDropped,
  slow_readers: clients.readersCutOff,
  slow_writers: clients.writersCutOff,
});

/** Calls, connections, and who was not let in, of a reading that may have none. */
export function clientMetrics<Reading>(
  clientsOf: (reading: Reading) => ServerCounts | undefined,
): readonly Metric<Reading>[] {
  const metric = (
    name: string,
    kind: Metric<Reading>['kind'],
    unit: string,
    description: string,
    value: (clients: ServerCounts) => number,
  ): Metric<Reading> => ({
    name: `distcache.client.${name}`,
    kind,
    unit,
    description,
    points: (reading) => {
      const clients = clientsOf(reading);
      return clients === undefined ? [] : [{ value: value(clients) }];
    },
  });
  return [
    metric('calls', 'counter', '{call}', 'Calls of gRPC clients.', ({ calls }) => calls),
    metric(
      'calls.failed',
      'counter',
      '{call}',
      'Calls of gRPC clients that ended in an error, those refused included.',
      ({ failed }) => failed,
    ),
    metric('calls.active', 'sum', '{call}', 'Calls of gRPC clients under way.', ({ inflight }) => inflight),
    metric(
      'calls.usage',
      'sum',
      'By',
      'Requests of gRPC clients in memory: on their way in, or under way.',
      ({ clientBytesHeld }) => clientBytesHeld,
    ),
    metric(
      'connections',
      'sum',
      '{connection}',
      'Connections of gRPC clients and of other nodes.',
      (c) => c.connections,
    ),
    metric(
      'connections.accepted',
      'counter',
      '{connection}',
      'Connections that spoke HTTP/2, after TLS where there is any.',
      ({ connectionsAccepted }) => connectionsAccepted,
    ),
    metric(
      'connections.greeting',
      'sum',
      '{connection}',
      'Connections that have not said a word, or not finished TLS.',
      ({ greetings }) => greetings,
    ),
    metric('unsent', 'sum', 'By', 'Answers that wait for clients to read them.', ({ unsentBytes }) => unsentBytes),
    {
      name: 'distcache.client.refusals',
      kind: 'counter',
      unit: '{refusal}',
      description:
        'Clients that were not let in, by why: no right to the call, TLS that failed, TLS on one side alone.',
      attributes: ['distcache.reason'],
      points: (reading) => {
        const clients = clientsOf(reading);
        if (clients === undefined) return [];
        const { callsUnauthorized, handshakesFailed, tlsMismatched } = clients;
        const reasons = { unauthorized: callsUnauthorized, handshake: handshakesFailed, tls_mismatch: tlsMismatched };
        return Object.entries(reasons).map(([reason, value]) => ({
          value,
          attributes: { 'distcache.reason': reason },
        }));
      },
    },
  ];
}
