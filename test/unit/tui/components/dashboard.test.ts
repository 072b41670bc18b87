import { expect } from 'chai';
import { render } from 'ink-testing-library';
import { createElement } from 'react';
import { Dashboard } from '../../../../tui/components/dashboard.js';
import { colourless } from '../../../../tui/components/theme.js';
import { keyNames } from '../../../../tui/hooks/use-keys.js';
import { unicode } from '../../../../tui/model/glyphs.js';
import { startUi } from '../../../../tui/model/ui.js';
import { Session } from '../../../../tui/polling/session.js';
import { namesOf } from '../../../support/admin-documents.js';
import { FakeApi } from '../../../support/fake-admin-api.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { until } from '../../../support/until.js';

const enter = '\r';
const esc = '\u001b';

describe('the dashboard as a component', () => {
  let ended: (() => void)[] = [];
  afterEach(() => {
    for (const end of ended.splice(0)) end();
    ended = [];
  });

  async function open(allowWrites = false) {
    const clock = new FakeClock();
    const api = new FakeApi(clock, {
      nodes: namesOf('cache', 3).map((name) => ({ name })),
      keyspaces: ['users', 'sessions'],
    });
    const session = new Session({ api, clock, seed: api.targetOf('cache-1'), timeoutMs: 1_000, intervalMs: 2_000 });
    const quits: boolean[] = [];
    const screen = render(
      createElement(Dashboard, {
        session,
        start: startUi({ allowWrites, intervalMs: 2_000, view: 'nodes' }),
        size: { columns: 100, rows: 24 },
        theme: colourless,
        glyphs: unicode,
        onQuit: (interrupted: boolean) => quits.push(interrupted),
        onRepaint: () => {},
      }),
    );
    ended.push(() => {
      screen.unmount();
      session.stop();
    });
    // Effects, among them the subscription, run after the first frame.
    await new Promise((resolve) => setImmediate(resolve));
    await session.refresh();
    await clock.advance(1_000);
    await session.refresh();
    const shows = (text: string): Promise<void> =>
      until(text, () => screen.lastFrame()?.includes(text) === true, 5_000);
    return { clock, api, session, screen, shows, quits, press: (keys: string) => screen.stdin.write(keys) };
  }

  it('shows what was seen, and each refresh', async () => {
    const { shows, clock, api, session } = await open();
    await shows('cache-3');
    await shows('requests 564/s');
    api.failing.add('cache-2');
    await clock.advance(1_000);
    await session.refresh();
    await shows('1 unreachable');
  });

  it('moves, opens and goes back by keys', async () => {
    const { shows, press } = await open();
    await shows('› cache-1');
    press('jj');
    await shows('› cache-3');
    press(enter);
    await shows('ring version');
    press(esc);
    await shows('3 of 3');
    press('2/ses');
    await shows('filter: ses');
    press(enter);
    await shows('1 of 2');
  });

  it('says how a write went, whatever else was pressed meanwhile', async () => {
    const { shows, press, api } = await open(true);
    await shows('cache-1');
    press('2C');
    await shows('Clear keyspace sessions');
    press('y');
    await shows('cleared sessions on 3 nodes');
    expect(api.writes).to.deep.equal(['clear sessions at cache-1']);
    api.refusal = 'not allowed';
    press('Cy');
    await shows('not allowed');
  });

  it('quits by q, and by ctrl-c as interrupted', async () => {
    const { press, quits, shows } = await open();
    await shows('cache-1');
    press('q');
    press('\u0003');
    await until('both are heard', () => quits.length === 2, 5_000);
    expect(quits).to.deep.equal([false, true]);
  });
});

describe('names of keys', () => {
  const none = { ctrl: false, meta: false, shift: false, tab: false, escape: false } as Parameters<typeof keyNames>[1];
  const cases: readonly [string, string, object, readonly string[]][] = [
    ['a letter', 'a', {}, ['a']],
    ['letters typed fast', 'jj ', {}, ['j', 'j', 'space']],
    ['an arrow', '', { upArrow: true }, ['up']],
    ['tab', '', { tab: true }, ['tab']],
    ['tab with shift', '', { tab: true, shift: true }, ['shift-tab']],
    ['a letter with control', 'l', { ctrl: true }, ['ctrl-l']],
    ['escape and a key that came with it', '2', { meta: true }, ['escape', '2']],
    ['pasted lines', 'a\nb', {}, ['a', 'enter', 'b']],
    ['a letter of two halves', '🦊', {}, ['🦊']],
  ];
  for (const [name, input, key, expected] of cases) {
    it(`knows ${name}`, () => expect(keyNames(input, { ...none, ...key })).to.deep.equal(expected));
  }
});
