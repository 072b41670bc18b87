import { createSecureContext } from 'node:tls';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { type ClientTls, contextOptions, isIpAddress, nodeIdentity } from './tls.js';

/** What a channel to `host` takes. Throws as `contextOptions`. */
export function channelOf(
  tls: ClientTls,
  host: string,
  nodeName: string,
): { readonly credentials: ChannelCredentials; readonly options: Readonly<Record<string, string>> } {
  return {
    credentials: credentials.createFromSecureContext(createSecureContext(contextOptions(tls)), {
      checkServerIdentity: nodeIdentity(host, nodeName),
    }),
    // An IP address is no server name (RFC 6066), and Node warns of it.
    options: { 'grpc.ssl_target_name_override': isIpAddress(host) ? nodeName : host },
  };
}
