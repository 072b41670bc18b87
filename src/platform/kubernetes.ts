import { joinAddress } from '../base/addresses.js';

/** Where a pod finds the API server of its cluster, and the files of its service account. */
export interface InClusterKubernetes {
  /** `https://host:port`. */
  readonly server: string;
  readonly tokenFile: string;
  readonly caFile: string;
  readonly namespaceFile: string;
}

const folder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Undefined outside a cluster. */
export function inClusterKubernetes(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): InClusterKubernetes | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = environment;
  if (host === '' || !/^\d{1,5}$/.test(port)) return undefined;
  return {
    server: `https://${joinAddress(host, Number(port))}`,
    tokenFile: `${folder}/token`,
    caFile: `${folder}/ca.crt`,
    namespaceFile: `${folder}/namespace`,
  };
}
