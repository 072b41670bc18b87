import { joinAddress } from '../../base/addresses.js';
import { bytesOfIp } from '../../base/ip.js';

/** What is kept of a pod: where its gossip is reached, never the object itself, which may be as large as 1.5 MiB. */
export interface SeenPod {
  /** The same for all objects of one pod: its uid, which no other pod ever gets. */
  readonly key: string;
  readonly name: string;
  /** Undefined while it is not to be dialled: not running, not ready, on its way out, or without the port. */
  readonly address: string | undefined;
  /** The names of the ports that it does have, when the wanted one is all that it lacks. */
  readonly otherPorts?: readonly string[];
}

export interface PodPage {
  readonly pods: readonly SeenPod[];
  readonly resourceVersion: string;
  /** Asks for the page after this one; '' on the last. */
  readonly continueToken: string;
}

export type PodEvent =
  | { readonly is: 'seen' | 'deleted'; readonly pod: SeenPod; readonly resourceVersion: string }
  | { readonly is: 'bookmark'; readonly resourceVersion: string }
  /** Of a kind that came after this was written. */
  | { readonly is: 'other' }
  | { readonly is: 'error'; readonly status: number; readonly message: string };

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A page of a PodList. Undefined where it is none. */
export function readPage(json: unknown, portName: string): PodPage | undefined {
  if (!isFields(json) || !isFields(json.metadata)) return undefined;
  const resourceVersion = textOf(json.metadata.resourceVersion);
  // The items of an empty list are null in what Go encodes.
  if (resourceVersion === '' || !(Array.isArray(json.items) || json.items == null)) return undefined;
  const pods = listOf(json.items).map((item) => readPod(item, portName));
  if (pods.includes(undefined)) return undefined;
  return { pods: pods as SeenPod[], resourceVersion, continueToken: textOf(json.metadata.continue) };
}

/** One line of a watch. Undefined where it is none. */
export function readEvent(json: unknown, portName: string): PodEvent | undefined {
  if (!isFields(json) || typeof json.type !== 'string' || !isFields(json.object)) return undefined;
  if (json.type === 'ERROR') return readStatus(json.object);
  const resourceVersion = textOf(fieldsOf(json.object.metadata).resourceVersion);
  switch (json.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED': {
      const pod = readPod(json.object, portName);
      if (pod === undefined || resourceVersion === '') return undefined;
      return { is: json.type === 'DELETED' ? 'deleted' : 'seen', pod, resourceVersion };
    }
    case 'BOOKMARK':
      return resourceVersion === '' ? undefined : { is: 'bookmark', resourceVersion };
    default:
      return { is: 'other' };
  }
}

/** The code and the sentence of a Status object, on one line and not longer than a log line should be. */
export function readStatus(json: unknown): Extract<PodEvent, { is: 'error' }> {
  const { code, message } = fieldsOf(json);
  const said = textOf(message)
    .slice(0, 200)
    .replace(/[\s\p{Cc}]+/gu, ' ');
  return { is: 'error', status: typeof code === 'number' ? code : 0, message: said };
}

/** Undefined for what is no pod at all. */
function readPod(json: unknown, portName: string): SeenPod | undefined {
  if (!isFields(json) || !isFields(json.metadata)) return undefined;
  const { metadata } = json;
  const name = textOf(metadata.name);
  const key = textOf(metadata.uid) || name;
  if (key === '') return undefined;
  const status = fieldsOf(json.status);
  const ip = textOf(status.podIP);
  if (!isServing(metadata, status) || bytesOfIp(ip) === undefined) return { key, name, address: undefined };
  const ports = portsOf(fieldsOf(json.spec));
  const port = ports.find((candidate) => candidate.name === portName);
  if (port === undefined) {
    return { key, name, address: undefined, otherPorts: ports.map((other) => textOf(other.name) || 'one without') };
  }
  const { containerPort } = port;
  const isPort = Number.isInteger(containerPort) && Number(containerPort) >= 1 && Number(containerPort) <= 65_535;
  return { key, name, address: isPort ? joinAddress(ip, Number(containerPort)) : undefined };
}

function isServing(metadata: Fields, status: Fields): boolean {
  if (metadata.deletionTimestamp != null || status.phase !== 'Running') return false;
  return listOf(status.conditions).some((each) => fieldsOf(each).type === 'Ready' && fieldsOf(each).status === 'True');
}

/** Of all containers that run as long as the pod does: an init container does when it is always restarted. */
function portsOf(spec: Fields): readonly Fields[] {
  const sidecars = listOf(spec.initContainers).filter((each) => fieldsOf(each).restartPolicy === 'Always');
  return [...listOf(spec.containers), ...sidecars].flatMap((each) => listOf(fieldsOf(each).ports)).map(fieldsOf);
}
