import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { codeOf } from '../../src/base/errors.js';
import { createHttp } from '../../src/connectors/http.js';
import { RowReader } from '../../src/connectors/postgres-rows.js';
import { createRedis } from '../../src/connectors/redis.js';
import type { DataSource, FetchResult } from '../../src/ports/data-source.js';
import { Answers } from '../../src/source/answers.js';
import { contextOf } from '../unit/connectors/harness.js';
import type { Parser } from './fuzzer.js';

/* What data sources answer: a server may be wrong, broken or somebody else's. */

const maxValueBytes = 1024;
const context = contextOf({ maxValueBytes, readTimeoutMs: 2_000 });
const wrong = ['DATA_SOURCE_FAILED', 'VALUE_TOO_LARGE', 'TIMEOUT', 'ABORTED', 'NOT_FOUND'];
const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const clock = { wallMs: () => 1_700_000_000_000 };

/** What a source hands on is checked as the engine does it: a value within bounds, none, or one typed error. */
async function judged(fetch: () => FetchResult | Promise<FetchResult>): Promise<void> {
  try {
    const answer = new Answers(clock, 'ks').of(await fetch(), maxValueBytes);
    if (answer.is !== 'value') return;
    if (answer.value.byteLength > maxValueBytes) throw new Error('a value beyond maxValueBytes');
    if (Number.isNaN(answer.ttlMs ?? 0) || (answer.ttlMs ?? 0) < 0) throw new Error(`ttlMs is ${answer.ttlMs}`);
  } catch (error) {
    if (!wrong.includes(codeOf(error) ?? '')) throw error;
  }
}

