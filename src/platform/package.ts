import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PackageFacts {
  readonly version: string;
  /** Folder of the .proto files. */
  readonly protoDir: string;
}

/** Facts of the package this code came in: found by walking up, so that sources, library and bundle all find the same. */
export function packageFacts(): PackageFacts {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'proto/distcache/v1/cache.proto'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error('the distcache package is incomplete: it has no folder proto; install it again');
    folder = parent;
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return { version, protoDir: join(folder, 'proto') };
}
