import { Buffer } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { DistcacheError, messageOf } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { KubernetesAccess } from './options.js';

export interface Credentials {
  readonly token: string;
  /** Certificates in PEM. */
  readonly ca: string;
}

/** The files are renewed about hourly, long before what they held runs out. */
const readAgainMs = 60_000;

/** What proves who asks, read anew from its files once it is a minute old or was refused. */
export class CredentialFiles {
  #known: (Credentials & { readonly readAtMs: number }) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly access: Pick<KubernetesAccess, 'tokenFile' | 'caFile'>,
  ) {}

  /** Rejects with PEER_UNREACHABLE while a file cannot be read or does not hold what it should. */
  async read(): Promise<Credentials> {
    const nowMs = this.clock.nowMs();
    if (this.#known === undefined || nowMs - this.#known.readAtMs >= readAgainMs) {
      const { tokenFile, caFile } = this.access;
      const token = (await readSmallFile(tokenFile)).trim();
      const ca = await readSmallFile(caFile);
      if (!/^[\x21-\x7e]+$/.test(token)) throw unusable(tokenFile, 'holds no token on one line');
      // An empty list would make Node trust the authorities of the public web instead.
      if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw unusable(caFile, 'holds no certificate in PEM');
      this.#known = { token, ca, readAtMs: nowMs };
    }
    return this.#known;
  }

  /** After a refusal: the token may have been renewed since it was read. */
  forget(): void {
    this.#known = undefined;
  }
}

/** A service account's files are a few KiB. */
const fileBytesMax = 1024 * 1024;

/** The whole text of a file. Rejects with PEER_UNREACHABLE, naming it. */
export async function readSmallFile(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new DistcacheError('PEER_UNREACHABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (Buffer.byteLength(text) > fileBytesMax) throw unusable(file, `is larger than ${fileBytesMax} bytes`);
  return text;
}

const unusable = (file: string, what: string): DistcacheError =>
  new DistcacheError('PEER_UNREACHABLE', `${file} ${what}`);
