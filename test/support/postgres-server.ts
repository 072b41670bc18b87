import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { killed } from './child.js';
import { freePort } from './free-port.js';
import { programPath } from './servers.js';
import { until } from './until.js';

const run = promisify(execFile);

/** PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes. */
async function whoRuns(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((user) => user.startsWith('postgres:'));
  if (line === undefined) throw new Error('there is no user postgres, as whom the server could run');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** A real PostgreSQL server on loopback; it keeps its port and its data when it is killed and started again. */
export class TestPostgresServer {
  readonly #log: string[] = [];
  #marks = 0;
  #child: ChildProcess | undefined;
  #admin: pg.Client | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly user: { readonly uid?: number; readonly gid?: number },
  ) {}

  static async started(): Promise<TestPostgresServer> {
    const user = await whoRuns();
    const folder = await mkdtemp(join(tmpdir(), 'distcache-postgres-'));
    if (user.uid !== undefined) await chown(folder, user.uid, user.gid!);
    const server = new TestPostgresServer(await freePort(), folder, user);
    try {
      const fresh = ['-D', join(folder, 'data'), '-U', 'postgres', '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C'];
      const password = join(folder, 'password');
      await writeFile(password, server.password, { mode: 0o644 });
      const args = [...fresh, `--pwfile=${password}`, '--no-sync', '--no-instructions'];
      await run(programPath('initdb')!, args, { ...user, cwd: folder });
      await server.start();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  readonly password = 's3cret-of-postgres';

  /** With `port`, by another way to the same server. */
  url(port = this.port, host = '127.0.0.1'): string {
    return `postgres://postgres:${this.password}@${host}:${port}/postgres`;
  }

  async start(): Promise<void> {
    const settings = [
      ['port', this.port],
      ['listen_addresses', '127.0.0.1'],
      ['unix_socket_directories', ''],
      ['fsync', 'off'],
      ['log_statement', 'all'],
      ['log_line_prefix', '%a|'],
      ['max_connections', 40],
    ].flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const args = ['-D', join(this.folder, 'data'), ...settings];
    const options = { ...this.user, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] as 'ignore'[] };
    const child = spawn(programPath('postgres')!, args, options);
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#log.push(text));
    await until('postgres takes connections', async () => {
      if (child.exitCode !== null) throw new Error(`postgres ended: ${this.#log.join('')}`);
      const admin = new pg.Client({ connectionString: this.url(), application_name: 'admin' });
      admin.on('error', () => {});
      try {
        await admin.connect();
        this.#admin = admin;
        return true;
      } catch {
        return false;
      }
    });
  }

  /** From now on it takes TLS as well, with a certificate that nobody knows. */
  async takeTls(): Promise<void> {
    const [key, cert] = [join(this.folder, 'data', 'server.key'), join(this.folder, 'data', 'server.crt')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const subject = ['-x509', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    await run(programPath('openssl')!, ['req', ...curve, ...subject, '-keyout', key, '-out', cert], this.user);
    await chmod(key, 0o600);
    await this.sql('alter system set ssl = on');
    await this.sql('select pg_reload_conf()');
    await until('the server takes TLS', async () => (await this.sql('show ssl'))[0]!.ssl === 'on');
  }

  /** As the superuser. */
  async sql(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    const result = await this.#admin!.query(text, [...values]);
    return result.rows ?? [];
  }

  /** Statements that the server was given by nodes and sources under test, in its own words, since the last `forget`. */
  async statements(): Promise<readonly string[]> {
    await this.#readToTheEnd();
    const lines = this.log().replaceAll('\n\t', ' ').split('\n');
    return lines.flatMap((line) => /^distcache\|LOG: {2}(?:execute [^:]+|statement): (.*)$/.exec(line)?.[1] ?? []);
  }

  /** Everything of its log, for a message. */
  log(): string {
    return this.#log.join('');
  }

  /** What was said before is not among the statements any more, also what the log has yet to tell. */
  async forget(): Promise<void> {
    if (this.#child !== undefined) await this.#readToTheEnd();
    this.#log.length = 0;
  }

  /** Connections of nodes and sources under test. */
  async connections(): Promise<number> {
    const [row] = await this.sql(
      "select count(*)::int as n from pg_stat_activity where application_name = 'distcache'",
    );
    return row!.n as number;
  }

  /** What was logged before this returns is there when it does. */
  async #readToTheEnd(): Promise<void> {
    const mark = `select 'mark ${this.#marks++}'`;
    await this.sql(mark);
    await until('the log is read to its end', () => this.log().includes(mark));
  }

  /** As a crash: all its processes go at once, and connections break. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killed(child, 'SIGQUIT');
    await this.#admin?.end().catch(() => {});
    this.#admin = undefined;
  }

  async close(): Promise<void> {
    await this.#admin?.end().catch(() => {});
    this.#admin = undefined;
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
