import { invalidArgument } from '../../base/errors.js';
import { type Duration, parseDuration } from '../../base/units.js';

/** Where the API server is, and the files that prove who asks. They are read anew, since they are renewed in place. */
export interface KubernetesAccess {
  /** `https://host:port`. */
  readonly server: string;
  /** Holds a bearer token. */
  readonly tokenFile: string;
  /** Holds the certificates, in PEM, of which one must have signed the server's. */
  readonly caFile: string;
  /** Holds the namespace to look in when none is given. */
  readonly namespaceFile?: string | undefined;
}

export interface KubernetesOptions {
  /** Namespace of the pods. Left out: the one that this pod runs in. */
  readonly namespace?: string | undefined;
  /** Labels that the pods carry, all of them. */
  readonly podLabels: Readonly<Record<string, string>>;
  /** Name of the container port on which the pods gossip. */
  readonly portName: string;
  /** Undefined outside a cluster, and then `start` rejects. */
  readonly api?: KubernetesAccess | undefined;
  /** All pods are listed anew this often, though the watch told of every change. Standard: 10 minutes. */
  readonly resync?: Duration | undefined;
}

const resyncStandardMs = 600_000;
const resyncMinMs = 10_000;

/** Label keys may have a prefix, a name of DNS; values may be empty. */
const labelName = /^(?=.{1,63}$)[a-z0-9](?:[-_.a-z0-9]*[a-z0-9])?$/i;
const labelPrefix = /^(?=.{1,253}$)[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;
const dnsLabel = /^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const portNameForm = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Undefined where the text is no duration, or one below the least. */
export function resyncMsOf({ resync = resyncStandardMs }: Pick<KubernetesOptions, 'resync'>): number {
  const ms = typeof resync === 'number' ? resync : parseDuration(resync);
  if (ms === undefined || !(ms >= resyncMinMs)) {
    throw invalidArgument(`discovery.kubernetes.resync is ${JSON.stringify(resync)}; must be at least 10s`);
  }
  return ms;
}

/** Throws INVALID_ARGUMENT, naming the field, for what no cluster could ever answer. */
export function checkKubernetesOptions(options: KubernetesOptions): void {
  const { namespace, podLabels, portName } = options;
  if (namespace !== undefined) checkNamespace(namespace, 'discovery.kubernetes.namespace');
  const labels = Object.entries(podLabels ?? {});
  if (labels.length === 0) {
    throw invalidArgument(
      'discovery.kubernetes.podLabels is empty, which would take every pod of the namespace for a node; give the labels of the pods, such as { app: cache }',
    );
  }
  for (const [key, value] of labels) checkLabel(key, value);
  if (!portNameForm.test(portName ?? '')) {
    throw invalidArgument(
      `discovery.kubernetes.portName is ${JSON.stringify(portName)}; must be the name of a container port: up to 15 of a-z, 0-9 and single hyphens, such as gossip`,
    );
  }
  resyncMsOf(options);
}

/** Commas, equal signs and the like would make another selector of it, so they are refused rather than escaped. */
function checkLabel(key: string, value: string): void {
  const [name = '', prefix, ...rest] = key.split('/').reverse();
  if (rest.length > 0 || !labelName.test(name) || !(prefix === undefined || labelPrefix.test(prefix))) {
    throw invalidArgument(`discovery.kubernetes.podLabels: ${JSON.stringify(key)} is no key of a label`);
  }
  if (typeof value !== 'string' || !(value === '' || labelName.test(value))) {
    throw invalidArgument(
      `discovery.kubernetes.podLabels.${key} is ${JSON.stringify(value)}; must be a label value: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends`,
    );
  }
}

export function checkNamespace(namespace: string, where: string): void {
  if (dnsLabel.test(namespace)) return;
  throw invalidArgument(
    `${where} is ${JSON.stringify(namespace.slice(0, 80))}; must be a namespace: up to 63 of a-z, 0-9 and '-', such as prod`,
  );
}

/** The address of the API server as a URL, or an error that names what is wrong with it. */
export function serverUrl(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '' && url.search === '') return url;
  throw invalidArgument(
    `the address of the Kubernetes API is ${JSON.stringify(server)}; must be https://host:port: the token is sent over TLS only`,
  );
}

/** `app=cache,tier=a`, sorted, so that the same labels always give the same request. */
export const selectorOf = (podLabels: Readonly<Record<string, string>>): string =>
  Object.entries(podLabels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
