import { aborted, DistcacheError, invalidArgument, messageOf } from '../../base/errors.js';
import { formatDuration } from '../../base/units.js';
import { type Cancel, remainingMs, type Wait } from '../../ports/clock.js';
import type { Discovery, DiscoveryContext } from '../../ports/discovery.js';
import { HttpsPodApi, type PodApi, type PodApiOptions } from './api.js';
import { readSmallFile } from './credentials.js';
import { PodFollower } from './follower.js';
import {
  checkKubernetesOptions,
  checkNamespace,
  type KubernetesOptions,
  resyncMsOf,
  selectorOf,
  serverUrl,
} from './options.js';

export type MakePodApi = (options: PodApiOptions, context: DiscoveryContext) => PodApi;

const httpsPodApi: MakePodApi = (options, { clock }) => new HttpsPodApi(options, clock);

/**
 * Running and ready pods of one namespace that carry all the labels, at their named port. `start` rejects with
 * INVALID_ARGUMENT for options that can never work and outside a cluster.
 */
export const kubernetesDiscovery = (options: KubernetesOptions): Discovery => kubernetesWith(options, httpsPodApi);

/** The same with the API asked some other way: for tests. */
export const kubernetesWith = (options: KubernetesOptions, makeApi: MakePodApi): Discovery =>
  new KubernetesDiscovery(options, makeApi);

interface Running {
  readonly follower: PodFollower;
  readonly context: DiscoveryContext;
  /** The source, as messages name it. */
  readonly source: string;
}

class KubernetesDiscovery implements Discovery {
  readonly provider = 'kubernetes';
  readonly findAgainMs: number;
  readonly #listeners = new Set<(addresses: readonly string[]) => void>();
  #running: Running | undefined;
  #isStarted = false;
  #isStopped = false;

  constructor(
    private readonly options: KubernetesOptions,
    private readonly makeApi: MakePodApi,
  ) {
    this.findAgainMs = resyncMsOf(options);
  }

  async start(context: DiscoveryContext, wait: Wait): Promise<void> {
    this.#refuse('start', wait);
    if (this.#isStarted) throw invalidArgument('discovery.kubernetes was given to two nodes; make one for each');
    this.#isStarted = true;
    checkKubernetesOptions(this.options);
    const { podLabels, portName, api: access } = this.options;
    if (access === undefined) {
      throw invalidArgument(
        'discovery.provider is kubernetes, but this process runs outside a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. Run it in a pod, or set apiServer, tokenFile and caFile of discovery.kubernetes (in code: its api), or choose another provider',
      );
    }
    const server = serverUrl(access.server);
    const namespace = this.options.namespace ?? (await this.#ownNamespace(access.namespaceFile));
    await mustBeReadable(access.tokenFile);
    await mustBeReadable(access.caFile);
    this.#refuse('start', wait);
    const selector = selectorOf(podLabels);
    const api = this.makeApi({ server, access, namespace, selector, portName }, context);
    const what = `pods with ${selector} in namespace ${namespace}`;
    const options = { resyncMs: this.findAgainMs, portName, what };
    const follower = new PodFollower(api, context, options, (addresses) => this.#tell(addresses, context));
    this.#running = { follower, context, source: `the Kubernetes API at ${server.host}` };
    follower.begin();
  }

  async find(wait: Wait): Promise<readonly string[]> {
    this.#refuse('find', wait);
    if (this.#running === undefined) {
      throw new DistcacheError('NOT_STARTED', 'discovery.kubernetes: call start() before find()');
    }
    return this.#running.follower.current() ?? this.#nextList(this.#running, wait);
  }

  watch(listener: (addresses: readonly string[]) => void): Cancel {
    // Wrapped, so that the same function given twice is heard twice and cancelled one by one.
    const entry = (addresses: readonly string[]): void => listener(addresses);
    if (!this.#isStopped) this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  async stop(wait: Wait): Promise<void> {
    this.#isStopped = true;
    this.#listeners.clear();
    if (this.#running === undefined) return;
    const { follower, context } = this.#running;
    const stopped = follower.stop();
    await new Promise<void>((resolve) => {
      const cancel = context.clock.after(remainingMs(wait, context.clock), resolve);
      void stopped.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #nextList({ follower, context, source }: Running, wait: Wait): Promise<readonly string[]> {
    const { clock } = context;
    const waitMs = remainingMs(wait, clock);
    return new Promise((resolve, reject) => {
      const cancels: Cancel[] = [];
      const fail = (error: DistcacheError): void => {
        for (const cancel of cancels.splice(0)) cancel();
        reject(error);
      };
      const late = (): void => {
        const why = follower.trouble;
        const what = `${source} gave no list of pods within ${formatDuration(waitMs)}; check that it can be reached`;
        fail(why ?? new DistcacheError('TIMEOUT', what));
      };
      const onAbort = (): void => fail(aborted('find of discovery.kubernetes', wait.signal?.reason));
      if (waitMs <= 0) return late();
      wait.signal?.addEventListener('abort', onAbort, { once: true });
      cancels.push(
        clock.after(waitMs, late),
        () => wait.signal?.removeEventListener('abort', onAbort),
        follower.awaitList((outcome) => {
          if (outcome.is === 'stopped') return fail(aborted('find of discovery.kubernetes'));
          if (outcome.is === 'failed') return fail(outcome.error);
          for (const cancel of cancels.splice(0)) cancel();
          resolve(outcome.addresses);
        }),
      );
    });
  }

  #tell(addresses: readonly string[], { log }: DiscoveryContext): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(addresses);
      } catch (error) {
        log.write('error', `a listener of discovery.kubernetes threw: ${messageOf(error)}`);
      }
    }
  }

  #refuse(doing: string, wait: Wait): void {
    if (this.#isStopped) throw aborted(`${doing} of discovery.kubernetes: it was stopped, so it`);
    if (wait.signal?.aborted === true) throw aborted(`${doing} of discovery.kubernetes`, wait.signal.reason);
  }

  async #ownNamespace(file: string | undefined): Promise<string> {
    const set = 'set discovery.kubernetes.namespace';
    if (file === undefined) throw invalidArgument(`there is no file that tells this pod's namespace; ${set}`);
    const namespace = (await mustBeReadable(file, `, or ${set}`)).trim();
    checkNamespace(namespace, file);
    return namespace;
  }
}

/** The volume with these files is there before the container starts, so what is missing now stays missing. */
async function mustBeReadable(file: string, otherwise = ''): Promise<string> {
  try {
    return await readSmallFile(file);
  } catch (cause) {
    throw new DistcacheError(
      'INVALID_ARGUMENT',
      `${messageOf(cause)}; discovery by Kubernetes takes it from the pod's service account: leave automountServiceAccountToken on${otherwise}`,
      { cause },
    );
  }
}
