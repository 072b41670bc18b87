import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { environment, script } from './cli.js';
import { until, within } from './until.js';

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface TerminalExit {
  readonly code: number;
  readonly signal: number;
}

/** `distcache ARGS` in a pseudo-terminal, and what an xterm would show of it, cell by cell. */
export class PseudoTerminal {
  readonly #screen: xterm.Terminal;
  readonly #pty: IPty;
  readonly #exited: Promise<TerminalExit>;
  /** Everything that was written to the terminal. */
  raw = '';
  /** The screen was looked at after each piece that came; see `watch`. */
  #onPiece: () => void = () => {};
  exit: TerminalExit | undefined;

  constructor(args: readonly string[], { columns = 100, rows = 30, env = {} }: TerminalOptions = {}) {
    this.#screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 200 });
    this.#pty = spawn(process.execPath, [script, ...args], {
      name: 'xterm-256color',
      cols: columns,
      rows,
      env: settingsOf({ LANG: 'C.UTF-8', TERM: 'xterm-256color', ...env }),
    });
    this.#pty.onData((piece) => {
      this.raw += piece;
      this.#screen.write(piece, () => this.#onPiece());
    });
    // What the terminal is asked (where the cursor is), it answers.
    this.#screen.onData((answer) => this.#pty.write(answer));
    this.#exited = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode, signal }) => {
        this.exit = { code: exitCode, signal: signal ?? 0 };
        resolve(this.exit);
      });
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** The lines of the screen, without blanks at their ends. */
  get lines(): readonly string[] {
    const { active } = this.#screen.buffer;
    return Array.from(
      { length: this.#screen.rows },
      (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? '',
    );
  }

  get text(): string {
    return this.lines.join('\n');
  }

  /** The program has a screen of its own, which goes when it does. */
  get isOnOwnScreen(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  get isCursorHidden(): boolean {
    return this.raw.lastIndexOf('\u001b[?25l') > this.raw.lastIndexOf('\u001b[?25h');
  }

  /** How the first cell of a text on the screen looks. */
  looksOf(text: string): {
    readonly inverse: boolean;
    readonly bold: boolean;
    readonly dim: boolean;
    readonly coloured: boolean;
  } {
    const { active } = this.#screen.buffer;
    for (let y = 0; y < this.#screen.rows; y++) {
      const line = active.getLine(active.baseY + y);
      const x = line?.translateToString(false).indexOf(text) ?? -1;
      const cell = x < 0 ? undefined : line?.getCell(x);
      if (cell === undefined) continue;
      return {
        inverse: cell.isInverse() !== 0,
        bold: cell.isBold() !== 0,
        dim: cell.isDim() !== 0,
        coloured: !cell.isFgDefault() || !cell.isBgDefault(),
      };
    }
    throw new Error(`there is no ${JSON.stringify(text)} on the screen:\n${this.text}`);
  }

  /** Calls `look` with the screen after each piece that comes. */
  watch(look: (lines: readonly string[]) => void): void {
    this.#onPiece = () => look(this.lines);
  }

  /** Something else writes on the same screen. */
  scribble(text: string): Promise<void> {
    return new Promise((resolve) => this.#screen.write(text, resolve));
  }

  press(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** Resolves when the screen holds all of these texts. */
  async shows(...texts: readonly (string | RegExp)[]): Promise<void> {
    const holds = (text: string | RegExp): boolean =>
      typeof text === 'string' ? this.text.includes(text) : text.test(this.text);
    try {
      await until(texts.join(', '), () => texts.every(holds) || this.exit !== undefined, 30_000);
      if (!texts.every(holds)) throw new Error(`it ended with ${JSON.stringify(this.exit)}`);
    } catch (error) {
      throw new Error(`${(error as Error).message}; the screen shows:\n${this.text}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pty.pid, signal);
  }

  /** Waits for the end, and for what was written to be on the screen. */
  async ended(): Promise<TerminalExit> {
    const exit = await within(15_000, 'the end of the program', this.#exited);
    await new Promise<void>((resolve) => this.#screen.write('', resolve));
    return exit;
  }

  /** Ends the program whatever state it is in. */
  async close(): Promise<void> {
    if (this.exit === undefined) this.#pty.kill('SIGKILL');
    await this.#exited;
    this.#screen.dispose();
  }
}

/** Those of the tests, without what would change how things look, and without what is undefined. */
function settingsOf(env: TerminalOptions['env']): Record<string, string> {
  const all = environment({ LC_ALL: undefined, LC_CTYPE: undefined, CI: undefined, COLUMNS: undefined, ...env });
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

export const key = {
  up: '\u001b[A',
  down: '\u001b[B',
  pageDown: '\u001b[6~',
  pageUp: '\u001b[5~',
  end: '\u001b[F',
  enter: '\r',
  escape: '\u001b',
  ctrlC: '\u0003',
  ctrlL: '\u000c',
} as const;
