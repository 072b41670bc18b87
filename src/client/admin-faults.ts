import { DistcacheError, messageOf } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import { probeTls } from '../transport/probe.js';
import { whyNoTls } from '../transport/tls-faults.js';

const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection; is a node running there, and its admin server on (--admin-addr)?',
  ECONNRESET: 'broke the connection',
  EPIPE: 'broke the connection',
  ENOTFOUND: 'is a name that cannot be resolved',
  EAI_AGAIN: 'is a name that cannot be resolved now',
  ENETUNREACH: 'cannot be reached from here',
  EHOSTUNREACH: 'cannot be reached from here',
};

/** For asking what broke a connection whether it would have spoken TLS. */
const probeMs = 1_000;

interface Asking {
  readonly clock: Clock;
  readonly tls?: { readonly cert?: string | undefined } | undefined;
}

/** Anything that went wrong below HTTP: UNAUTHORIZED where TLS did not come about, else PEER_UNREACHABLE. */
export async function whyBroken(url: URL, cause: unknown, asking: Asking): Promise<DistcacheError> {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const failed = (kind: 'UNAUTHORIZED' | 'PEER_UNREACHABLE', what: string): DistcacheError =>
    new DistcacheError(kind, `${url.host} ${what}`, { cause });
  if (url.protocol === 'https:') {
    const what = tlsFault(code, messageOf(cause), asking.tls?.cert !== undefined);
    if (what !== undefined) return failed('UNAUTHORIZED', what);
  } else if (isCutOff(code) && (await speaksTls(url, asking.clock))) {
    return failed('UNAUTHORIZED', 'speaks TLS; write https:// instead of http://, and give --tls-ca');
  }
  if (code.startsWith('HPE_')) {
    return failed('PEER_UNREACHABLE', 'does not speak HTTP/1.1; is it the gRPC port? The admin server has another');
  }
  return failed('PEER_UNREACHABLE', hints[code] ?? `did not answer properly: ${code || messageOf(cause)}`);
}

const isCutOff = (code: string): boolean => code === 'ECONNRESET' || code === 'EPIPE';

/** Certificates are the usual fault of TLS and are named. */
function tlsFault(code: string, message: string, showsCertificate: boolean): string | undefined {
  if (/CERT_|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code) && !code.includes('ALERT')) {
    return `has a certificate that is not trusted (${code}); name what signed it with --tls-ca`;
  }
  if (/wrong version number|packet length too long|http request/i.test(message)) {
    return 'speaks no TLS; write http:// instead of https://';
  }
  const why = whyNoTls(message, showsCertificate);
  if (why !== undefined) return `has no TLS with us: ${why}`;
  return code === 'EPROTO' ? `has no TLS with us: ${message.split('\n', 1)[0]}` : undefined;
}

/** A server of TLS ends a connection that begins with anything else, and says nothing. */
async function speaksTls({ hostname, port }: URL, clock: Clock): Promise<boolean> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  try {
    const seen = await probeTls(host, Number(port) || 80, {
      protocol: 'http/1.1',
      ca: undefined,
      nodeName: host,
      clock,
      timeoutMs: probeMs,
    });
    return seen.is !== 'plain';
  } catch {
    return false;
  }
}
