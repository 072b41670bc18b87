import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { PseudoTerminal } from '../support/terminal.js';

describe('demo --dash', function () {
  this.timeout(60_000);

  it('shows its cluster while it is read from, and takes it away when the dashboard is left', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'distcache-demo-dash-'));
    const terminal = new PseudoTerminal(['demo', '--dash', '--nodes', '2'], { env: { TMPDIR: folder } });
    try {
      await terminal.shows('2 alive', 'demo-1', 'demo-2', /requests [1-9]/);
      terminal.press('q');
      expect((await terminal.ended()).code).to.equal(0);
      expect(terminal.isOnOwnScreen).to.equal(false);
      expect(terminal.text).to.include('starting node 2 of 2');
      expect((await readdir(folder)).filter((name) => name.startsWith('distcache'))).to.deep.equal([]);
    } finally {
      await terminal.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('needs a terminal', async () => {
    const { exit, stderr } = await cli(['demo', '--dash']);
    expect(exit).to.equal(2);
    expect(stderr).to.include('--dash needs a terminal');
  });
});
