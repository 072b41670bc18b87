import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { joinAddress } from '../base/addresses.js';
import { messageOf, timedOut } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import { listenError } from './listen-error.js';
import { nodeIdentity } from './tls.js';

/*
 * Looks at addresses from outside, for whoever wants to know what is wrong: nothing here is a part of a running node.
 */

export interface ProbeWait {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Whether something takes connections there. Rejects with the reason where nothing does, or not in time. */
export async function probeReach(host: string, port: number, wait: ProbeWait): Promise<void> {
  const socket = connect({ host, port });
  await settled(socket, once(socket, 'connect'), joinAddress(host, port), wait);
}

/** Whether this process could listen there. Rejects with a ListenError where not. */
export async function probeListen(addr: string, port: number, kind: 'tcp' | 'udp', flag: string): Promise<void> {
  try {
    await (kind === 'tcp' ? listenTcp(addr, port) : listenUdp(addr, port));
  } catch (error) {
    throw listenError(`${joinAddress(addr, port)} (${kind.toUpperCase()})`, error as Error, flag);
  }
}

async function listenTcp(host: string, port: number): Promise<void> {
  // Whoever comes meanwhile is not to keep it open.
  const server = createServer((socket) => socket.destroy());
  const listening = once(server, 'listening');
  server.listen({ host, port, exclusive: true });
  await listening;
  server.close();
  await once(server, 'close');
}

async function listenUdp(address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const listening = once(socket, 'listening');
  socket.bind({ address, port, exclusive: true });
  await listening;
  socket.close();
}

export type TlsSeen =
  | {
      readonly is: 'tls';
      readonly protocol: string;
      /** When the certificate that was shown ends, in milliseconds since 1970. */
      readonly expiresMs: number;
      /** Why a client that trusts these authorities alone would not take it; undefined: it would. */
      readonly refusedFor: string | undefined;
    }
  /** It speaks TLS, but not like this. */
  | { readonly is: 'refused' }
  | { readonly is: 'plain' };

export interface TlsProbe extends ProbeWait {
  readonly protocol: 'h2' | 'http/1.1';
  /** Authorities; undefined: those that the machine trusts. */
  readonly ca: string | undefined;
  readonly nodeName: string;
  /** Speak this alone. */
  readonly version?: 'TLSv1.1' | undefined;
}

/** Greets whatever listens there with TLS, shows no certificate, and says nothing. Rejects where nothing is there. */
export async function probeTls(host: string, port: number, probe: TlsProbe): Promise<TlsSeen> {
  const { ca, protocol, nodeName, version } = probe;
  const secureContext = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    // OpenSSL would not speak the old ones of itself, and the answer would be about us.
    ...(version === undefined ? {} : { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }),
  });
  const socket = tlsConnect({
    host,
    port,
    secureContext,
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
    checkServerIdentity: nodeIdentity(host, nodeName),
  });
  const seen = once(socket, 'secureConnect').then(() => seenOf(socket));
  try {
    return await settled(socket, seen, joinAddress(host, port), probe);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (/^ERR_SSL.*(ALERT|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS)/.test(code)) return { is: 'refused' };
    // Who takes connections and answers a greeting in TLS with something else, or not at all, does not speak it.
    if (/^(ERR_SSL|EPROTO|ECONNRESET)/.test(code)) return { is: 'plain' };
    throw error;
  }
}

function seenOf(socket: TLSSocket): TlsSeen {
  const { authorized, authorizationError } = socket;
  return {
    is: 'tls',
    protocol: socket.getProtocol() ?? '',
    expiresMs: Date.parse(socket.getPeerCertificate().valid_to),
    refusedFor: authorized ? undefined : messageOf(authorizationError),
  };
}

interface Probing {
  destroy(error?: Error): unknown;
  on(event: 'error', listen: () => void): unknown;
}

/** Waits for `done` at most so long, and closes the socket in any case. */
async function settled<T>(
  socket: Probing,
  done: Promise<T>,
  address: string,
  { clock, timeoutMs }: ProbeWait,
): Promise<T> {
  // What it says after that is nobody's.
  socket.on('error', () => {});
  const cancel = clock.after(timeoutMs, () => socket.destroy(timedOut(`a connection to ${address}`, timeoutMs)));
  try {
    return await done;
  } finally {
    cancel();
    socket.destroy();
  }
}
