import { type Fault, faults, type KubernetesApi } from './kubernetes-api.js';

/** What a list may be answered with, and what is said of it. */
interface Refusal {
  readonly name: string;
  readonly fault: () => Fault;
  readonly says: RegExp;
  /** How long it takes until it is noticed. */
  readonly afterMs?: number;
}
export const refusals: readonly Refusal[] = [
  {
    name: '403',
    fault: () => faults.status(403, 'pods is forbidden'),
    says: /403 \(pods is forbidden\): .*Role in namespace prod .*get, list and watch on pods.*RoleBinding/,
  },
  { name: '404', fault: () => faults.status(404), says: /answered 404/ },
  { name: '500', fault: () => faults.status(500, 'etcd\nis\u0007 down'), says: /answered 500 \(etcd is down\)/ },
  {
    name: 'a redirect',
    fault: () => faults.redirect('https://elsewhere.example/'),
    says: /302: redirects are not followed/,
  },
  { name: 'no answer', fault: faults.hang, says: /did not answer within 10s/, afterMs: 10_000 },
  { name: 'an answer that stalls', fault: faults.stall, says: /sent nothing more within 10s/, afterMs: 10_000 },
  { name: 'a broken connection', fault: () => faults.breakAfter('{"kind":'), says: /broke the connection/ },
  { name: 'what is not JSON', fault: () => faults.body('<html>'), says: /what is not JSON/ },
  { name: 'another document', fault: () => faults.body('{"kind":"Status"}'), says: /no list of pods/ },
  {
    name: 'a list of what are no pods',
    fault: () => faults.body('{"metadata":{"resourceVersion":"1"},"items":[7]}'),
    says: /no list of pods/,
  },
  {
    name: 'a packed answer',
    fault: () => faults.body('x', { 'content-encoding': 'gzip' }),
    says: /content-encoding gzip/,
  },
  {
    name: 'too long an answer',
    fault: () => faults.body(Buffer.alloc(65 * 1024 * 1024, ' ')),
    says: /longer than 67108864 bytes/,
  },
];

/** What may end a watch that is open, and what is said of it. */
export const breaks: readonly {
  readonly name: string;
  readonly how: (api: KubernetesApi) => void;
  readonly says: RegExp;
}[] = [
  { name: 'a line that is not JSON', how: (api) => api.writeRaw('{"type":\n'), says: /not JSON/ },
  { name: 'a line that is no event', how: (api) => api.writeRaw('[]\n'), says: /no change of a pod/ },
  {
    name: 'a line that is not UTF-8',
    how: (api) => api.writeRaw(Buffer.from([0x22, 0xff, 0x22, 0x0a])),
    says: /not UTF-8/,
  },
  {
    name: 'an end in the middle of a line',
    how: (api) => {
      api.writeRaw('{"type":"AD');
      api.endWatches();
    },
    says: /middle of a line/,
  },
  {
    name: 'a line without end',
    how: (api) => api.writeRaw(Buffer.alloc(9 * 1024 * 1024, 'x')),
    says: /longer than 8388608 bytes/,
  },
  {
    name: 'an error',
    how: (api) => api.writeRaw('{"type":"ERROR","object":{"code":500,"message":"no"}}\n'),
    says: /500 \(no\)/,
  },
  { name: 'a broken connection', how: (api) => api.cut(), says: /broke the connection/ },
];
