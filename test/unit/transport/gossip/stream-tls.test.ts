import { connect as tlsConnect } from 'node:tls';
import { expect } from 'chai';
import type { GossipTransportOptions } from '../../../../src/transport/gossip/options.js';
import type { ServerTls } from '../../../../src/transport/tls.js';
import { stateOf } from '../../../contract/gossip-transport.contract.js';
import { loopback } from '../../../support/gossip-sockets.js';
import { TestAuthority } from '../../../support/issued.js';
import { until } from '../../../support/until.js';
import { gone, Peers, plainStreams, type RealNode, readAll } from './peers.js';

const nodeName = 'distcache-node';
type Issued = Awaited<ReturnType<TestAuthority['node']>>;

describe('gossip transport: streams over TLS', () => {
  let peers: Peers;
  let authority: TestAuthority;
  let other: TestAuthority;
  before(async () => {
    [authority, other] = await Promise.all([TestAuthority.create(), TestAuthority.create('another CA')]);
  });
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(async () => {
    await peers.close();
    expect(peers.clock.pending, 'timers left').to.equal(0);
  });

  const filesOf = (
    { cert, key }: Issued,
    ca = authority.ca.cert,
    clientAuth: ServerTls['clientAuth'] = 'require',
  ): ServerTls => ({ ca, cert, key, clientAuth });
  const open = async (
    files: ServerTls | (() => ServerTls),
    options: Partial<GossipTransportOptions> = {},
  ): Promise<RealNode> =>
    peers.open({ tls: { files: typeof files === 'function' ? files : () => files, nodeName }, ...options });
  const good = async (clientAuth?: ServerTls['clientAuth']): Promise<ServerTls> =>
    filesOf(await authority.node(), undefined, clientAuth);

  /** What came of an exchange: '' or why there is none. */
  const outcome = async (from: RealNode, to: RealNode): Promise<string> => {
    from.arrivals.length = 0;
    from.exchange(to.endpoint, 1);
    await until('the outcome', () => from.arrivals.length === 1);
    return from.of('exchangeFailed')[0]?.problem.replace(/^[^ ]+: /, '') ?? '';
  };
  const logged = (node: RealNode): string => node.lines.all.map(({ message }) => message).join('\n');

  for (const clientAuth of ['none', 'request', 'require'] as const) {
    it(`two nodes of one authority exchange their states, clientAuth: ${clientAuth}`, async () => {
      const [a, b] = [await open(await good(clientAuth)), (await open(await good(clientAuth))).answering()];
      expect(await outcome(a, b)).to.equal('');
      expect(a.of('exchanged')[0]?.state.nodes.map(({ name }) => name)).to.deep.equal(['answerer']);
      expect(b.count('gossip_streams_accepted')).to.equal(1);
    });
  }

  const strangers: readonly (readonly [string, () => Promise<ServerTls | undefined>, RegExp, RegExp])[] = [
    [
      'a certificate of another authority',
      async () => filesOf(await other.node()),
      /does not trust the authority|refuses the certificate|may not trust|broke|closed the connection/,
      /its certificate is not from an authority in tls\.ca|it broke off/,
    ],
    [
      'one that has expired',
      async () => filesOf(await authority.expired()),
      /expired|may not trust|closed the connection/,
      /its certificate has expired/,
    ],
    [
      "a client's",
      async () => filesOf(await authority.client()),
      /closed the connection|refuses the certificate/,
      /its certificate is not one of distcache-node, which nodes bear/,
    ],
    [
      'no TLS',
      async () => undefined,
      /closed the connection|speaks TLS/,
      /it does not speak TLS, which this node does/,
    ],
  ];
  for (const [what, filesOfStranger, told, log] of strangers) {
    it(`a node refuses who comes with ${what}, and says why; so does who dials`, async () => {
      const node = (await open(await good())).answering();
      const files = await filesOfStranger();
      const stranger = files === undefined ? await peers.open() : await open(files);
      expect(await outcome(stranger, node)).to.match(told);
      await until('it is refused', () => node.count('gossip_streams_refused') === 1);
      expect(logged(node)).to.match(log);
      expect(node.count('gossip_streams_accepted')).to.equal(0);
      expect(node.of('exchangeAsked')).to.deep.equal([]);
    });
  }

  it('who dials sends nothing to a node that another authority vouches for, nor to one without TLS', async () => {
    const node = await open(await good());
    const alien = (await open(filesOf(await other.node(), other.ca.cert))).answering();
    expect(await outcome(node, alien)).to.match(/its certificate is not from an authority that is trusted here/);
    const seen: Buffer[] = [];
    const plain = await peers.serve((socket) => {
      socket.on('data', (piece) => seen.push(piece));
      socket.end('no TLS');
    });
    node.arrivals.length = 0;
    node.exchange(plain, 2);
    await until('the outcome', () => node.arrivals.length === 1);
    expect(node.of('exchangeFailed')[0]?.problem).to.match(
      /does not speak TLS there; give both nodes tls, or both gossip\.tls: false/,
    );
    expect(Buffer.concat(seen).includes(Buffer.from('dialler'))).to.equal(false);
  });

  it('speaks TLS 1.3, and none below 1.2', async () => {
    const files = await good();
    const node = await open(files);
    const greet = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string> =>
      new Promise((resolve) => {
        const { ca, cert, key } = files;
        const secure = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
        const socket = tlsConnect({ host: loopback, port: node.port, ca, cert, key, servername: nodeName, ...secure });
        socket.once('error', () => resolve('refused'));
        socket.once('secureConnect', () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
      });
    expect([await greet('TLSv1.1'), await greet('TLSv1.2'), await greet('TLSv1.3')]).to.deep.equal([
      'refused',
      'TLSv1.2',
      'TLSv1.3',
    ]);
  });

  it('takes other certificates for streams from then on', async () => {
    let files = await good();
    const [a, b] = [await open(() => files), (await open(() => files)).answering()];
    expect(await outcome(a, b)).to.equal('');
    files = filesOf(await other.node(), other.ca.cert);
    expect(await outcome(a, b), 'who dials has them at once').to.not.equal('');
    b.transport.renewTls();
    expect(await outcome(a, b)).to.equal('');
  });

  it('holds so many connections and no more, and ends those that never greet', async () => {
    const node = await open(await good(), { limits: { streamsInMax: 3, streamTimeoutMs: 1000 } });
    const idle = Array.from({ length: 3 }, () => peers.dial(node.port));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const ends = idle.map(gone);
    await gone(peers.dial(node.port));
    expect(node.count('gossip_streams_refused')).to.equal(1);
    await Promise.all(ends);
    expect(node.count('gossip_streams_refused')).to.equal(4);
    expect(node.count('gossip_streams_accepted')).to.equal(0);
  });

  it('reads nothing of who speaks in the clear', async () => {
    const node = (await open(await good())).answering();
    const socket = peers.dial(node.port);
    socket.write(plainStreams.write(stateOf('plain'), 'dialler'));
    const answer = await readAll(socket);
    expect(answer.includes(Buffer.from('answerer'))).to.equal(false);
    expect(node.of('exchangeAsked')).to.deep.equal([]);
  });

  it('closes though handshakes are under way', async () => {
    const node = await open(await good());
    const socket = peers.dial(node.port);
    await new Promise((resolve) => socket.once('connect', resolve));
    const end = gone(socket);
    await node.transport.close();
    await end;
  });
});
