import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { Issued, Lifetime, Subject } from '../certificates/issue.js';
import { systemReason, usageError } from './failure.js';
import { makeFolder } from './make-folder.js';

export interface CertificatePlan {
  readonly folder: string;
  /** Names of nodes, which become file names. */
  readonly nodes: readonly string[];
  readonly clients: readonly string[];
  /** DNS names and addresses of every node. */
  readonly hosts: readonly string[];
  /** Makes its holder a node; see `tls.nodeName`. */
  readonly nodeName: string;
  readonly lifetime: Lifetime;
  /** Replace certificates that are there; the authority stays. */
  readonly overwrite: boolean;
}

export interface CreatedCertificates {
  readonly ca: string;
  /** Whether the authority was there before. */
  readonly caKept: boolean;
  readonly nodes: readonly CertificateFiles[];
  readonly clients: readonly CertificateFiles[];
}

export interface CertificateFiles {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

const authorityName = 'distcache development CA';

/**
 * Writes `ca.pem`, `ca-key.pem`, and `NAME.pem` and `NAME-key.pem` for each node and client. An authority that is in the
 * folder already signs the new ones, so that certificates of several runs work together.
 */
export async function createCertificates(plan: CertificatePlan): Promise<CreatedCertificates> {
  const { folder, lifetime, nodeName, hosts } = plan;
  const names = [...plan.nodes, ...plan.clients];
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined)
    throw usageError(`--node and --client: ${double} would be written twice; names must differ`);
  const { issueAuthority, issueCertificate } = await import('../certificates/issue.js');
  await makeFolder(folder, '--out');
  const ca = join(folder, 'ca.pem');
  const known = await authorityIn(folder);
  const authority = known ?? (await issueAuthority(authorityName, { ...lifetime, days: 10 * lifetime.days }));
  if (known === undefined) await writePair(folder, 'ca', authority, false);
  const issue = async (subject: Subject): Promise<CertificateFiles> => {
    const issued = await issueCertificate(authority, subject, lifetime).catch((error: unknown) => {
      throw usageError(`${ca} and ca-key.pem are no authority that can sign: ${messageOf(error)}`, error);
    });
    return writePair(folder, subject.name, issued, plan.overwrite);
  };
  const nodes: CertificateFiles[] = [];
  for (const name of plan.nodes) nodes.push(await issue({ name, hosts: [nodeName, ...hosts], isServer: true }));
  const clients: CertificateFiles[] = [];
  for (const name of plan.clients) clients.push(await issue({ name, hosts: [], isServer: false }));
  return { ca, caKept: known !== undefined, nodes, clients };
}

async function authorityIn(folder: string): Promise<Issued | undefined> {
  const read = (name: string): Promise<string | undefined> =>
    readFile(join(folder, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw usageError(`${join(folder, name)} cannot be read: ${systemReason(error)}`, error);
    });
  const [cert, key] = [await read('ca.pem'), await read('ca-key.pem')];
  if (cert === undefined && key === undefined) return undefined;
  if (cert !== undefined && key !== undefined) return { cert, key };
  const missing = cert === undefined ? 'ca.pem' : 'ca-key.pem';
  throw usageError(`${folder} has no ${missing} beside the other; bring it, or choose an empty folder with --out`);
}

/** The key first, and for its owner's eyes alone: a certificate without its key is no use, but a key that others read is harm. */
async function writePair(folder: string, name: string, issued: Issued, overwrite: boolean): Promise<CertificateFiles> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}-key.pem`)];
  await write(key, issued.key, 0o600, overwrite);
  await write(cert, issued.cert, 0o644, overwrite);
  return { name, cert, key };
}

async function write(file: string, text: string, mode: number, overwrite: boolean): Promise<void> {
  try {
    const handle = await open(file, overwrite ? 'w' : 'wx', mode);
    try {
      // The mode that was asked for counts for new files alone.
      await handle.chmod(mode);
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    if (exists) throw usageError(`${file} is there already; --overwrite replaces it`, error);
    throw usageError(`${file} cannot be written: ${systemReason(error)}`, error);
  }
}
