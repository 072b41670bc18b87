import { resolve } from 'node:path';
import { invalidArgument } from '../base/errors.js';
import type { AuthConfig, NodeConfig, TlsConfig } from '../config/node-config.js';
import { fileState, readSetting } from '../platform/files.js';
import { keysOf } from './options.js';
import type { AuthOptions, TlsOptions } from './security.js';

/** What a config says of who is let in, with the texts of the files that it names. */
export interface Security {
  readonly tls: TlsOptions | undefined;
  readonly auth: AuthOptions;
  /** Empty: gossip travels in the clear, or there is none. */
  readonly gossipSecrets: readonly string[];
}

type Config = Pick<NodeConfig, 'tls' | 'auth' | 'gossip'>;

/** Relative paths start at `baseDir`. Rejects with INVALID_ARGUMENT, naming the setting, where a file cannot be read. */
export async function securityOf({ tls, auth, gossip }: Config, baseDir: string): Promise<Security> {
  return {
    tls: tls && (await readTls(tls, baseDir)),
    auth: await readAuth(auth, baseDir),
    gossipSecrets: await readGossipSecrets(gossip, baseDir),
  };
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

const secretsSetting = 'gossip.secretsFile';

/** What the config holds, or the file that it names, one a line. Neither shows what it could not use. */
export async function readGossipSecrets(gossip: NodeConfig['gossip'], baseDir: string): Promise<readonly string[]> {
  if (gossip === false) return [];
  if (gossip.secretsFile === undefined) return gossip.secrets;
  const path = resolve(baseDir, gossip.secretsFile);
  const lines = (await readSetting(secretsSetting, path)).split('\n').map((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    if (line !== '' && !isSecret(line)) {
      throw invalidArgument(
        `${secretsSetting} is ${path}, whose line ${index + 1} is not base64 of 16, 24 or 32 bytes; make one with: openssl rand -base64 32`,
      );
    }
  }
  const secrets = [...new Set(lines.filter((line) => line !== ''))];
  if (secrets.length > 0) return secrets;
  throw invalidArgument(`${secretsSetting} is ${path}, which holds none; make one with: openssl rand -base64 32`);
}

function isSecret(line: string): boolean {
  try {
    return keysOf([line]).length > 0;
  } catch {
    return false;
  }
}

/** Every file that `securityOf` reads. */
export const securityFiles = ({ tls, auth, gossip }: Config, baseDir: string): readonly string[] =>
  [
    ...[tls?.ca, tls?.cert, tls?.key],
    ...auth.tokens.map(({ tokenFile }) => tokenFile),
    gossip === false ? undefined : gossip.secretsFile,
  ]
    .filter((path) => path !== undefined)
    .map((path) => resolve(baseDir, path));

/** Differs once one of the files has changed. */
export const stateOf = async (files: readonly string[]): Promise<string> =>
  (await Promise.all(files.map(fileState))).join('\n');
