import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { checkDiscovery } from '../../../src/doctor/discovery.js';
import { checkMemory, checkNodeVersion, checkOpenFiles } from '../../../src/doctor/machine.js';
import { checkPorts, type Running } from '../../../src/doctor/ports.js';
import { systemClock as clock } from '../../../src/platform/clock.js';
import { availableMemoryBytes, openFilesMax } from '../../../src/platform/machine.js';
import { loaded } from '../config/support.js';
import { expectAdvice, lines } from './support.js';

const config = (text: string) => loaded(text).config;
const ks = (size: string) => config(`keyspaces: { ks: { maxBytes: ${size}, source: { type: none } } }\n`);
const gib = 1024 ** 3;

describe('doctor: the machine', () => {
  it('runs a Node that is tested on', () => {
    expect(checkNodeVersion('24.21.0').result).to.equal('ok');
    expect(checkNodeVersion('22.15.0').result).to.equal('ok');
    expect(checkNodeVersion('27.0.0').result).to.equal('warn');
    expectAdvice([checkNodeVersion('27.0.0')]);
  });

  it('lets as many files be open as connections may come', () => {
    const limits = config('limits: { maxConnections: 1000 }\n');
    expect(checkOpenFiles(1024, limits)).to.include({ result: 'warn' });
    expect(checkOpenFiles(1024, limits).mend).to.contain('LimitNOFILE=1256').and.contain('maxConnections: 768');
    expect(checkOpenFiles(1256, limits).result).to.equal('ok');
    expect(checkOpenFiles(Number.POSITIVE_INFINITY, limits).result).to.equal('ok');
    expect(checkOpenFiles(undefined, limits).result).to.equal('skip');
  });

  it('has the memory that keyspaces may take', () => {
    expect(checkMemory(2 * gib, ks('1GiB')).result).to.equal('ok');
    expect(checkMemory(1.2 * gib, ks('1GiB')).result).to.equal('warn');
    expect(checkMemory(0.5 * gib, ks('1GiB')).result).to.equal('fail');
  });

  it('tells its own facts', () => {
    expect(availableMemoryBytes()).to.be.above(1024 ** 2);
    if (process.platform === 'linux') expect(openFilesMax()).to.be.above(16);
  });
});

describe('doctor: ports', () => {
  it('are free, taken by the node itself, by another node, or by somebody else', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const of = (name: string, running: Running) =>
      checkPorts(config(`name: ${name}\nbind: { port: ${port} }\nadmin: { port: 0 }\n`), '127.0.0.1', running);
    try {
      const [bind, admin] = await of('a', new Map());
      expect(bind).to.include({ check: 'bind.port', result: 'fail' });
      expect(bind!.found).to.contain('already in use');
      expect(admin).to.include({ check: 'admin.port', result: 'ok' });
      const running = new Map([[`127.0.0.1:${port}`, 'a']]);
      expect(lines(await of('a', running))[0]).to.equal(`ok bind.port: 127.0.0.1:${port} is taken by a, which runs`);
      expect((await of('b', running))[0]!.result).to.equal('fail');
      expect((await of('a', undefined))[0]!.result).to.equal('skip');
    } finally {
      taken.close();
      await once(taken, 'close');
    }
    expect((await of('a', new Map()))[0]).to.include({ result: 'ok', found: `127.0.0.1:${port} is free` });
  });

  it('on an address that this machine does not have fail', async () => {
    const [check] = await checkPorts(
      config('bind: { addr: 192.0.2.1, port: 3320 }\nadmin: false\n'),
      '192.0.2.1',
      new Map(),
    );
    expect(check).to.include({ result: 'fail' });
    expect(check!.found).to.contain('no such address');
  });
});

describe('doctor: discovery', () => {
  const seeking = { clock, timeoutMs: 2000, baseDir: '/', gossip: '127.0.0.1:9', signal: new AbortController().signal };
  const of = async (text: string) => {
    const checks = await checkDiscovery(config(text), seeking);
    expectAdvice(checks);
    return checks[0]!;
  };

  it('of a node alone, and of one that waits to be found', async () => {
    expect(await of('label: a\n')).to.include({ result: 'ok' });
    expect((await of('discovery: { provider: static }\n')).found).to.contain('waits to be found');
    expect((await of('discovery: { provider: static, peers: [127.0.0.1:9] }\n')).found).to.contain('waits');
  });

  it('tells who answers and who does not, and fails where a quorum is out of reach', async () => {
    const open = createServer().listen(0, '127.0.0.1');
    await once(open, 'listening');
    const { port } = open.address() as { port: number };
    const shut = createServer().listen(0, '127.0.0.1');
    await once(shut, 'listening');
    const { port: gone } = shut.address() as { port: number };
    shut.close();
    await once(shut, 'close');
    try {
      const text = (...ports: readonly number[]): string =>
        `discovery: { provider: static, peers: [${ports.map((one) => `"127.0.0.1:${one}"`).join(', ')}] }\n`;
      expect(await of(text(port))).to.include({ result: 'ok' });
      const some = await of(text(port, gone));
      expect(some).to.include({ result: 'warn' });
      expect(some.found).to.contain('1 of 2').and.contain(`127.0.0.1:${gone} (connect ECONNREFUSED`);
      expect((await of(`${text(port, gone)}cluster: { minimumPeers: 3 }\n`)).result).to.equal('fail');
      const nats = (one: number): string =>
        `discovery: { provider: nats, nats: { servers: ["nats://127.0.0.1:${one}"], subject: s } }\n`;
      expect((await of(nats(port))).result).to.equal('ok');
      expect((await of(nats(gone))).result).to.equal('fail');
    } finally {
      open.close();
      await once(open, 'close');
    }
  });

  it('that cannot be asked fails with its own words', async () => {
    const check = await of('discovery: { provider: kubernetes, kubernetes: { podLabels: { app: a } } }\n');
    expect(check).to.include({ result: 'fail' });
    expect(check.mend).to.contain('service account');
  });
});
