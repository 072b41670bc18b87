import { joinAddress } from '../base/addresses.js';
import { messageOf } from '../base/errors.js';
import type { NodeConfig } from '../config/node-config.js';
import { advertisedAddress } from '../platform/machine.js';
import { probeListen } from '../transport/probe.js';
import { type Check, fail, ok, skip } from './check.js';

/** Names of nodes that run, by `host:port` of what they listen on; undefined: some node runs and does not tell. */
export type Running = ReadonlyMap<string, string> | undefined;

interface Listener {
  readonly setting: 'bind.port' | 'admin.port' | 'gossip.port';
  readonly addr: string;
  readonly port: number;
  readonly kinds: readonly ('tcp' | 'udp')[];
}

const flags = { 'bind.port': '--bind-port', 'admin.port': '--admin-addr', 'gossip.port': '--discovery-port' } as const;

/** Whether this node could listen where it is to, or listens there already. */
export function checkPorts(config: NodeConfig, addr: string, running: Running): Promise<readonly Check[]> {
  return Promise.all(listenersOf(config, addr).map((listener) => checkPort(listener, config.name, running)));
}

function listenersOf({ bind, admin, gossip }: NodeConfig, addr: string): readonly Listener[] {
  return [
    { setting: 'bind.port' as const, addr, port: bind.port, kinds: ['tcp' as const] },
    ...(admin === false || admin.isPortFlexible
      ? []
      : [{ setting: 'admin.port' as const, addr: admin.addr, port: admin.port, kinds: ['tcp' as const] }]),
    ...(gossip === false
      ? []
      : [
          {
            setting: 'gossip.port' as const,
            addr,
            port: gossip.port,
            kinds: gossip.transport === 'udp' ? (['tcp', 'udp'] as const) : (['tcp'] as const),
          },
        ]),
  ];
}

async function checkPort(
  { setting, addr, port, kinds }: Listener,
  name: string | undefined,
  running: Running,
): Promise<Check> {
  if (port === 0) return ok(setting, 'a free one is taken at each start');
  const address = joinAddress(addr, port);
  const node = running?.get(joinAddress(advertisedAddress(addr), port));
  if (node !== undefined && (name === undefined || name === node)) {
    return ok(setting, `${address} is taken by ${node}, which runs`);
  }
  for (const kind of kinds) {
    try {
      await probeListen(addr, port, kind, flags[setting]);
    } catch (error) {
      if (running === undefined)
        return skip(setting, `${messageOf(error)}. It may be this node, which lets nobody ask`);
      return fail(setting, messageOf(error), `free it, or change ${setting} in the config`);
    }
  }
  return ok(setting, `${address} is free`);
}
