import { Command, Flags } from '@oclif/core';
import type { Client } from '../client/client.js';
import { beforeDashes, wantsJson } from './argv.js';
import { type Connection, type ConnectionFlagValues, connectionOf } from './connection-flags.js';
import { interrupted, usageError } from './failure.js';
import { processTerminal, type Terminal } from './terminal.js';

/**
 * What every command shares. A command implements `execute`: it parses, calls one function, and hands the result to
 * `print`, once. Whatever it throws becomes one line on stderr and an exit code (see failure.ts); it never exits itself.
 *
 * @example
 * export default class Peers extends BaseCommand {
 *   static override summary = 'Show the nodes of the cluster.';
 *   static override examples = ['<%= config.bin %> peers --addr 10.0.0.2:3320'];
 *   static override flags = { ...connectionFlags };
 *   protected async execute(): Promise<void> {
 *     const { flags } = await this.parse(Peers);
 *     const peers = await this.withClient(flags, (client, call) => client.peers(call));
 *     await this.print(peersToJson(peers), renderPeers);
 *   }
 * }
 */
export abstract class BaseCommand extends Command {
  static override baseFlags = {
    json: Flags.boolean({ description: 'Print JSON for scripts: one document on stdout.', helpGroup: 'GLOBAL' }),
  };

  /** Commands that answer SIGINT and SIGTERM themselves (nodes that drain) set this; else the first signal ends them with 130. */
  static readonly ownsSignals: boolean = false;

  protected readonly terminal: Terminal = processTerminal();
  readonly #interrupt = new AbortController();
  readonly #cleanUps: (() => void)[] = [];

  protected abstract execute(): Promise<void>;

  /** Without oclif's second look at the whole configuration that its own `run` takes. */
  static override async run<T extends Command>(
    this: new (
      argv: string[],
      config: Command['config'],
    ) => T,
    argv?: string[],
    config?: Parameters<typeof Command.run>[1],
  ): Promise<ReturnType<T['run']>> {
    if (typeof config !== 'object' || !('runHook' in config))
      throw new TypeError('run() needs the loaded oclif config');
    const command = new this(argv ?? [], config as Command['config']);
    // biome-ignore lint/complexity/useLiteralKeys: only so may a static method reach a protected one of its instance
    return command['_run']<ReturnType<T['run']>>();
  }

  /** oclif looks for deprecated aliases here, over the whole configuration; there are none. */
  protected override async init(): Promise<void> {}

  override async run(): Promise<void> {
    rejectValueOfSwitch(this.argv);
    rejectBrokenText(this.argv);
    if ((this.constructor as typeof BaseCommand).ownsSignals) return this.execute();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const onSignal = (): void => {
      this.#interrupt.abort(interrupted());
      for (const cleanUp of this.#cleanUps) cleanUp();
      reject(interrupted());
    };
    const signals = ['SIGINT', 'SIGTERM'] as const;
    for (const name of signals) process.once(name, onSignal);
    try {
      await Promise.race([this.execute(), ended]);
    } finally {
      for (const name of signals) process.removeListener(name, onSignal);
    }
  }

  /** Errors are told in one place, by main(). */
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  /** Aborts when the user interrupts; pass it to whatever waits. */
  protected get signal(): AbortSignal {
    return this.#interrupt.signal;
  }

  /** `cleanUp` runs when the user interrupts: the process ends without waiting for `execute` to unwind. */
  protected onInterrupt(cleanUp: () => void): void {
    this.#cleanUps.push(cleanUp);
  }

  protected get wantsJson(): boolean {
    return wantsJson(this.argv);
  }

  /** The command's one result: as JSON, or as the text that `render` makes of the same value. */
  protected async print<T>(data: T, render: (data: T) => string): Promise<void> {
    await this.terminal.stdout.write(this.wantsJson ? `${JSON.stringify(data)}\n` : ensureNewline(render(data)));
  }

  /** A line for people beside the data: progress, hints, warnings. */
  protected async note(line: string): Promise<void> {
    await this.terminal.stderr.write(ensureNewline(line));
  }

  /** A line on stderr that is written anew at each step, on a terminal only. Call `end` whatever happened. */
  protected progress(text: (count: number) => string): {
    readonly show: (count: number) => Promise<void>;
    readonly end: () => Promise<void>;
  } {
    const { stderr } = this.terminal;
    let shown = false;
    return {
      show: async (count) => {
        if (!stderr.isTerminal) return;
        shown = true;
        await stderr.write(`\r${text(count)}`);
      },
      end: async () => {
        if (shown) await stderr.write('\n');
      },
    };
  }

  /** Connects, calls `use`, and closes whatever happened. `call` carries the time-out and the interrupt to each request. */
  protected async withClient<T>(
    flags: ConnectionFlagValues,
    use: (client: Client, call: { readonly signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const connection: Connection = await connectionOf(flags);
    const { connect } = await import('../client/client.js');
    const client = connect(connection);
    try {
      return await use(client, { signal: this.signal });
    } finally {
      await client.close();
    }
  }
}

const ensureNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** `--json=false` would otherwise leave `false` behind as an argument, and so as a key. */
function rejectValueOfSwitch(argv: readonly string[]): void {
  const given = beforeDashes(argv).find((word) => word.startsWith('--json='));
  if (given !== undefined) throw usageError(`${given}: --json takes no value; write --json or leave it out`);
}

/** What stands in an argument in place of bytes that are no UTF-8, which Node does not hand on. */
const replacement = '\ufffd';

/** Different bytes would otherwise become one and the same key or value. */
function rejectBrokenText(argv: readonly string[]): void {
  const broken = argv.find((word) => word.includes(replacement));
  if (broken === undefined) return;
  throw usageError(
    `${JSON.stringify(broken)} holds bytes that are not UTF-8, or U+FFFD, which stands for them; give a value with --file or on stdin, and keys with U+FFFD on stdin`,
  );
}
