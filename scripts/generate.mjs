// Makes the static protobuf codecs of src/wire/generated/ from proto/, when they are older than their sources.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pbjs from 'protobufjs-cli/pbjs.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = ['cache', 'peer'].map((name) => join(root, 'proto/distcache/v1', `${name}.proto`));
const target = join(root, 'src/wire/generated/distcache.js');

const madeAt = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

if (madeAt(target) < Math.max(...sources.map(madeAt), madeAt(fileURLToPath(import.meta.url)))) {
  mkdirSync(join(root, 'src/wire/generated'), { recursive: true });
  const flags = ['--no-create', '--no-verify', '--no-delimited', '--no-typeurl', '--no-convert', '--no-service'];
  await new Promise((resolve, reject) => {
    pbjs.main(
      ['-t', 'static-module', '-w', 'esm', '-d', '--force-number', ...flags, '-o', target, ...sources],
      (error) => (error ? reject(error) : resolve()),
    );
  });
}
