import { z } from 'zod';
import { leaf, section } from './leaf.js';
import { defaults, gossipTransports, profiles, providers, ranges } from './ranges.js';
import * as scalar from './scalars.js';

/** The sections `gossip` and `discovery`: how nodes find each other. */

const timeout = () => scalar.duration(ranges.timeoutMs);
const list = <T extends z.ZodType>(doc: string, element: T) =>
  z.array(element).max(ranges.listLengthMax).meta({ description: doc });
const secret = (what: string) => scalar.text(what, { isSecret: true });
const path = scalar.text('a path');

export const gossip = () =>
  section('How nodes tell each other who is there.', {
    port: leaf(scalar.port(), {
      doc: 'UDP and TCP port; 0 takes a free one. Written without a provider, it makes a node that waits for others.',
      standard: defaults.gossipPort,
    }).optional(),
    profile: leaf(scalar.oneOf(profiles), {
      doc: 'Timing: of one data centre, of one machine, or of the open internet. The same on all nodes.',
      standard: defaults.profile,
    }).optional(),
    transport: leaf(scalar.oneOf(gossipTransports), {
      doc: 'How packets travel; tcp takes 25s to notice a crash, udp 5s. The same on all nodes.',
      standard: defaults.gossipTransport,
    }).optional(),
    tls: leaf(scalar.flag, {
      doc: "Streams over the node's own tls, where it has one and transport is udp; false for pools with plain peers.",
      standard: true,
    }).optional(),
    secrets: list(
      'Keys: the first encrypts, all decrypt. Left out: gossip is neither encrypted nor authenticated.',
      leaf(scalar.gossipSecret, {
        doc: 'Base64 of 16, 24 or 32 bytes, as openssl rand -base64 32 prints them.',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
        examples: ['${GOSSIP_SECRET}'],
      }),
    ).optional(),
    secretsFile: leaf(path, {
      doc: 'File that holds them, one a line, instead; read again when it changes.',
      examples: ['/run/secrets/gossip'],
    }).optional(),
    delegateVersions: z
      .tuple([delegateVersion(), delegateVersion(), delegateVersion()], { error: 'a list of three numbers' })
      .meta({ description: 'Lowest, highest and current delegate protocol, to sit in a Serf pool: [2, 5, 4].' })
      .optional(),
  });

const delegateVersion = () => leaf(scalar.integer(ranges.delegateVersion), { doc: 'A protocol version.' });

const dns = () =>
  section('Addresses from DNS.', {
    name: leaf(scalar.host, { doc: 'Name to look up.', examples: ['cache.prod.svc'] }),
    servers: list(
      'DNS servers to ask. Left out: those of the system.',
      leaf(scalar.dnsServer, { doc: 'A server.', examples: ['10.0.0.53', '127.0.0.1:5353'] }),
    ).optional(),
    port: leaf(scalar.port(ranges.remotePort), {
      doc: "Gossip port at every address found. Left out: this node's own gossip.port.",
      examples: [defaults.gossipPort],
    }).optional(),
    family: leaf(scalar.oneOf(['ipv4', 'ipv6']), { doc: 'Kind of address. Left out: both.' }).optional(),
    interval: leaf(timeout(), { doc: 'Time between look-ups.', standard: '10s' }).optional(),
    srv: leaf(scalar.flag, { doc: 'Look up SRV records, which have ports of their own.', standard: false }).optional(),
  });

const nats = () =>
  section('Addresses over NATS.', {
    servers: list('NATS servers.', leaf(scalar.url(['nats:', 'tls:', 'ws:', 'wss:']), { doc: 'A server.' })),
    subject: leaf(scalar.text('a subject'), { doc: 'Subject to meet on.', examples: ['distcache.prod'] }),
    timeout: leaf(timeout(), { doc: 'How long answers are waited for.', standard: '1s' }).optional(),
    credentialsFile: leaf(path, { doc: 'File of credentials (.creds).', examples: ['nats.creds'] }).optional(),
    user: leaf(scalar.text('a name'), { doc: 'User, with password.' }).optional(),
    password: leaf(secret('a password'), { doc: 'Password of user.' }).optional(),
    token: leaf(secret('a token'), { doc: 'Token, instead of a user.' }).optional(),
    tls: section('TLS files for the servers.', {
      ca: leaf(path, { doc: "Certificate authority of the servers' certificates (PEM)." }).optional(),
      cert: leaf(path, { doc: 'Certificate of this client (PEM).' }).optional(),
      key: leaf(path, { doc: 'Private key of cert (PEM).' }).optional(),
    }).optional(),
  });

const kubernetes = () =>
  section('Addresses of pods.', {
    namespace: leaf(scalar.text('a namespace'), {
      doc: 'Namespace of the pods. Left out: the one that this pod runs in.',
    }).optional(),
    podLabels: z
      .record(z.string(), leaf(scalar.text('a label value'), { doc: 'Value of this label.' }))
      .meta({ description: 'Labels that the pods carry, all of them.' }),
    portName: leaf(scalar.text('the name of a port'), {
      doc: 'Name of the container port on which the pods gossip.',
      standard: defaults.podPortName,
    }).optional(),
    apiServer: leaf(scalar.url(['https:', 'http:']), {
      doc: 'API server. Left out: that of the cluster this pod runs in.',
      examples: ['https://10.96.0.1:443'],
    }).optional(),
    tokenFile: leaf(path, { doc: "Token for the API server. Left out: the pod's service account." }).optional(),
    caFile: leaf(path, {
      doc: "Certificate authority of the API server (PEM). Left out: the pod's service account.",
    }).optional(),
  });

export const discovery = () =>
  section('How this node finds the others.', {
    provider: leaf(scalar.oneOf(providers), {
      doc: 'Where addresses come from. Left out: static when there are peers or gossip.port, else standalone.',
    }).optional(),
    peers: list(
      "Addresses of other nodes' gossip, for static.",
      leaf(scalar.peerAddress, { doc: 'host or host:port of a node; port 3322 without.', examples: ['10.0.0.2:3322'] }),
    ).optional(),
    dns: dns().optional(),
    nats: nats().optional(),
    kubernetes: kubernetes().optional(),
  });
