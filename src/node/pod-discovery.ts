import { kubernetesDiscovery as discoveryAt } from '../discovery/kubernetes/discovery.js';
import type { KubernetesOptions } from '../discovery/kubernetes/options.js';
import { inClusterKubernetes } from '../platform/kubernetes.js';
import type { Discovery } from '../ports/discovery.js';

/** Running and ready pods of a Kubernetes namespace. Without `api`, the API server that this pod finds in itself is asked. */
export const kubernetesDiscovery = (options: KubernetesOptions): Discovery =>
  discoveryAt({ ...options, api: options?.api ?? inClusterKubernetes() });
