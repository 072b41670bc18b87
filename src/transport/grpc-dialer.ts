import { Client, credentials } from '@grpc/grpc-js';
import { splitAddress } from '../base/addresses.js';
import type { Dialer } from './frame-stream.js';
import { channelOf } from './grpc-channel.js';
import { ClientFrameStream, identity } from './grpc-stream.js';
import type { ClientTls } from './tls.js';

/** Bytes that may be on the way to us before we have read them; the default of 64 KiB makes large values wait. */
const flowControlBytes = 4 * 1024 * 1024;

export interface GrpcDialerOptions {
  /** Largest frame either side takes. */
  readonly maxFrameBytes: number;
  /** Asked for at each dial, so that other certificates need no restart. undefined: plain text. */
  readonly tls?: (() => { readonly files: ClientTls; readonly nodeName: string }) | undefined;
}

/**
 * Dials peers with grpc-js. Each attempt has a connection of its own, which ends with the stream: a channel that outlived
 * its peer would go on with its own back-off, and may hang (grpc-node#2785).
 */
export function createGrpcDialer({ maxFrameBytes, tls }: GrpcDialerOptions): Dialer {
  return {
    dial(address) {
      const channel =
        tls === undefined
          ? { credentials: credentials.createInsecure(), options: {} }
          : channelOf(tls().files, splitAddress(address).host, tls().nodeName);
      const client = new Client(address, channel.credentials, {
        ...channel.options,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
        'grpc.enable_http_proxy': 0,
        'grpc.enable_channelz': 0,
        'grpc.service_config_disable_resolution': 1,
        'grpc.max_receive_message_length': maxFrameBytes,
        'grpc.max_send_message_length': maxFrameBytes,
        'grpc-node.flow_control_window': flowControlBytes,
      });
      const call = client.makeBidiStreamRequest('/distcache.v1.Peer/Link', identity, identity);
      return new ClientFrameStream(call, client, address, tls !== undefined);
    },
  };
}
