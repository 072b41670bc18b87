/*
 * All benches, each in a process of its own, and their ratios at the end: `npm run bench`.
 * Names as arguments run only those: `npm run bench -- local-hits startup`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { printRatios, type Ratio } from './harness.js';

const known = [
  'local-hits',
  'peer-gets',
  'memory',
  'startup',
  'coherence',
  'idle',
  'telemetry',
  'hot-keys',
  'dash',
  'flood',
];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known;
const ratios: Ratio[] = [];
for (const name of wanted) {
  if (!known.includes(name)) throw new Error(`there is no bench ${name}; there are: ${known.join(', ')}`);
  const child = fork(fileURLToPath(new URL(`${name}.ts`, import.meta.url)), {
    // As what is built: React checks its callers otherwise.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  child.on('message', (told) => ratios.push(...(told as Ratio[])));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`bench ${name} ended with exit code ${code}`);
}
console.log('\nRatios');
printRatios(ratios);
