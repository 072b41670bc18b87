import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';

/**
 * Runs `distcache get` once against a stand-in for a node, so that bin/run.js finds its code cache made. Without it the
 * first `get` of a user would make it.
 */
export async function warmUp(script) {
  const server = new Server();
  const asIs = (bytes) => bytes;
  const get = {
    path: '/distcache.v1.Cache/Get',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  // GetReply { found: true, value: "v" }
  const reply = Buffer.from([0x08, 0x01, 0x12, 0x01, 0x76]);
  server.addService({ get }, { get: (_call, answer) => answer(null, reply) });
  const bind = promisify(server.bindAsync).bind(server);
  const port = await bind('127.0.0.1:0', ServerCredentials.createInsecure());
  try {
    const args = [script, 'get', 'warm', 'up', '--addr', `127.0.0.1:${port}`];
    // Nothing of the builder's settings: V8 takes a cache only under the flags it was made with.
    await promisify(execFile)(process.execPath, args, { env: { PATH: process.env.PATH } });
  } finally {
    server.forceShutdown();
  }
}
