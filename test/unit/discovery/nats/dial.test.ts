import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { codeOf } from '../../../../src/base/errors.js';
import { Stop } from '../../../../src/base/stop-signal.js';
import { natsDialer } from '../../../../src/discovery/nats/dial.js';
import { natsSettings } from '../../../../src/discovery/nats/settings.js';
import { systemClock } from '../../../../src/platform/clock.js';
import { until, within } from '../../../support/until.js';

describe('dialling NATS', function () {
  this.timeout(20_000);
  let server: Server;
  let open: number;
  let taken: number;

  /** Greets as a server does, and says nothing more: as one does that is suspended in the middle of a handshake. */
  beforeEach(async () => {
    open = 0;
    taken = 0;
    server = createServer((socket) => {
      open++;
      taken++;
      socket.on('close', () => open--).on('error', () => {});
      socket.resume();
      socket.write('INFO {"server_id":"x","version":"2.9.10","proto":1,"max_payload":1048576}\r\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    server.close();
    await once(server, 'close');
  });

  const dialling = async (signal: Stop): Promise<unknown> => {
    const { port } = server.address() as AddressInfo;
    const settings = natsSettings({ servers: [`nats://127.0.0.1:${port}`], subject: 's' });
    const dial = await natsDialer(settings, systemClock, 'test');
    return dial(settings.servers[0]!, signal).catch((error: unknown) => error);
  };

  it('a server that is silent after its greeting leaves no socket behind', async () => {
    const error = await dialling(new Stop());
    expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
    await until('all sockets are closed', () => open === 0);
  });

  it('ends at once when it is stopped in the middle of the handshake', async () => {
    const stop = new Stop();
    const error = dialling(stop);
    await until('the handshake is under way', () => taken === 2 && open === 1);
    stop.abort('enough');
    expect(codeOf(await within(3_000, 'the dial', error))).to.equal('ABORTED');
    await until('all sockets are closed', () => open === 0);
  });
});
