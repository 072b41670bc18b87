// Plays `node start` for tests of what stands around it. STAND_IN says how it behaves; the name comes from its config.
import { readFileSync } from 'node:fs';

const config = JSON.parse(readFileSync(process.argv[process.argv.indexOf('--config') + 1], 'utf8'));
const mode = process.env.STAND_IN ?? 'serve';
const [kind, only] = mode.split(':');
const acts = only === undefined || only === config.name ? kind : 'serve';

const keepAlive = setInterval(() => {}, 1 << 30);
process.on('SIGTERM', () => {
  if (acts === 'stubborn') return;
  process.stderr.write('drained\n');
  clearInterval(keepAlive);
  process.stdin.destroy();
});

if (acts === 'refuse') {
  process.stderr.write('Error: port taken\n');
  process.stdout.write(`${JSON.stringify({ error: { code: 'INVALID_ARGUMENT', message: 'port taken' } })}\n`);
  process.exit(2);
} else if (acts === 'crash') {
  process.stderr.write('some\nlast words\n');
  process.exit(7);
} else if (acts !== 'mute') {
  process.stdout.write('not JSON\n');
  process.stdout.write(
    `${JSON.stringify({ ready: true, node: config.name, grpc: `127.0.0.1:${process.pid}`, admin: 'off', gossip: 'none', pid: process.pid, peers: config.discovery.peers })}\n`,
  );
  if (acts === 'die') process.exit(9);
}
