import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const packageOf = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const isLicense = (file) => /^(licen[cs]e|copying|notice)\b/i.test(file);

/** Of one package: its name, version and license, and the texts it comes with. `folder` is relative to `root`. */
async function licenseOf(root, folder) {
  const { name, version, license, author } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
  if (license === undefined) throw new Error(`${name} says no license in its package.json; it cannot be bundled`);
  const files = (await readdir(join(root, folder))).filter(isLicense).sort();
  const texts = await Promise.all(files.map(async (file) => (await readFile(join(root, folder, file), 'utf8')).trim()));
  const by = typeof author === 'object' ? author.name : author;
  if (texts.length === 0) texts.push(`The package holds no text of its license.${by ? ` Its author is ${by}.` : ''}`);
  return { title: `${name} ${version} (${license})`, texts };
}

/**
 * What the licenses of bundled packages ask for: their texts beside the code. `inputs` are the files that went into
 * the bundles, relative to `root`, as esbuild's metafiles name them. Versions of one package that say the same stand once.
 */
export async function licensesOf(root, inputs) {
  const folders = new Set(inputs.map((input) => packageOf.exec(input)?.[1]).filter((folder) => folder !== undefined));
  const found = new Map();
  for (const folder of [...folders].sort()) {
    const { title, texts } = await licenseOf(root, folder);
    found.set(title, texts.join('\n\n'));
  }
  const sections = [...found].map(([title, text]) => `${'-'.repeat(80)}\n${title}\n\n${text}\n`);
  return `The command line of distcache holds code of these packages, under their licenses.\n\n${sections.join('\n')}`;
}
