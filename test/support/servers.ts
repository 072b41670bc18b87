import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian puts servers, which is not on everybody's PATH. */
const systemFolders = ['/usr/sbin', '/usr/local/sbin', '/sbin'];
const postgresFolder = '/usr/lib/postgresql';

/** Of each version of PostgreSQL that is installed, the newest first. */
function postgresFolders(): readonly string[] {
  try {
    const versions = readdirSync(postgresFolder).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(postgresFolder, version, 'bin'));
  } catch {
    return [];
  }
}

/** The path of a program, searched in PATH and in the folders of servers; undefined where it is not installed. */
export function programPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...systemFolders, ...postgresFolders()];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });
}

/**
 * Skips what `context` runs, aloud, where a program is not installed; with DISTCACHE_REQUIRE_SERVERS=1 it fails instead,
 * so that CI never passes by skipping. For `before` and `it`.
 */
export function needs(context: Mocha.Context, program: string, debianPackage: string): void {
  if (programPath(program) !== undefined) return;
  const missing = `${program} is not installed: apt-get install ${debianPackage}, or put it on PATH`;
  if (process.env.DISTCACHE_REQUIRE_SERVERS === '1') {
    throw new Error(`${missing}. DISTCACHE_REQUIRE_SERVERS=1 asks for it.`);
  }
  process.stderr.write(`SKIPPED: ${missing}\n`);
  context.skip();
}
