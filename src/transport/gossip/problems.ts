import { defaultGossipPort } from '../../base/addresses.js';
import type { Drop } from '../../wire/memberlist/fault.js';
import { whyNoConnection } from '../connect-faults.js';
import { whyNoTls } from '../tls-faults.js';

const otherPort = `give its gossip port, by default ${defaultGossipPort}`;

/** Texts of peers are shown to people, so they are kept short and printable. */
const quotedMax = 200;

/** Errors of a socket that say something about the receiver, or about the way there. */
const receiverCodes: ReadonlySet<string | undefined> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ECONNREFUSED',
  'EAFNOSUPPORT',
  'EINVAL',
  // A rule of this machine's or of a gateway's forbids it.
  'EPERM',
  'EACCES',
]);

/** True when a packet was not sent for what lies with its receiver; false where this node lacks room, or sent too much. */
export const liesWithReceiver = (error: Error): boolean => receiverCodes.has((error as NodeJS.ErrnoException).code);

export const whyNotConnected = (error: Error): string => whyNoConnection(error.message) ?? error.message;

/** True when the other side said that nobody listens there. */
export const isRefusal = (error: Error): boolean => (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';

export const closedUnanswered = `it closed the connection without an answer; give both the same label and gossip secret, or, where that is another port of it, ${otherPort}`;

/** One of two nodes has TLS, or lets gossip have none of it. */
export const giveBothTls = 'give both nodes tls, or both gossip.tls: false';

/** Why TLS to another node did not come about; undefined where the error tells of something else. */
export function whyNoStreamTls({ message }: Error): string | undefined {
  if (/wrong version number|packet length too long|http request/i.test(message)) {
    return `it does not speak TLS there; ${giveBothTls}`;
  }
  return whyNoTls(message, true);
}

/** The connection broke off within or before the answer. */
export const whyBroken = (error: Error): string =>
  /ECONNRESET|EPIPE/.test(error.message) ? closedUnanswered : `the connection broke: ${error.message}`;

/** Why what came in place of an answer was not read. @param start its first bytes */
export function whyUnread({ reason, detail }: Drop, start: Uint8Array): string {
  const spoken = otherLanguage(start);
  if (spoken !== undefined) return `what answers there speaks ${spoken}, not gossip; ${otherPort}`;
  switch (reason) {
    case 'unencrypted':
      return 'it answered in the clear, and this node has a gossip secret; give both the same';
    case 'unexpectedlyEncrypted':
      return 'its answer is encrypted, and this node has no gossip secret; give both the same';
    case 'undecryptable':
      return 'its gossip secret is another one; give both the same';
    case 'tooLarge':
    case 'tooMany':
      return `its answer was too large: ${detail}`;
    case 'empty':
      return closedUnanswered;
    default:
      return `it does not speak gossip, or its answer was damaged (${detail}); ${otherPort}`;
  }
}

/** The other side said why it would not answer. */
export function whyRefused(error: string): string {
  const text = error.slice(0, quotedMax).replace(/[^\x20-\x7e]/g, '?');
  return `it refused: ${text}; do both have the same gossip secret?`;
}

/** What else listens where people point gossip to by mistake: the ports of the same node, above all. */
function otherLanguage(start: Uint8Array): string | undefined {
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('HTTP/')) return 'HTTP';
  // The first frame of an HTTP/2 server: settings, of stream 0.
  if (start.length >= 9 && start[3] === 4 && start.subarray(5, 9).every((byte) => byte === 0)) return 'gRPC';
  // A TLS alert or handshake.
  if ((start[0] === 0x15 || start[0] === 0x16) && start[1] === 3) return 'TLS';
  return undefined;
}
