import { resolve } from 'node:path';
import type { AuthConfig, NodeConfig, TlsConfig } from '../config/node-config.js';
import { fileState, readSetting } from '../platform/files.js';
import type { AuthOptions, TlsOptions } from './security.js';

/** What a config says of who is let in, with the texts of the files that it names. */
export interface Security {
  readonly tls: TlsOptions | undefined;
  readonly auth: AuthOptions;
}

type Config = Pick<NodeConfig, 'tls' | 'auth'>;

/** Relative paths start at `baseDir`. Rejects with INVALID_ARGUMENT, naming the setting, where a file cannot be read. */
export async function securityOf({ tls, auth }: Config, baseDir: string): Promise<Security> {
  return { tls: tls && (await readTls(tls, baseDir)), auth: await readAuth(auth, baseDir) };
}

export async function readTls(files: TlsConfig, baseDir: string, setting = 'tls'): Promise<TlsOptions> {
  const { ca, cert, key, clientAuth, nodeName } = files;
  const read = (field: string, path: string): Promise<string> =>
    readSetting(`${setting}.${field}`, resolve(baseDir, path));
  return {
    ca: ca === undefined ? undefined : await read('ca', ca),
    cert: await read('cert', cert),
    key: await read('key', key),
    clientAuth,
    nodeName,
  };
}

async function readAuth({ tokens, certificates }: AuthConfig, baseDir: string): Promise<AuthOptions> {
  const read = tokens.map(async ({ token, tokenFile, ...grant }, index) => ({
    ...grant,
    // The line break at its end is the editor's.
    token: token ?? (await readSetting(`auth.tokens[${index}].tokenFile`, resolve(baseDir, tokenFile ?? ''))).trim(),
  }));
  return { tokens: await Promise.all(read), certificates };
}

/** Every file that `securityOf` reads. */
export const securityFiles = ({ tls, auth }: Config, baseDir: string): readonly string[] =>
  [tls?.ca, tls?.cert, tls?.key, ...auth.tokens.map(({ tokenFile }) => tokenFile)]
    .filter((path) => path !== undefined)
    .map((path) => resolve(baseDir, path));

/** Differs once one of the files has changed. */
export const stateOf = async (files: readonly string[]): Promise<string> =>
  (await Promise.all(files.map(fileState))).join('\n');
