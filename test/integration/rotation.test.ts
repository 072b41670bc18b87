import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Issued } from '../../src/certificates/issue.js';
import { type Client, type ConnectOptions, connect } from '../../src/client/client.js';
import { TestAuthority } from '../support/issued.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { pause, until, within } from '../support/until.js';

/*
 * A cluster on mutual TLS with tokens and encrypted gossip, in which everything that is secret is replaced under load, one
 * node at a time: the authority, certificates and keys, tokens, and the secret of gossip and links. In three rounds, as an
 * operator does it: old and new are believed; the new are shown; the old are believed no more.
 */

/** What one node, or all clients, go by at a time. */
interface Secrets {
  readonly authorities: readonly TestAuthority[];
  /** Whose certificate is shown. */
  readonly own: TestAuthority;
  /** By name. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly gossip: readonly string[];
}

const token = (): string => randomBytes(24).toString('hex');
const secret = (): string => randomBytes(32).toString('base64');
const text = new TextEncoder();
const fromSource = 'of the source';

describe('integration: everything secret is replaced under load', function () {
  this.timeout(180_000);
  let nodes: RealNodes;
  const load: Load[] = [];
  beforeEach(async () => {
    nodes = await RealNodes.open();
    await nodes.file('source.mjs', `export default { fetch: () => '${fromSource}' };\n`);
  });
  afterEach(async () => {
    await Promise.all(load.splice(0).map((one) => one.end()));
    await nodes.close();
  });

  const pathOf = (node: string, file: string): string => join(nodes.folder, `${node}-${file}`);

  /** Certificates and tokens of a node, each in a file of its own. */
  async function writeFiles(node: string, secrets: Secrets): Promise<void> {
    const { cert, key } = await secrets.own.node(node);
    await writeFile(pathOf(node, 'ca.pem'), secrets.authorities.map(({ ca }) => ca.cert).join(''));
    await writeFile(pathOf(node, 'cert.pem'), cert);
    // The node may look between the two, and goes on as before then.
    await writeFile(pathOf(node, 'key.pem'), key);
    for (const [name, told] of Object.entries(secrets.tokens)) await writeFile(pathOf(node, name), `${told}\n`);
  }

  async function writeConfig(node: string, secrets: Secrets): Promise<string> {
    const tokens = Object.keys(secrets.tokens).map((name) => ({
      name,
      tokenFile: `${node}-${name}`,
      allow: ['read', 'write'],
    }));
    const config = {
      admin: { tls: true },
      tls: { ca: `${node}-ca.pem`, cert: `${node}-cert.pem`, key: `${node}-key.pem` },
      auth: { tokens },
      gossip: { secrets: secrets.gossip, profile: 'local' },
      keyspaces: { ks: { maxBytes: '16MiB', source: { type: 'module', path: 'source.mjs' } } },
    };
    return nodes.file(`${node}.yaml`, JSON.stringify(config));
  }

  async function start(name: string, peers: readonly RealNode[], secrets: Secrets): Promise<RealNode> {
    await writeFiles(name, secrets);
    const config = await writeConfig(name, secrets);
    return nodes.start({ name, peers, admin: '127.0.0.1:0', args: ['--config', config] });
  }

  const said = (node: RealNode, words: string): number => node.log().filter(({ msg }) => msg.includes(words)).length;

  /** By a signal; or certificates by their files alone, before it. */
  async function give(node: RealNode, secrets: Secrets, by: 'files' | 'signal'): Promise<void> {
    const name = node.options.name!;
    const before = { files: said(node, 'certificates changed'), secrets: said(node, 'gossip.secrets changed') };
    await writeFiles(name, secrets);
    if (by === 'files') await until('the files were noticed', () => said(node, 'certificates changed') > before.files);
    await writeConfig(name, secrets);
    node.signal('SIGHUP');
    await until('the signal was heard', () => said(node, 'gossip.secrets changed') > before.secrets);
    await until('the certificates were read', () => said(node, 'certificates changed') > before.files);
  }

