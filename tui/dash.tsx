import chalk from 'chalk';
import { render, renderToString } from 'ink';
import { DistcacheError } from '../src/base/errors.js';
import type { Clock } from '../src/ports/clock.js';
import { Dashboard } from './components/dashboard.js';
import { Lines } from './components/screen.js';
import { colourless, colours } from './components/theme.js';
import type { Size } from './model/frame.js';
import { glyphsFor } from './model/glyphs.js';
import { jsonOf } from './model/json.js';
import { printedLines } from './model/printed.js';
import { plainText } from './model/text.js';
import { startUi } from './model/ui.js';
import type { ViewName } from './model/view.js';
import { Session, type SessionOptions } from './polling/session.js';

/** As every command says it. */
const interrupted = (): DistcacheError => new DistcacheError('ABORTED', 'interrupted');

export interface DashOptions extends SessionOptions {
  readonly view: ViewName;
  readonly allowWrites: boolean;
  readonly hasColor: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A terminal, and what may go wrong around it. */
export interface DashStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly process: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  readonly signal: AbortSignal;
}

/**
 * The dashboard, for as long as somebody looks at it. Resolves when that person quits; rejects with ABORTED when they press
 * Ctrl-C or `signal` fires, and with whatever broke. The screen is as it was before in every case.
 */
export async function runDashboard(options: DashOptions, streams: DashStreams): Promise<void> {
  const { stdin, stdout, signal } = streams;
  // The sixteen colours; NO_COLOR takes them away and leaves weight and reversal.
  chalk.level = 1;
  const session = new Session(options);
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {});
  const tree = (size: Size) => (
    <Dashboard
      session={session}
      start={startUi(options)}
      size={size}
      theme={options.hasColor ? colours : colourless}
      glyphs={glyphsFor(options.env)}
      onQuit={(byCtrlC) => (byCtrlC ? ended.reject(interrupted()) : ended.resolve())}
      onRepaint={() => repaint()}
    />
  );
  const sizeNow = (): Size => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
  const screen = render(tree(sizeNow()), {
    stdin,
    stdout,
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: false,
    interactive: true,
  });
  const repaint = (): void => {
    screen.clear();
    stdout.write(homeAndErase);
    screen.rerender(tree(sizeNow()));
  };
  // Before Ink's own listener, which draws what there is: the old frame must not be drawn on a screen too small for it.
  const onResize = (): void => screen.rerender(tree(sizeNow()));
  const onAbort = (): void => ended.reject(interrupted());
  const onCrash = (error: unknown): void => ended.reject(error);
  stdout.prependListener('resize', onResize);
  signal.addEventListener('abort', onAbort, { once: true });
  for (const event of crashes) streams.process.on(event, onCrash);
  for (const name of answered) streams.process.on(name, ignore);
  session.start();
  try {
    // Ink ends by itself when a component throws.
    await Promise.race([ended.promise, screen.waitUntilExit()]);
  } finally {
    session.stop();
    screen.unmount();
    for (const event of crashes) streams.process.off(event, onCrash);
    for (const name of answered) streams.process.off(name, ignore);
    signal.removeEventListener('abort', onAbort);
    stdout.off('resize', onResize);
  }
}

const crashes = ['uncaughtException', 'unhandledRejection'] as const;
/**
 * Signals that end the command the way all commands end, by `signal`. Ink ends the process where nobody else listens, and
 * the command's own listener is gone as soon as it was called.
 */
const answered = ['SIGINT', 'SIGTERM'] as const;
const ignore = (): void => {};
const homeAndErase = '\u001b[H\u001b[J';

export interface OnceOptions extends DashOptions {
  /** Width to lay out for. */
  readonly columns: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Rates take two looks. */
const lookAgainMs = 1_000;

/** One frame, or one JSON document, as text. Rejects with the code of the failure when no node answers. */
export async function dashOnce(options: OnceOptions): Promise<string> {
  const { clock, columns, signal, hasColor, env } = options;
  const session = new Session(options);
  try {
    await session.refresh();
    check(session);
    await pause(clock, lookAgainMs, signal);
    await session.refresh();
    const { snapshot, nowMs } = session.seen;
    if (options.json) return `${JSON.stringify(jsonOf(snapshot, nowMs))}\n`;
    const lines = printedLines(snapshot, startUi(options), columns, { glyphs: glyphsFor(env), nowMs });
    if (!hasColor) return lines.map((line) => `${plainText(line).trimEnd()}\n`).join('');
    chalk.level = 1;
    return `${renderToString(<Lines lines={lines} theme={colours} />, { columns })}\n`;
  } finally {
    session.stop();
  }
}

function check(session: Session): void {
  const { failure, dataAtMs } = session.seen.snapshot;
  if (dataAtMs === undefined)
    throw new DistcacheError(failure?.code ?? 'PEER_UNREACHABLE', failure?.message ?? 'no node answers');
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    signal.addEventListener(
      'abort',
      () => {
        cancel();
        reject(interrupted());
      },
      { once: true },
    );
  });
}
