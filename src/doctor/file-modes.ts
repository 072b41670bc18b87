import { type Check, fail, ok, warn } from './check.js';

/** A file that holds a secret, by the setting that names it. */
export interface SecretFile {
  readonly setting: string;
  readonly path: string;
  /** Permission bits; undefined where the system has none, or there is no such file. */
  readonly mode: number | undefined;
}

const othersRead = 0o004;
const othersWrite = 0o002;
const groupWrite = 0o020;

/** Who else may read or change it. The group may read: that is how a service gets at its key. */
export function checkSecretFile({ setting, path, mode }: SecretFile): Check | undefined {
  if (mode === undefined) return undefined;
  const check = `${setting} permissions`;
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  const may = [
    ...((mode & othersRead) === 0 ? [] : ['read by every user of this machine']),
    ...((mode & (othersWrite | groupWrite)) === 0 ? [] : ['changed by others than its owner']),
  ];
  if (may.length === 0) return ok(check, `${path} has mode ${shown}`);
  const kubernetes = /^\/(var\/)?run\/secrets\//.test(path) ? ', or defaultMode: 0440 of its volume' : '';
  return fail(check, `${path} may be ${may.join(' and ')} (mode ${shown})`, `chmod 600 ${path}${kubernetes}`);
}

/** A key of an authority beside a node's own certificates: handy while developing, and no place for it afterwards. */
export const checkAuthorityKey = (path: string, isNear: boolean): Check =>
  (isNear ? warn : fail)(
    'key of the authority',
    `${path} lies beside the certificates of this node: who takes it makes nodes of his own`,
    'move it to a machine that runs no node',
  );
