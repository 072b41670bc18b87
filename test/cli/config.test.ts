import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { starterFile } from '../../src/config/starter.js';
import { cli } from '../support/cli.js';

const text = (bytes: Buffer): string => bytes.toString();
const json = (bytes: Buffer): Record<string, unknown> => {
  const lines = text(bytes).trimEnd().split('\n');
  expect(lines, 'one JSON document').to.have.length(1);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
};

describe('distcache config', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-config-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  describe('init', () => {
    it('prints the starter file, which validates', async () => {
      const printed = await cli(['config', 'init']);
      expect([printed.exit, printed.stderr, text(printed.stdout)]).to.deep.equal([0, '', starterFile]);
      const checked = await cli(['config', 'validate', '-'], { input: printed.stdout });
      expect([checked.exit, checked.stderr]).to.deep.equal([0, '']);
      expect(text(checked.stdout)).to.match(/^stdin: valid\n/);
    });

    it('writes a file, and never over another without --force', async () => {
      const target = file('distcache.yaml');
      const first = await cli(['config', 'init', '--output', target]);
      expect([first.exit, text(first.stdout)]).to.deep.equal([0, '']);
      expect(first.stderr).to.include(target);
      expect(await readFile(target, 'utf8')).to.equal(starterFile);

      await writeFile(target, 'mine');
      const second = await cli(['config', 'init', '-o', target]);
      expect([second.exit, second.stderr, text(second.stdout)]).to.deep.equal([
        2,
        `Error: ${target} is there already; --force overwrites it\n`,
        '',
      ]);
      const third = await cli(['config', 'init', '-o', target, '--json']);
      expect(third.exit).to.equal(2);
      expect(json(third.stdout).error).to.deep.include({ code: 'INVALID_ARGUMENT' });
      expect(await readFile(target, 'utf8')).to.equal('mine');

      const forced = await cli(['config', 'init', '-o', target, '--force', '--json']);
      expect([forced.exit, json(forced.stdout)]).to.deep.equal([0, { file: target }]);
      expect(await readFile(target, 'utf8')).to.equal(starterFile);
    });

    it('says why a file cannot be written', async () => {
      const { exit, stderr } = await cli(['config', 'init', '-o', file('missing/distcache.yaml')]);
      expect(exit).to.equal(2);
      expect(stderr).to.match(/^Error: .* cannot be written: ENOENT[^\n]*\n$/);
    });
  });

  describe('validate', () => {
    const bad =
      'bind: { port: 70000 }\nnme: x\nkeyspaces:\n  a: { maxBytes: 1MiB, source: { type: none }, warmKeys: [k] }\n';

    it('tells all problems, one a line, and exits 2', async () => {
      await writeFile(file('bad.yaml'), bad);
      const { exit, stdout, stderr } = await cli(['config', 'validate', file('bad.yaml')]);
      expect([exit, text(stdout)]).to.deep.equal([2, '']);
      expect(stderr.split('\n')).to.deep.equal([
        `${file('bad.yaml')}:1:15 bind.port: must be a port from 0 to 65535, found 70000`,
        `${file('bad.yaml')}:2:1 nme: unknown key; did you mean name?`,
        `Error: ${file('bad.yaml')} has 2 problems; mend what is listed above`,
        '',
      ]);
    });

    it('tells them as JSON', async () => {
      await writeFile(file('bad.yaml'), bad);
      const { exit, stdout } = await cli(['config', 'validate', file('bad.yaml'), '--json']);
      expect(exit).to.equal(2);
      expect(json(stdout)).to.deep.include({
        valid: false,
        problems: [
          {
            file: file('bad.yaml'),
            line: 1,
            column: 15,
            path: 'bind.port',
            message: 'must be a port from 0 to 65535, found 70000',
          },
          { file: file('bad.yaml'), line: 2, column: 1, path: 'nme', message: 'unknown key; did you mean name?' },
        ],
      });
    });

    it('sums a good file up, with warnings beside', async () => {
      const good = `name: "\${NODE}"
discovery: { peers: [10.0.0.2] }
timeouts: { keepAlive: 60s }
keyspaces: { cities: { maxBytes: 64MiB, defaultTtl: 5m, source: { type: none } } }
`;
      await writeFile(file('good.yaml'), good);
      const args = ['config', 'validate', file('good.yaml')];
      const env = { NODE: 'cache-1' };
      const plain = await cli(args, { env });
      expect([plain.exit, text(plain.stdout), plain.stderr]).to.deep.equal([
        0,
        `${file('good.yaml')}: valid
node cache-1 on 127.0.0.1 port 3320, discovery static with 10.0.0.2:3322, gossip on port 3322
keyspace cities: 64MiB for 5m, source none
`,
        `Warning: ${file('good.yaml')}:3:24 timeouts.keepAlive: not in force in this release and has no effect\n`,
      ]);
      const asJson = await cli([...args, '--json'], { env });
      expect(asJson.exit).to.equal(0);
      expect(json(asJson.stdout)).to.deep.include({
        valid: true,
        file: file('good.yaml'),
        keyspaces: ['cities'],
        problems: [],
      });
      const unset = await cli(args, { env: { NODE: undefined } });
      expect(unset.exit).to.equal(2);
      expect(unset.stderr).to.include('1:7 name: variable NODE is not set');
    });

    const unreadable: Readonly<Record<string, readonly [name: string, content: Buffer | undefined, reason: string]>> = {
      'a file that is not there': ['none.yaml', undefined, 'does not exist'],
      'a folder': ['.', undefined, 'is a folder'],
      'bytes that are no text': ['bytes.yaml', Buffer.from([0xff, 0xfe, 0x00]), 'is not UTF-8 text'],
      'a huge file': ['huge.yaml', Buffer.alloc(3 << 20, '#'), 'is larger than 1MiB'],
    };
    for (const [title, [name, content, reason]] of Object.entries(unreadable)) {
      it(`refuses ${title}`, async () => {
        if (content !== undefined) await writeFile(file(name), content);
        const { exit, stdout, stderr } = await cli(['config', 'validate', file(name), '--json']);
        expect(exit).to.equal(2);
        expect(stderr).to.include(reason);
        expect(json(stdout)).to.deep.include({ valid: false });
      });
    }

    it('wants a file', async () => {
      const { exit, stderr } = await cli(['config', 'validate']);
      expect(exit).to.equal(2);
      expect(stderr).to.match(/^Error: missing argument FILE[^\n]*\n$/);
    });

    it('does not touch stdin', async () => {
      await writeFile(file('a.yaml'), '');
      const { exit, stderr } = await cli(['config', 'validate', file('a.yaml')], { input: 'never read\n' });
      expect([exit, stderr]).to.deep.equal([0, '']);
    });
  });

  describe('schema', () => {
    it('prints JSON Schema, the same with --json on one line', async () => {
      const [plain, asJson] = await Promise.all([cli(['config', 'schema']), cli(['config', 'schema', '--json'])]);
      expect([plain.exit, plain.stderr, asJson.exit]).to.deep.equal([0, '', 0]);
      const schema = JSON.parse(text(plain.stdout)) as Record<string, unknown>;
      expect(schema.$schema).to.equal('https://json-schema.org/draft/2020-12/schema');
      expect(schema.properties).to.include.all.keys('name', 'bind', 'keyspaces');
      expect(json(asJson.stdout)).to.deep.equal(schema);
    });
  });
});
