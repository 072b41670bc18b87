import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frozen, killed } from './child.js';
import { programPath } from './servers.js';
import { until } from './until.js';

/** A real `nats-server` on loopback; it keeps its port when it is killed and started again. */
export class TestNatsServer {
  /** 0 until it was started once. */
  port = 0;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Does not start it. `config` is in the server's own language. */
  static async make(config = ''): Promise<TestNatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'distcache-nats-'));
    await writeFile(join(folder, 'server.conf'), config);
    return new TestNatsServer(folder);
  }

  static async started(config = ''): Promise<TestNatsServer> {
    const server = await TestNatsServer.make(config);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const port = this.port === 0 ? '-1' : String(this.port);
    const args = [
      '-c',
      join(this.#folder, 'server.conf'),
      '-a',
      '127.0.0.1',
      '-p',
      port,
      '--ports_file_dir',
      this.#folder,
    ];
    this.#child = spawn(programPath('nats-server')!, args, { stdio: 'ignore' });
    if (this.port === 0) {
      await until('nats-server tells its port', async () => {
        this.port = await this.#portTold();
        return this.port > 0;
      });
    }
    await until('nats-server greets', () => this.#greets());
  }

  /** As a crash: SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killed(child);
  }

  /** Stops it where it stands; resolves when it does. */
  async freeze(): Promise<void> {
    await frozen(this.#child!, 'nats-server');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #portTold(): Promise<number> {
    const file = (await readdir(this.#folder)).find((name) => name.endsWith('.ports'));
    if (file === undefined) return 0;
    const [url] = /(?:nats|tls):\/\/127\.0\.0\.1:\d+/.exec(await readFile(join(this.#folder, file), 'utf8')) ?? [];
    return url === undefined ? 0 : Number(new URL(url).port);
  }

  async #greets(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      return await new Promise((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('error', () => resolve(false));
        socket.once('close', () => resolve(false));
      });
    } finally {
      socket.destroy();
    }
  }
}

export interface RawMessage {
  readonly subject: string;
  readonly reply: string;
  readonly text: string;
}

/** Speaks the protocol of NATS over a bare socket, so that nothing of what is under test is taken for granted. */
export class RawNats {
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);
  readonly #heard: (message: RawMessage) => void;
  #pongs: (() => void)[] = [];

  private constructor(socket: Socket, heard: (message: RawMessage) => void) {
    this.#socket = socket;
    this.#heard = heard;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', () => {});
  }

  /** Hears one subject; resolves once the server knows that. */
  static async connected(port: number, subject: string, heard: (message: RawMessage) => void): Promise<RawNats> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new RawNats(socket, heard);
    socket.write(`CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\nSUB ${subject} 1\r\n`);
    await client.flush();
    return client;
  }

  publish(subject: string, payload: string | Uint8Array, reply = ''): void {
    const bytes = Buffer.from(payload);
    this.#socket.write(
      Buffer.concat([Buffer.from(`PUB ${subject} ${reply} ${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]),
    );
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.#socket.write('PING\r\n');
    });
  }

  /** True of the socket by which this client speaks. */
  owns(socket: unknown): boolean {
    return socket === this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const end = this.#rest.indexOf('\r\n');
      if (end < 0) return;
      const words = this.#rest.toString('utf8', 0, end).split(' ');
      const isMessage = words[0] === 'MSG';
      const next = isMessage ? end + 2 + Number(words.at(-1)) + 2 : end + 2;
      if (this.#rest.length < next) return;
      const text = isMessage ? this.#rest.toString('utf8', end + 2, next - 2) : '';
      this.#rest = this.#rest.subarray(next);
      if (isMessage) this.#heard({ subject: words[1]!, reply: words.length === 5 ? words[3]! : '', text });
      else if (words[0] === 'PING') this.#socket.write('PONG\r\n');
      else if (words[0] === 'PONG') this.#pongs.shift()?.();
    }
  }
}