/** A server that says the same to whoever connects. */
class Sayer {
  bytes: Uint8Array = new Uint8Array();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      socket.once('data', () => socket.end(this.bytes));
    });
  }

  static async open(): Promise<Sayer> {
    const sayer = new Sayer();
    sayer.#server.listen(0, '127.0.0.1');
    await once(sayer.#server, 'listening');
    return sayer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A source that asks such a server, made anew for each input, so that no answer is taken for another's. */
function served(
  name: string,
  sayer: Sayer,
  make: (port: number) => DataSource,
  more: Pick<Parser, 'sound' | 'words'>,
): Parser {
  return {
    name,
    ...more,
    dear: true,
    async read(bytes) {
      sayer.bytes = bytes;
      const source = make(sayer.port);
      try {
        await judged(() => source.fetch('key', { signal: AbortSignal.timeout(1_000) }));
      } finally {
        await source.close?.();
      }
    },
    close: () => sayer.close(),
  };
}

const http = (sayer: Sayer): Parser =>
  served('source-http', sayer, (port) => createHttp({ type: 'http', url: `http://127.0.0.1:${port}/{key}` }, context), {
    sound: (random) => {
      const body = random.pick(['', 'bonjour', 'x'.repeat(1_023), 'x'.repeat(5_000)]);
      const head = random.pick(['200 OK', '204 No Content', '404 Not Found', '302 Found', '500 Oops', '100 Continue']);
      const headers = [
        `content-length: ${body.length}`,
        'transfer-encoding: chunked',
        'cache-control: max-age=60, s-maxage="5"',
        'expires: Thu, 01 Dec 1994 16:00:00 GMT',
        'location: http://127.0.0.1:1/x',
        'age: 7',
      ];
      const said = random.shuffled(headers).slice(0, random.below(4));
      return utf8(`HTTP/1.1 ${head}\r\n${said.map((line) => `${line}\r\n`).join('')}\r\n${body}`);
    },
    words: [
      '\r\n',
      '\r\n\r\n',
      'content-length: ',
      '-1',
      '99999999999',
      'location: ',
      '//',
      'file:///etc/passwd',
      '\u0000',
      'ffffffff\r\n',
    ],
  });

const redis = (sayer: Sayer): Parser =>
  served('source-redis', sayer, (port) => createRedis({ type: 'redis', url: `redis://127.0.0.1:${port}` }, context), {
    sound: (random) =>
      utf8(
        random.pick(['+OK\r\n', '']) +
          random.pick([':-1\r\n', ':60000\r\n', ':-2\r\n']) +
          random.pick(['$5\r\nhello\r\n', '$-1\r\n', '-WRONGTYPE x\r\n', '*1\r\n$1\r\na\r\n']),
      ),
    words: [
      '\r\n',
      '$',
      '*',
      ':',
      '+',
      '-',
      '$-1\r\n',
      '*-1\r\n',
      '$999999999999\r\n',
      '*999999999\r\n',
      '_\r\n',
      '#t\r\n',
      '%1\r\n',
    ],
  });

const types = Object.values(pg.types.builtins).filter((type) => typeof type === 'number');

/** Rows as the driver hands them over, told as JSON. */
const postgres: Parser = {
  name: 'source-postgres',
  sound: (random) => {
    const names = ['value', 'version', 'ttl', 'other', '__proto__', 'a"b'];
    const columns = Array.from({ length: random.between(1, 4) }, () => ({
      name: random.pick(names),
      dataTypeID: random.pick(types),
    }));
    const cells = [
      null,
      '',
      't',
      '1',
      '-1',
      '1e400',
      'NaN',
      'infinity',
      '\\x00ff',
      '\\xzz',
      '{"a":1}',
      '00:00:05',
      '1 year -2 days',
      '2024-01-01 00:00:00+00',
      '99999-01-01 00:00:00',
    ];
    const definition = {
      ...(random.chance(0.4) && { versionColumn: random.pick(names) }),
      ...(random.chance(0.4) && { ttlColumn: random.pick(names) }),
    };
    return utf8(JSON.stringify({ columns, row: columns.map(() => random.pick(cells)), definition }));
  },
  words: ['null', '\\\\x', '-', '"', '1e999', 'infinity', ':', '00'],
  async read(bytes) {
    let told: { columns: { name: string; dataTypeID: number }[]; row: (string | null)[]; definition: object };
    try {
      told = Object(JSON.parse(Buffer.from(bytes).toString()));
    } catch {
      return;
    }
    const { columns, row, definition } = told;
    const isRow = Array.isArray(row) && row.every((cell) => cell === null || typeof cell === 'string');
    const isTable =
      Array.isArray(columns) &&
      columns.every((column) => typeof column?.name === 'string' && typeof column.dataTypeID === 'number');
    if (!isRow || !isTable) return;
    const query = { type: 'postgres', url: 'postgres://x', query: 'select $1', ...definition } as const;
    await judged(() => new RowReader(columns, query, context).read(row));
  },
};

/** Whatever a module's function may return, told as JSON; a number in `$` stands for what JSON has no words for. */
const modules: Parser = {
  name: 'source-module',
  sound: (random) =>
    utf8(
      JSON.stringify(
        random.pick([
          'text',
          null,
          7,
          [],
          { value: 'x', ttlMs: random.pick([0, -1, 1e300, 'soon', null]) },
          { value: { $: random.below(8) }, version: random.pick([1, -1, 'a', null]) },
          { value: 'x', expiresAt: { $: random.below(8) } },
          { $: random.below(8) },
        ]),
      ),
    ),
  words: ['{"$":0}', '{"$":3}', 'null', '"value":', '1e999', '[', '{"value":'],
  async read(bytes) {
    const strange: readonly unknown[] = [
      undefined,
      new Uint8Array(4),
      new Uint8Array(5_000),
      new Date(Number.NaN),
      Symbol('s'),
      () => 1,
      new Proxy(
        {},
        {
          get: (_, name) => {
            // It is no promise, and looks like a value until it is looked at.
            if (name === 'then') return undefined;
            throw new Error('got at');
          },
        },
      ),
      new Date(1_800_000_000_000),
    ];
    let result: unknown;
    try {
      result = JSON.parse(Buffer.from(bytes).toString(), (_, value) =>
        typeof value?.$ === 'number' ? strange[value.$ % 8] : value,
      );
    } catch {
      return;
    }
    await judged(() => result as FetchResult);
  },
};

export const sourceParsers = async (): Promise<readonly Parser[]> => [
  http(await Sayer.open()),
  redis(await Sayer.open()),
  postgres,
  modules,
];
