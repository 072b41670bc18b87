import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reloadOnChange } from '../../../src/cli/reload.js';
import type { KeyspaceConfig, NodeConfig } from '../../../src/config/node-config.js';
import { systemClock } from '../../../src/platform/clock.js';
import { until } from '../../support/until.js';

const configOf = (secrets: readonly string[], label = '', keyspaces = [keyspaceOf('a'), keyspaceOf('b')]): NodeConfig =>
  ({
    label,
    gossip: { port: 1, secrets, secretsFile: undefined },
    keyspaces,
    auth: { tokens: [], certificates: [] },
  }) as unknown as NodeConfig;

const keyspaceOf = (name: string, maxBytes = 1, type = 'none'): KeyspaceConfig =>
  ({ name, maxBytes, eviction: 'lru', batch: { maxKeys: 1 }, source: { type } }) as unknown as KeyspaceConfig;

describe('cli: SIGHUP', () => {
  const logged: string[] = [];
  const applied: (readonly string[])[] = [];
  const done: string[] = [];
  let present: string[];
  let read: () => Promise<NodeConfig>;
  let cancel: () => void;

  beforeEach(async () => {
    logged.length = 0;
    applied.length = 0;
    done.length = 0;
    present = ['a', 'b'];
    cancel = await reloadOnChange({
      engine: {
        setGossipSecrets: (secrets) => void applied.push(secrets),
        setTls: () => {},
        setAuth: () => {},
        addKeyspace: async ({ name, maxBytes }) => {
          if (name === 'bad') throw new Error('no such table');
          done.push(`add ${name} ${maxBytes}`);
        },
        removeKeyspace: (name) => done.push(`remove ${name}`) > 0,
        redefineKeyspace: async ({ name, maxBytes }) => done.push(`redefine ${name} ${maxBytes}`) > 0,
        keyspaces: () => present,
      },
      sourceOf: async () => ({ fetch: () => null }),
      config: configOf(['old']),
      baseDir: '/',
      clock: systemClock,
      read: () => read(),
      log: { write: (level, message) => void logged.push(`${level} ${message}`) },
    });
  });
  afterEach(() => cancel());

  /** Sends it to this process, and waits for what is then logged. */
  async function hangUp(lines: number): Promise<readonly string[]> {
    logged.length = 0;
    process.emit('SIGHUP');
    await until('the config was read again', () => logged.length >= lines);
    return [...logged];
  }

  it('applies changed secrets, once', async () => {
    read = async () => configOf(['new', 'old']);
    expect(await hangUp(1)).to.deep.equal(['info SIGHUP: gossip.secrets changed']);
    expect(await hangUp(1)).to.deep.equal(['info SIGHUP: gossip.secrets have not changed']);
    expect(applied).to.deep.equal([['new', 'old']]);
  });

  it('applies secrets that now stand in a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'distcache-reload-'));
    const secretsFile = join(folder, 'secrets');
    const secrets = ['n', 'o'].map((letter) => Buffer.alloc(16, letter).toString('base64'));
    await writeFile(secretsFile, `${secrets.join('\n')}\n`);
    read = async () => ({ ...configOf([]), gossip: { port: 1, secrets: [], secretsFile } }) as unknown as NodeConfig;
    expect(await hangUp(1)).to.deep.equal(['info SIGHUP: gossip.secrets changed']);
    expect(applied).to.deep.equal([secrets]);
    await writeFile(secretsFile, 'hunter2\n');
    const [line] = await hangUp(1);
    expect(line).to.match(/^error SIGHUP: .* goes on as before: gossip\.secretsFile is .*, whose line 1 is not base64/);
    expect(line).not.to.include('hunter2');
    expect(applied).to.have.length(1);
    await rm(folder, { recursive: true });
  });

  it('names what takes effect at the next start only, every time', async () => {
    read = async () => configOf(['new'], 'prod');
    const later = 'warn SIGHUP: changes of label take effect when the node is started again';
    expect(await hangUp(2)).to.deep.equal(['info SIGHUP: gossip.secrets changed', later]);
    expect(await hangUp(2)).to.deep.equal(['info SIGHUP: gossip.secrets have not changed', later]);
  });

  it('brings the keyspaces to what the file says: new ones, changed ones, those that are gone', async () => {
    read = async () => configOf(['old'], '', [keyspaceOf('a', 2), keyspaceOf('c', 3)]);
    expect(await hangUp(4)).to.deep.equal([
      'info SIGHUP: gossip.secrets have not changed',
      "info SIGHUP: keyspace 'a' changed",
      "info SIGHUP: keyspace 'c' added",
      "info SIGHUP: keyspace 'b' is no longer in the file: removed from this node, and from no other",
    ]);
    expect(done).to.deep.equal(['redefine a 2', 'add c 3', 'remove b']);
    present = ['a', 'c'];
    expect(await hangUp(1)).to.deep.equal(['info SIGHUP: gossip.secrets have not changed']);
    expect(done.length).to.equal(3);
  });

  it('a keyspace that cannot be taken over stays as it is, is told of each time, and keeps no other from it', async () => {
    read = async () =>
      configOf(['old'], '', [keyspaceOf('a', 2, 'http'), keyspaceOf('b'), keyspaceOf('bad'), keyspaceOf('d')]);
    const told = [
      "warn SIGHUP: source of keyspace 'a' take effect when the node is started again",
      "error SIGHUP: keyspace 'bad' was not taken over: no such table",
    ];
    expect(await hangUp(5)).to.include.members([...told, "info SIGHUP: keyspace 'd' added"]);
    expect(done).to.deep.equal(['redefine a 2', 'add d 1']);
    present.push('d');
    expect(await hangUp(3)).to.deep.equal(['info SIGHUP: gossip.secrets have not changed', ...told]);
  });

  it('a keyspace that was deleted on all nodes is not brought back by a reading for other reasons', async () => {
    present = ['a'];
    read = async () => configOf(['old']);
    expect((await hangUp(2))[1]).to.match(/^warn SIGHUP: keyspace 'b' is in the file, but was deleted on all nodes/);
    expect(done).to.deep.equal([]);
  });

  it('changes nothing with a config that cannot be used, and says what is wrong', async () => {
    read = () => Promise.reject(new Error('no such file'));
    expect(await hangUp(1)).to.deep.equal([
      'error SIGHUP: the config was not taken over, the node goes on as before: no such file',
    ]);
    expect(applied).to.deep.equal([]);
  });

  it('that comes while it is read has it read once more, not twice at once', async () => {
    let readings = 0;
    let atOnce = 0;
    read = async () => {
      expect(++atOnce).to.equal(1);
      readings++;
      await new Promise(setImmediate);
      atOnce--;
      return configOf(['old']);
    };
    process.emit('SIGHUP');
    process.emit('SIGHUP');
    process.emit('SIGHUP');
    await until('both readings are done', () => logged.length === 2);
    expect(readings).to.equal(2);
  });
});
