import { type ReactNode, useCallback, useRef, useState } from 'react';
import { useKeys } from '../hooks/use-keys.js';
import { useSeen } from '../hooks/use-seen.js';
import { frameOf, type Size } from '../model/frame.js';
import type { Glyphs } from '../model/glyphs.js';
import { type Effect, type KeyName, press } from '../model/keys.js';
import type { Ui } from '../model/ui.js';
import type { Session } from '../polling/session.js';
import { Screen } from './screen.js';
import type { Theme } from './theme.js';

export interface DashboardProps {
  readonly session: Session;
  readonly start: Ui;
  readonly size: Size;
  readonly theme: Theme;
  readonly glyphs: Glyphs;
  readonly onQuit: (interrupted: boolean) => void;
  readonly onRepaint: () => void;
}

/** The root: what was seen and what was set make the frame, and keys change what was set. */
export function Dashboard({ session, start, size, theme, glyphs, onQuit, onRepaint }: DashboardProps): ReactNode {
  const { snapshot, nowMs } = useSeen(session);
  const [ui, setUi] = useState(start);
  // Several keys may come before the next render; each builds on the one before.
  const latest = useRef(ui);
  const change = useCallback((next: Ui): void => {
    latest.current = next;
    setUi(next);
  }, []);
  const look = { glyphs, nowMs };

  /** Never rejects: what is asked of nodes ends in a message. */
  const run = async (effect: Effect): Promise<void> => {
    if (effect.do === 'quit') onQuit(effect.interrupted);
    if (effect.do === 'repaint') onRepaint();
    if (effect.do === 'act') change({ ...latest.current, message: await session.act(effect.action) });
    if (effect.do === 'act' || effect.do === 'refresh') await session.refresh();
  };
  useKeys((key: KeyName) => {
    const before = latest.current;
    const { pageRows, topMax } = frameOf(snapshot, before, size, look);
    const pressed = press(before, key, { snapshot, pageRows, topMax });
    change(pressed.ui);
    if (pressed.ui.paused !== before.paused) pressed.ui.paused ? session.pause() : session.resume();
    session.pace(pressed.ui.intervalMs);
    if (pressed.effect !== undefined) void run(pressed.effect);
  });
  return <Screen frame={frameOf(snapshot, ui, size, look)} size={size} theme={theme} />;
}