  it('one node at a time, and no request fails', async () => {
    const [old, fresh] = [await TestAuthority.create('old'), await TestAuthority.create('new')];
    const [oldToken, newToken] = [token(), token()];
    const [oldSecret, newSecret] = [secret(), secret()];
    const before: Secrets = { authorities: [old], own: old, tokens: { old: oldToken }, gossip: [oldSecret] };
    const both: Secrets = {
      authorities: [old, fresh],
      own: old,
      tokens: { old: oldToken, new: newToken },
      gossip: [oldSecret, newSecret],
    };
    const shown: Secrets = { ...both, own: fresh, gossip: [newSecret, oldSecret] };
    const after: Secrets = { authorities: [fresh], own: fresh, tokens: { new: newToken }, gossip: [newSecret] };

    const cluster: RealNode[] = [];
    for (const name of ['a', 'b', 'c']) cluster.push(await start(name, [...cluster], before));
    const clients = new Clients([old], await old.client(), oldToken);
    await nodes.linked(cluster, 3, clients.options);
    for (let index = 0; index < 4; index++) load.push(new Load(index, cluster, clients));
    await Promise.all(load.map((one) => one.moved(5)));

    /** Every node in turn, the load going on between two of them and after. */
    const rotate = async (
      secrets: Secrets,
      by: 'files' | 'signal',
      between = async (): Promise<void> => {},
    ): Promise<void> => {
      for (const [index, node] of cluster.entries()) {
        await give(node, secrets, by);
        await Promise.all(load.map((one) => one.moved(3)));
        if (index === 0) await between();
      }
    };
    await rotate(both, 'signal');
    clients.use([old, fresh], await fresh.client(), newToken);
    await rotate(shown, 'files', async () => {
      // New links between nodes that are at different steps, in both directions.
      const guest = await start('guest', cluster, shown);
      await nodes.linked([...cluster, guest], 4, clients.options);
      guest.signal('SIGTERM');
      await guest.exited;
    });
    await nodes.linked(cluster, 3, clients.options);
    clients.use([fresh], await fresh.client(), newToken);
    await rotate(after, 'signal');
    await Promise.all(load.map((one) => one.moved(5)));
    await Promise.all(load.map((one) => one.end()));

    expect(load.flatMap(({ failures }) => failures)).to.deep.equal([]);
    for (const node of cluster) expect(said(node, 'peer failed'), node.stderr).to.equal(0);
    const requests = load.reduce((sum, one) => sum + one.requests, 0);
    expect(requests).to.be.above(200);
    expect(load.reduce((sum, one) => sum + one.lost, 0)).to.be.below(requests / 30);

    // The old are worth nothing any more: to clients, and to nodes.
    const told = async (how: Clients): Promise<string> => {
      const client = nodes.client([cluster[0]!], how.options);
      return client.get('ks', 'some').then(
        () => 'let in',
        ({ code }) => code,
      );
    };
    expect(await told(new Clients([fresh], await fresh.client(), newToken))).to.equal('let in');
    expect(await told(new Clients([fresh], await fresh.client(), oldToken))).to.equal('UNAUTHORIZED');
    expect(await told(new Clients([fresh], await old.client(), newToken))).to.equal('UNAUTHORIZED');
    const late = await start('late', cluster, before);
    await nodes.linked([late], 1, new Clients([old], await old.client(), oldToken).options);
    await nodes.linked(cluster, 3, clients.options);
  });
});

/** What clients show and believe; asked for by each new connection, and the token by each call. */
class Clients {
  constructor(
    private authorities: readonly TestAuthority[],
    private issued: Issued,
    public token: string,
  ) {}

  use(authorities: readonly TestAuthority[], issued: Issued, shownToken: string): void {
    this.authorities = authorities;
    this.issued = issued;
    this.token = shownToken;
  }

  get tls() {
    return {
      ca: this.authorities.map(({ ca }) => ca.cert).join(''),
      cert: this.issued.cert,
      key: this.issued.key,
    };
  }

  readonly options: Omit<ConnectOptions, 'addresses'> = {
    timeoutMs: 20_000,
    tls: () => this.tls,
    token: () => this.token,
  };
}

/** Writes, reads back on another node, and asks the admin endpoints: over a connection that lasts, or over a new one each time. */
class Load {
  readonly failures: string[] = [];
  requests = 0;
  /** Values that were written and came from the source all the same. */
  lost = 0;
  readonly #own: Client | undefined;
  readonly #nodes: readonly RealNode[];
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(
    private readonly index: number,
    nodes: readonly RealNode[],
    private readonly clients: Clients,
  ) {
    this.#nodes = [...nodes];
    this.#own = index % 2 === 0 ? connect({ addresses: this.#addresses(), ...clients.options }) : undefined;
    this.#running = this.#run();
  }

  /** Resolves when so many more rounds are over. */
  async moved(rounds: number): Promise<void> {
    const goal = this.requests + 3 * rounds;
    await until(`load ${this.index} goes on`, () => this.requests >= goal, 60_000);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await within(60_000, 'the end of the load', this.#running);
    await this.#own?.close();
  }

  /** Each load begins with another node. */
  #addresses(turn = this.index): readonly string[] {
    return this.#nodes.map((_, place) => this.#nodes[(place + turn) % this.#nodes.length]!.grpc);
  }

  async #run(): Promise<void> {
    for (let round = 0; !this.#isOver; round++) {
      const key = `${this.index}/${round % 50}`;
      const client = this.#own ?? connect({ addresses: this.#addresses(round), ...this.clients.options });
      try {
        await client.put('ks', { key, value: text.encode(String(round)) });
        this.requests++;
        const { value } = await client.get('ks', key);
        const got = Buffer.from(value).toString();
        // A cache may lose an entry while owners change; what it answers then is the source's, never an older value.
        if (got !== String(round) && got !== fromSource) throw new Error(`${key} is ${got} in round ${round}`);
        if (got === fromSource) this.lost++;
        this.requests++;
        await this.#askAdmin(this.#nodes[round % this.#nodes.length]!);
        this.requests++;
      } catch (error) {
        this.failures.push(`round ${round}: ${error}`);
        this.requests += 3;
      } finally {
        if (client !== this.#own) await client.close();
      }
      await pause(50);
    }
  }

  #askAdmin(node: RealNode): Promise<void> {
    const headers = { authorization: `Bearer ${this.clients.token}` };
    const url = `https://${node.admin}/_distcache/admin/node`;
    return new Promise((resolve, reject) => {
      const asked = request(url, { ...this.clients.tls, headers, agent: false, timeout: 20_000 }, (response) => {
        response.resume().on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`the admin endpoints of ${node.options.name} answered ${response.statusCode}`));
        });
      });
      asked.on('error', reject).on('timeout', () => asked.destroy(new Error('timed out')));
      asked.end();
    });
  }
}
