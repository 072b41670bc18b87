import { expect } from 'chai';
import { reloadOnSignal } from '../../../src/cli/reload.js';
import type { NodeConfig } from '../../../src/config/node-config.js';
import { until } from '../../support/until.js';

const configOf = (secrets: readonly string[], label = ''): NodeConfig =>
  ({ label, gossip: { port: 1, secrets } }) as unknown as NodeConfig;

describe('cli: SIGHUP', () => {
  const logged: string[] = [];
  const applied: (readonly string[])[] = [];
  let read: () => Promise<NodeConfig>;
  let cancel: () => void;

  beforeEach(() => {
    logged.length = 0;
    applied.length = 0;
    cancel = reloadOnSignal({
      engine: { setGossipSecrets: (secrets) => void applied.push(secrets) },
      config: configOf(['old']),
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

  it('names what takes effect at the next start only, every time', async () => {
    read = async () => configOf(['new'], 'prod');
    const later = 'warn SIGHUP: changes of label take effect when the node is started again';
    expect(await hangUp(2)).to.deep.equal(['info SIGHUP: gossip.secrets changed', later]);
    expect(await hangUp(2)).to.deep.equal(['info SIGHUP: gossip.secrets have not changed', later]);
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
