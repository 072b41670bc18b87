import { expect } from 'chai';
import { namesOf } from '../support/admin-documents.js';
import { FakeAdmin } from '../support/fake-admin.js';
import { key, PseudoTerminal, type TerminalOptions } from '../support/terminal.js';

describe('dash in a pseudo-terminal', function () {
  this.timeout(60_000);
  let admin: FakeAdmin;
  const open: PseudoTerminal[] = [];

  before(async () => {
    admin = await FakeAdmin.start({
      nodes: namesOf('cache', 3).map((name) => ({ name })),
      keyspaces: namesOf('keyspace', 40),
      hotKeys: [
        { keyspace: 'keyspace-01', key: 'user:42', perSecond: 812 },
        { keyspace: 'keyspace-02', key: 'evil\u001b]0;owned\u0007\u001b[2J\u202e', perSecond: 300 },
      ],
      source: (keyspace) => (keyspace === 'keyspace-07' ? { state: 'open', failures: 5, next_probe_ms: 9_100 } : {}),
    });
  });
  after(() => admin.close());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((terminal) => terminal.close()));
  });

  const dash = (args: readonly string[] = [], options: TerminalOptions = {}): PseudoTerminal => {
    const terminal = new PseudoTerminal(
      ['dash', '--admin', admin.urlOf('cache-1'), '--interval', '200ms', ...args],
      options,
    );
    open.push(terminal);
    return terminal;
  };

  it('shows every view, each one key away', async () => {
    const terminal = dash();
    await terminal.shows(
      'NAME',
      'cache-1',
      'cache-2',
      'cache-3',
      '3 alive',
      /requests [\d.]+k?\/s/,
      /hit ratio \d/,
      /█/,
    );
    expect(terminal.isOnOwnScreen).to.equal(true);
    expect(terminal.isCursorHidden).to.equal(true);
    terminal.press('2');
    await terminal.shows('KEYSPACE', 'keyspace-01', '5m', '50%');
    terminal.press('3');
    await terminal.shows('KEY', 'user:42', '81.2%');
    terminal.press('4');
    await terminal.shows('BREAKER', /keyspace-07 +▲ open +5\/5 +10s/, /keyspace-01 +● closed/);
    terminal.press('5');
    await terminal.shows('EVENT', 'listening');
    admin.tell({ time: '2026-01-01T12:34:56.000Z', type: 'peer-failed', told_by: 'cache-1', node: 'cache-9' });
    await terminal.shows(/12:34:56 +▲ peer-failed +cache-9/);
    terminal.press('q');
    expect((await terminal.ended()).code).to.equal(0);
  });

  it('shows keys of whatever bytes as text', async () => {
    const terminal = dash(['--view', 'hotkeys']);
    await terminal.shows('evil\\u001b]0;owned\\u0007\\u001b[2J\\u202e');
    terminal.press(`${key.down}${key.enter}`);
    await terminal.shows('Where it is asked for', 'evil\\u001b');
    expect(terminal.raw).to.not.include('owned\u0007');
  });

  it('keeps what is chosen, the order and the filter over refreshes', async () => {
    const terminal = dash(['--view', 'keyspaces']);
    await terminal.shows('› keyspace-01', '1 of 40');
    terminal.press(key.down.repeat(3));
    await terminal.shows('› keyspace-04', '4 of 40');
    terminal.press('S');
    await terminal.shows('KEYSPACE↓', '› keyspace-04', '37 of 40');
    terminal.press('/1');
    await terminal.shows('filter: 1');
    terminal.press(key.enter);
    await terminal.shows('"1"', /\d+ of 40/);
    const [before] = /data .*/.exec(terminal.text) ?? [];
    await terminal.shows('KEYSPACE↓', '› keyspace-');
    expect(before).to.match(/old/);
    terminal.press(key.escape);
    await terminal.shows(/› keyspace-04/, '37 of 40');
  });

  it('follows the size of the terminal, and says when that is too small', async () => {
    const terminal = dash(['--view', 'keyspaces'], { columns: 120, rows: 40 });
    await terminal.shows('JOINED/S', 'keyspace-20');
    terminal.resize(60, 16);
    await terminal.shows('KEYSPACE', 'quit');
    expect(terminal.text).to.not.include('JOINED/S');
    expect(terminal.lines.at(-1)).to.include('quit');
    expect(terminal.lines[0]).to.include('production');
    terminal.resize(59, 16);
    await terminal.shows('needs 60x16; this terminal has', '59x16');
    terminal.resize(100, 30);
    await terminal.shows('keyspace-10', '1 of 40');
    expect(terminal.lines.at(-1)).to.include('quit');
  });

  it('neither scrolls nor flickers: nothing that stays is ever gone', async () => {
    const terminal = dash([], { rows: 24 });
    await terminal.shows('cache-3', /requests \d/);
    const blanks: string[] = [];
    let pieces = 0;
    terminal.watch((lines) => {
      pieces++;
      if (!lines[0]!.includes('production') || !lines[3]!.includes('1 Nodes') || !lines[23]!.includes('quit')) {
        blanks.push(lines.join('\n'));
      }
    });
    const from = terminal.raw.length;
    for (const view of '2345123451') {
      terminal.press(view);
      await terminal.shows({ 1: 'LAG', 2: 'FILL', 3: 'OWNER', 4: 'BREAKER', 5: 'TOLD BY' }[view]!);
    }
    expect(pieces).to.be.above(5);
    expect(blanks).to.deep.equal([]);
    // Neither the screen nor what lies above it is erased as a whole.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    expect(terminal.raw.slice(from)).to.not.match(/\u001b\[[0-3]?J/);
  });

  it('paints the screen anew on ctrl-l', async () => {
    const terminal = dash();
    await terminal.shows('cache-3', /requests \d/);
    await terminal.scribble('\u001b7\u001b[7;1HBroadcast message from root\u001b8');
    expect(terminal.lines[6]).to.include('Broadcast');
    terminal.press(key.ctrlL);
    await terminal.shows(/cache-1 +● alive/);
    expect(terminal.text).to.not.include('Broadcast');
    expect(terminal.lines.at(-1)).to.include('quit');
  });

  it('pauses and goes on', async () => {
    const terminal = dash();
    await terminal.shows('cache-3', /requests \d/);
    terminal.press('p');
    await terminal.shows('paused', /data [2-9]s old/);
    terminal.press('p');
    await terminal.shows('every 0.2s', /data 0s old/);
    terminal.press('-');
    await terminal.shows('every 0.5s');
  });

  it('tells a node that does not answer from one that does, and its return', async () => {
    const terminal = dash();
    await terminal.shows(/cache-3 +● alive/, /requests \d/);
    await admin.let('cache-3', 'is down');
    await terminal.shows(/cache-3 +▲ unreachable .* [1-9]s/, '1 unreachable', '2 alive', /data 0s old/);
    await admin.let('cache-3', 'answers');
    await terminal.shows(/cache-3 +● alive/, '3 alive');
    // One that accepts and says nothing holds up nobody.
    await admin.let('cache-2', 'hangs');
    await terminal.shows(/cache-2 +▲ unreachable/, /cache-3 +● alive .* now/);
    await admin.let('cache-2', 'answers');
    await terminal.shows('3 alive');
  });

  it('shows how old everything is when nobody answers', async () => {
    const terminal = dash();
    await terminal.shows('3 alive', /requests \d/);
    for (const name of namesOf('cache', 3)) await admin.let(name, 'is down');
    await terminal.shows(/[1-9]s old, no node answers/, '3 unreachable');
    for (const name of namesOf('cache', 3)) await admin.let(name, 'answers');
    await terminal.shows('3 alive', 'data 0s old');
  });

  it('waits for a node that is not there yet', async () => {
    await admin.let('cache-1', 'is down');
    const terminal = dash();
    await terminal.shows('no answer for', 'refused the connection');
    await admin.let('cache-1', 'answers');
    await terminal.shows('3 alive');
  });

  it('changes nothing without --allow-writes', async () => {
    const terminal = dash();
    await terminal.shows('3 alive');
    terminal.press('D');
    await terminal.shows('read-only: to drain the node start the dashboard with --allow-writes');
    expect(admin.writes).to.deep.equal([]);
  });

  it('changes things after a question, where that is allowed', async () => {
    const terminal = dash(['--allow-writes']);
    await terminal.shows('3 alive');
    terminal.press('D');
    await terminal.shows('Drain cache-1?', 'y / n');
    terminal.press('xn');
    await terminal.shows('nothing was changed');
    expect(admin.writes).to.deep.equal([]);
    terminal.press('Dy');
    await terminal.shows('drained cache-1: 12 entries handed over, 0 left');
    terminal.press('2C');
    await terminal.shows('Clear keyspace keyspace-01');
    terminal.press('y');
    await terminal.shows('cleared keyspace-01');
    terminal.press('3X');
    await terminal.shows('Delete key "user:42"');
    terminal.press('y');
    await terminal.shows('deleted "user:42"');
    terminal.press('4B');
    await terminal.shows('Close the breaker of keyspace-07 on cache-1, cache-2, cache-3?');
    terminal.press('y');
    await terminal.shows('closed the breaker of keyspace-07');
    expect(admin.writes.splice(0)).to.deep.equal([
      'POST /drain',
      'POST /keyspaces/keyspace-01/clear',
      'POST /keyspaces/keyspace-01/delete {"key":"user:42"}',
      ...Array(3).fill('POST /breakers/keyspace-07/reset'),
    ]);
  });

  const ways: readonly [string, (terminal: PseudoTerminal) => void, { code?: number; signal?: number }][] = [
    ['q', (terminal) => terminal.press('q'), { code: 0 }],
    ['ctrl-c', (terminal) => terminal.press(key.ctrlC), { code: 130 }],
    ['SIGTERM', (terminal) => terminal.signal('SIGTERM'), { code: 130 }],
    ['SIGINT', (terminal) => terminal.signal('SIGINT'), { code: 130 }],
    ['SIGHUP', (terminal) => terminal.signal('SIGHUP'), { signal: 1 }],
  ];
  it('restores the screen however it ends: q, ctrl-c, a signal', async () => {
    const leave = async ([way, end, expected]: (typeof ways)[number]): Promise<void> => {
      const terminal = dash();
      await terminal.shows('3 alive');
      end(terminal);
      expect(await terminal.ended(), way).to.include(expected);
      expect(terminal.isOnOwnScreen, way).to.equal(false);
      expect(terminal.isCursorHidden, way).to.equal(false);
      expect(terminal.text, way).to.not.include('cache-1');
      if (expected.code === 130) expect(terminal.text, way).to.include('Error: interrupted');
    };
    await Promise.all(ways.map(leave));
  });

  it('restores the screen when it breaks, and says what broke in one line', async () => {
    const breaks = `process.on('SIGUSR2', () => { throw new Error('a fault of our own'); });`;
    const terminal = dash([], { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(breaks)}` } });
    await terminal.shows('3 alive');
    terminal.signal('SIGUSR2');
    expect((await terminal.ended()).code).to.equal(1);
    expect(terminal.isOnOwnScreen).to.equal(false);
    expect(terminal.isCursorHidden).to.equal(false);
    expect(terminal.text.trim()).to.equal('Error: a fault of our own');
  });

  it('says everything without colour, and with colour nothing else', async () => {
    const [plain, coloured] = [dash([], { env: { NO_COLOR: '1' } }), dash()];
    for (const terminal of [plain, coloured]) await terminal.shows('3 alive', /requests \d/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    expect(plain.raw).to.not.match(/\u001b\[(3[0-7]|4[0-7]|9[0-7]|10[0-7])m/);
    expect(plain.looksOf('› cache-1').inverse).to.equal(true);
    expect(plain.looksOf('● alive').coloured).to.equal(false);
    coloured.press(key.down);
    await coloured.shows('› cache-2');
    expect(coloured.looksOf('●').coloured).to.equal(true);
    expect(coloured.looksOf('alive ').coloured).to.equal(false);
  });

  it('draws with plain signs where the locale knows no others', async () => {
    const terminal = dash([], { env: { LANG: 'C' } });
    await terminal.shows('> cache-1', '* alive', /#+\.* +50%/);
    expect(terminal.text).to.match(/^[\n -~]*$/);
  });
});
