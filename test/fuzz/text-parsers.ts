import { Access } from '../../src/access/access.js';
import { codeOf } from '../../src/base/errors.js';
import type { Issued } from '../../src/certificates/issue.js';
import { faultsOf } from '../../src/certificates/material.js';
import { EventStreamReader } from '../../src/client/event-stream.js';
import { load } from '../../src/config/load.js';
import { starterFile } from '../../src/config/starter.js';
import { LineSplitter } from '../../src/discovery/kubernetes/lines.js';
import { readEvent, readPage } from '../../src/discovery/kubernetes/pods.js';
import { decodeMessage, encodeMessage } from '../../src/discovery/nats/messages.js';
import { resolveAuth } from '../../src/node/security.js';
import { TestAuthority } from '../support/issued.js';
import type { Seeded } from '../support/seeded.js';
import { options } from '../unit/config/support.js';
import { cutUp } from '../unit/wire/memberlist/samples.js';
import type { Parser } from './fuzzer.js';

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const planted = 'a-secret-that-nobody-may-see';

/** Runs it; an error of ours with one of these codes is an answer, anything else is broken. */
function coded(codes: readonly string[], run: () => void): void {
  try {
    run();
  } catch (error) {
    const message = (error as Error).message;
    if (!codes.includes(codeOf(error) ?? '')) throw error;
    if (message.includes(planted)) throw new Error(`a secret is told: ${message}`);
  }
}

const config: Parser = {
  name: 'config',
  sound: (random) =>
    utf8(
      random.pick([
        starterFile,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
        'auth: { tokens: [{ name: a, token: "${SECRET}", allow: [read] }] }\ngossip: { secrets: ["${SECRET}"] }\n',
        '{"tls": {"cert": "a.pem", "key": "b.pem"}, "keyspaces": {"a": {"maxBytes": "1MiB", "source": {"type": "none"}}}}',
      ]),
    ),
  words: [
    ': ',
    '- ',
    '\n  ',
    '[',
    '{',
    '*a',
    '&a ',
    '!!str',
    '<<',
    '__proto__',
    `\${SECRET}`,
    `\${`,
    '64MiB',
    '.nan',
    '1e400',
    '"',
    "'",
    '|',
    '\u0000',
    '%YAML',
  ],
  read(bytes) {
    const result = load(textOf(bytes), options({ SECRET: planted }));
    if (result.ok) return;
    if (result.problems.length === 0) throw new Error('refused without a reason');
    for (const { message } of result.problems) {
      if (message === '' || message.includes(planted)) throw new Error(`a problem that says '${message}'`);
    }
  },
};

/** What a file with a token may hold, and what a client may say that it is. */
const token: Parser = {
  name: 'token',
  sound: (random) => utf8(random.pick(['', '\n', ' ']) + random.id() + random.pick(['', '\n', '\r\n'])),
  words: ['Bearer ', 'bearer', '\t', '\u00a0', '\ufeff', '\u0000', planted],
  read(bytes) {
    const shown = textOf(bytes);
    coded(['INVALID_ARGUMENT'], () => {
      resolveAuth({ tokens: [{ name: 'a', token: shown.trim(), allow: ['read'] }] });
    });
    const access = new Access(
      { tokens: [{ name: 'a', token: planted, allow: ['read'] }] },
      { nodeName: 'n', nodes: 'nobody' },
    );
    for (const authorization of [shown, `Bearer ${shown}`]) {
      let isIn = false;
      coded(['UNAUTHORIZED'], () => {
        access.callerOf({ authorization });
        isIn = true;
      });
      if (isIn && !/^bearer +a-secret-that-nobody-may-see *$/i.test(authorization)) throw new Error('let in');
    }
  },
};

const issuedBy = async (): Promise<{ ca: Issued; node: Issued }> => {
  const authority = await TestAuthority.create('fuzz');
  return { ca: authority.ca, node: await authority.node() };
};

function certificates({ ca, node }: { ca: Issued; node: Issued }): Parser {
  const secretLines = node.key.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----'));
  return {
    name: 'certificate',
    sound: (random) =>
      utf8(random.pick([node.cert, node.key, ca.cert, node.cert + ca.cert, `${node.key}${node.cert}`])),
    words: ['-----BEGIN CERTIFICATE-----\n', '-----END CERTIFICATE-----\n', 'MII', 'MIIB', 'MIIJ////', '=', '\n'],
    read(bytes) {
      const pem = textOf(bytes);
      for (const material of [
        { cert: pem, key: node.key },
        { cert: node.cert, key: pem },
        { ca: pem, ...node },
        { cert: pem, key: pem },
      ]) {
        for (const { message } of faultsOf(material, 1_700_000_000_000)) {
          if (message === '' || message.length > 1_000) throw new Error(`a fault that says '${message}'`);
          if (secretLines.some((line) => message.includes(line))) throw new Error('a key is told');
        }
      }
    },
  };
}

const eventStream: Parser = {
  name: 'event-stream',
  sound: () => utf8(': hello\n\nid: 1\nevent: peer-joined\ndata: {"a":1}\ndata: {"b":2}\n\n'),
  words: ['\r', '\n', '\r\n', 'data:', 'data: ', '\n\n', '\ufeff'],
  read(bytes, random) {
    const reader = new EventStreamReader();
    coded(['PEER_UNREACHABLE'], () => {
      for (const piece of cutUp(random, bytes, 1 + bytes.length)) for (const _ of reader.push(Buffer.from(piece)));
    });
  },
};

const nats: Parser = {
  name: 'nats-message',
  sound: (random) =>
    encodeMessage({ is: random.pick(['here', 'gone'] as const), name: random.id(), gossip: '10.0.0.1:3322' }),
  words: ['{', '}', '"', ':', 'null', '[', '1e999', '\\ud800'],
  read: (bytes) => void decodeMessage(bytes),
};

const pod = (random: Seeded): unknown => ({
  metadata: {
    name: random.id(),
    uid: random.id(),
    resourceVersion: '7',
    deletionTimestamp: random.pick([undefined, 'x']),
  },
  spec: { containers: [{ name: 'c', ports: [{ name: 'gossip', containerPort: 3322 }] }] },
  status: { podIP: '10.0.0.7', phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
});

const kubernetes: Parser = {
  name: 'kubernetes',
  sound: (random) =>
    utf8(
      [
        { type: 'ADDED', object: pod(random) },
        { metadata: { resourceVersion: '9' }, items: [pod(random)] },
        { type: 'ERROR', object: { code: 410 } },
      ]
        .map((line) => JSON.stringify(line))
        .join('\n'),
    ),
  words: ['null', '{}', '[]', '"', '1e999', '__proto__', '-1', 'true'],
  read(bytes, random) {
    const lines = new LineSplitter(64 * 1024);
    coded(['PEER_UNREACHABLE'], () => {
      for (const piece of cutUp(random, bytes, 1 + bytes.length)) {
        for (const line of lines.push(Buffer.from(piece))) {
          let json: unknown;
          try {
            json = JSON.parse(line);
          } catch {
            continue;
          }
          readEvent(json, 'gossip');
          readPage(json, 'gossip');
        }
      }
    });
  },
};

export const textParsers = async (): Promise<readonly Parser[]> => [
  config,
  token,
  certificates(await issuedBy()),
  eventStream,
  nats,
  kubernetes,
];
