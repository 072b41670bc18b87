import { formatSize } from '../base/units.js';
import type { NodeConfig } from '../config/node-config.js';
import { type Check, fail, ok, skip, warn } from './check.js';

export interface MachineFacts {
  /** `24.21.0`. */
  readonly nodeVersion: string;
  /** Files that a process started here may have open; undefined where the system does not tell. */
  readonly openFilesMax: number | undefined;
  /** Of the machine, or of the container where that has less. */
  readonly memoryBytes: number;
}

/** Releases of Node that the tests run on, from the one to the other. */
const testedMajors = { min: 22, max: 26 } as const;
/** Beside connections: files of data sources, links, the log, what Node itself has open. */
const filesBeside = 256;
/** What a process needs beside its cache. */
const ownPart = 0.75;

export function checkNodeVersion(version: string): Check {
  const major = Number.parseInt(version, 10);
  const { min, max } = testedMajors;
  if (major >= min && major <= max) return ok('node', `Node ${version}`);
  return warn('node', `Node ${version}, which distcache was not tested on`, `run it on Node ${min} to ${max}`);
}

export function checkOpenFiles(openFilesMax: number | undefined, { limits }: Pick<NodeConfig, 'limits'>): Check {
  const check = 'open files';
  if (openFilesMax === undefined) return skip(check, 'this system does not tell its limit');
  const wanted = limits.maxConnections + filesBeside;
  const shown = Number.isFinite(openFilesMax) ? String(openFilesMax) : 'any number';
  if (openFilesMax >= wanted) return ok(check, `${shown} may be open, ${wanted} are enough for limits.maxConnections`);
  return warn(
    check,
    `${shown} may be open, but limits.maxConnections is ${limits.maxConnections}: beyond, connections fail without a word`,
    `ulimit -n ${wanted} (LimitNOFILE=${wanted} in systemd), or limits.maxConnections: ${Math.max(1, openFilesMax - filesBeside)}`,
  );
}

export function checkMemory(memoryBytes: number, { keyspaces }: Pick<NodeConfig, 'keyspaces'>): Check {
  const check = 'memory';
  const wanted = keyspaces.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  const found = `the keyspaces may hold ${formatSize(wanted)}, and there are ${formatSize(memoryBytes)}`;
  const mend = 'lower maxBytes of the keyspaces, or give the machine or container more';
  if (wanted > memoryBytes) return fail(check, found, mend);
  return wanted > memoryBytes * ownPart
    ? warn(check, `${found}, which also has to do for the process`, mend)
    : ok(check, found);
}
