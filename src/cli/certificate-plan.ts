import { systemClock } from '../platform/clock.js';
import type { CertificatePlan } from './create-certificates.js';
import { usageError } from './failure.js';

export interface CertificateFlags {
  readonly out: string;
  /** With commas between them. */
  readonly node?: string | undefined;
  readonly client?: string | undefined;
  readonly host?: string | undefined;
  readonly nodeName: string;
  readonly days: number;
  readonly overwrite: boolean;
}

/** Names become file names, and stand in certificates. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const plainHost = /^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/;
const ipv6 = /^(?=.*:.*:)[0-9A-Fa-f:.]+$/;
const yearsMax = 100;

/** Bad usage where a name cannot be one of a file and a certificate. */
export function certificatePlan({
  out,
  node,
  client,
  host = '',
  nodeName,
  days,
  overwrite,
}: CertificateFlags): CertificatePlan {
  const names = (flag: string, given: string | undefined, standard: string): readonly string[] => {
    // One kind alone was asked for: the other is not meant.
    const chosen = given === undefined ? (node === undefined && client === undefined ? [standard] : []) : listOf(given);
    if (chosen.length === 0 && given !== undefined)
      throw usageError(`--${flag} is empty; give a name, or leave it out`);
    for (const name of chosen) {
      // Its files would be those of the authority.
      if (name === 'ca') throw usageError(`--${flag}: ca is the name of the authority; choose another`);
      if (!plainName.test(name)) {
        throw usageError(`--${flag}: ${JSON.stringify(name)} must be letters, digits and . _ -, at most 63 of them`);
      }
    }
    return chosen;
  };
  const hosts = listOf(host);
  for (const name of hosts) {
    if (!plainHost.test(name) && !ipv6.test(name)) {
      throw usageError(`--host: ${JSON.stringify(name)} must be a DNS name or an IP address, without port`);
    }
  }
  if (!plainHost.test(nodeName)) throw usageError(`--node-name: ${JSON.stringify(nodeName)} must be a DNS name`);
  if (days > yearsMax * 365) throw usageError(`--lifetime must be at most ${yearsMax * 365}d`);
  const clients = names('client', client, 'client');
  // Nodes tell each other from clients by that name alone, whatever a certificate was made for.
  const impostor = clients.find((name) => name.toLowerCase() === nodeName.toLowerCase());
  if (impostor !== undefined) {
    throw usageError(
      `--client: ${impostor} is the node name, which would give the client all rights of a node; choose another name`,
    );
  }
  if (out === '') throw usageError('--out is empty; name a folder');
  return {
    folder: out,
    nodes: names('node', node, 'node'),
    clients,
    hosts: [...new Set(['localhost', '127.0.0.1', '::1', ...hosts])],
    nodeName,
    lifetime: { nowMs: systemClock.wallMs(), days },
    overwrite,
  };
}

const listOf = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
