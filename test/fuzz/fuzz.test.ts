import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { fuzz, inputOf, kept, type Parser, replay } from './fuzzer.js';
import { allParsers, closeAll } from './parsers.js';

const seed = process.env.SEED ?? 'fuzz';
/** Of each parser; of those behind a socket fewer. A longer run: npm run fuzz -- --minutes 10 */
const rounds = { cheap: 100, dear: 12 };

const names = [
  'gossip-packet',
  'gossip-stream',
  'gossip-tcp',
  'gossip-meta',
  'peer-frame',
  'keyspace-record',
  'public-request',
  'public-reply',
  'config',
  'token',
  'certificate',
  'event-stream',
  'nats-message',
  'kubernetes',
  'source-http',
  'source-redis',
  'source-postgres',
  'source-module',
  'admin-target',
  'grpc-port',
  'admin-port',
];

describe(`fuzz: whatever comes from outside (SEED=${seed})`, function () {
  this.timeout(60_000);
  const parsers = new Map<string, Parser>();
  before(async () => {
    for (const parser of await allParsers()) parsers.set(parser.name, parser);
  });
  after(() => closeAll([...parsers.values()]));

  it('knows every parser, and has a folder of the corpus for no other', () => {
    expect([...parsers.keys()].sort()).to.deep.equal([...names].sort());
    for (const folder of readdirSync(new URL('../corpus', import.meta.url))) expect(names).to.include(folder);
  });

  for (const name of names) {
    it(`${name}: what was kept, then chance`, async () => {
      const parser = parsers.get(name)!;
      for (const { name: file, bytes } of kept(name)) await replay(parser, file, bytes);
      const count = parser.dear === true ? rounds.dear : rounds.cheap;
      for (let round = 0; round < count; round++) await fuzz(parser, seed, round);
    });
  }

  it('the same seed and round give the same input', () => {
    for (const parser of parsers.values()) {
      if (parser.name === 'certificate') continue;
      expect(inputOf(parser, seed, 7).bytes, parser.name).to.deep.equal(inputOf(parser, seed, 7).bytes);
    }
  });

  it('says how to run a round again that found something', async () => {
    const broken: Parser = {
      name: 'peer-frame',
      sound: () => Uint8Array.of(1, 2, 3),
      read: () => {
        throw new Error('broken');
      },
    };
    const error = await fuzz(broken, 's', 3).catch((thrown: unknown) => thrown);
    expect(String(error)).to.match(
      /npm run fuzz -- --parser peer-frame --seed s --round 3\n\d+ bytes: .*\nError: broken/s,
    );
  });
});
