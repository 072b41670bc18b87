import { lookup, Resolver } from 'node:dns/promises';
import { bytesOfIp, ipOfBytes } from '../../base/ip.js';
import type { StopSignal } from '../../base/stop-signal.js';

/** 0: both. */
export type Family = 4 | 6 | 0;

export interface Service {
  readonly host: string;
  readonly port: number;
}

/** Where names become addresses, for one round of questions. */
export interface Names {
  /** One promise for each question that it takes. Empty: there is no such name, or it has no such address. */
  addresses(host: string, family: Family): readonly Promise<readonly string[]>[];
  services(name: string): Promise<readonly Service[]>;
  /** Ends the questions under way, where that can be done. */
  cancel(): void;
}

/**
 * The machine's own way: the hosts file, search domains and whatever else it is set up with. It runs in the thread pool,
 * where it cannot be cancelled: a server that is silent holds it for as long as resolv.conf says, often 10 s or more.
 * Services are asked of the machine's DNS servers.
 */
export const systemNames = (): Names => ({
  ...serverNames(undefined),
  addresses: (host, family) => [
    noneIfUnknown(
      lookup(host, { all: true, family, order: 'verbatim' }).then((found) => found.map(({ address }) => address)),
    ),
  ],
});

/** Milliseconds for the first of two tries; the second takes up to twice as long. */
const tryMs = 1500;

/**
 * By asking DNS servers and nobody else; undefined asks those of the machine. Made anew for each round, so that it keeps
 * no answers and learns when the machine has other servers.
 */
export function serverNames(servers: readonly string[] | undefined): Names {
  const resolver = new Resolver({ timeout: tryMs, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  return {
    addresses: (host, family) => [
      ...(family === 6 ? [] : [noneIfUnknown(resolver.resolve4(host))]),
      ...(family === 4 ? [] : [noneIfUnknown(resolver.resolve6(host))]),
    ],
    services: (name) =>
      noneIfUnknown(
        resolver.resolveSrv(name).then((found) => found.map((srv) => ({ host: srv.name, port: srv.port }))),
      ),
    cancel: () => resolver.cancel(),
  };
}

/** The server answered, and the answer is that there is nothing (NXDOMAIN, or no record of that type). */
async function noneIfUnknown<T>(answer: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await answer;
  } catch (error) {
    if (['ENOTFOUND', 'ENODATA'].includes(systemCode(error))) return [];
    throw error;
  }
}

export const systemCode = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');

/** True where nobody answered in time. EAI_AGAIN is what the machine's way says of that, and of a server's failure. */
export const isSilence = (error: unknown): boolean => ['ETIMEOUT', 'EAI_AGAIN'].includes(systemCode(error));

/**
 * An IP in the one form that all nodes write, so that the same address is the same text; a zone stays, a mapped IPv4
 * becomes one. Undefined for no IP.
 */
export function canonicalIp(text: string): string | undefined {
  const bytes = bytesOfIp(text);
  const ip = bytes && ipOfBytes(bytes);
  const zone = /%[0-9a-z._-]+$/i.exec(text)?.[0];
  if (ip === undefined || (text.includes('%') && (zone === undefined || !ip.includes(':')))) return undefined;
  return ip + (zone ?? '');
}

/** Why a node cannot be reached at this IP, which must be canonical; undefined where it can. */
export function whyUnreachable(ip: string): string | undefined {
  const [first = 0, second = 0] = bytesOfIp(ip) ?? [];
  if (ip === '0.0.0.0' || ip === '::') return 'stands for every address of a machine';
  if (ip.includes(':')) {
    if (first === 0xff) return 'is a multicast address';
    if (first === 0xfe && (second & 0xc0) === 0x80 && !ip.includes('%')) {
      return 'is a link-local address without a zone such as %eth0';
    }
    return undefined;
  }
  return first >= 224 ? 'is a multicast, reserved or broadcast address' : undefined;
}

/** Runs for each item, at most `atOnce` at a time, until all have ended; none begins once it is `stopping`. `run` must not reject. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  stopping: StopSignal,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const work = async (): Promise<void> => {
    for (const item of rest) {
      if (stopping.aborted) return;
      await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
}
