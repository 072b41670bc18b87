/*
 * What a gossip cluster costs and how fast it finds a crash, by size; a line of JSON each.
 * Run by hand: npx tsx test/simulation/membership/report.ts 10 100 1000
 */
import { measure } from './measure.js';

const sizes = process.argv.slice(2).map(Number);
for (const nodes of sizes.length > 0 ? sizes : [10, 100]) {
  const startedMs = performance.now();
  const figures = measure(nodes, `report-${nodes}`);
  const realSeconds = Math.round((performance.now() - startedMs) / 1000);
  process.stdout.write(`${JSON.stringify({ ...figures, realSeconds })}\n`);
}
