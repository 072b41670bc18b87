import { messageOf } from '../base/errors.js';
import { isLoopback } from '../base/ip.js';
import type { NodeConfig } from '../config/node-config.js';
import { exposedOf, withAdminToken } from '../node/guard.js';
import { type Exposed, exposureOf, weaknessesOf } from '../node/security.js';
import { type Check, fail, ok, warn } from './check.js';

/**
 * What a node that is started with this config would refuse, or warn of, about who can get at it: by the rules that it goes
 * by itself.
 */
export function checkProtection(config: NodeConfig): readonly Check[] {
  const { bind, admin, gossip, tls } = config;
  const { tokens, certificates } = config.auth;
  // What the tokens are is another question.
  const auth = { tokens: tokens.map((grant) => ({ ...grant, token: '' })), certificates };
  let exposed: readonly Exposed[];
  try {
    exposed = exposedOf({
      bind,
      admin:
        admin === false
          ? undefined
          : {
              addr: admin.addr,
              auth: withAdminToken(auth, admin.token),
              tls: typeof admin.tls === 'object' ? admin.tls : admin.tls ? tls : undefined,
            },
      isClustered: gossip !== false,
      hasSecret: gossip !== false && (gossip.secrets.length > 0 || gossip.secretsFile !== undefined),
      security: { tls, auth, isInsecure: config.insecure },
    });
  } catch (error) {
    return [fail('protection', messageOf(error), 'change bind in the config')];
  }
  return [...exposed.flatMap(checkExposed), ...labelChecks(config, exposed)];
}

function checkExposed(exposed: Exposed): readonly Check[] {
  const { what, addr, security } = exposed;
  const check = `protection of ${what}`;
  if (addr === undefined) return [];
  const exposure = exposureOf(exposed);
  if (exposure !== undefined) return [fail(check, `it refuses to start: ${exposure.found}`, exposure.mend)];
  const weak = weaknessesOf(exposed).map(({ found, mend }) => warn(check, found, mend));
  const open = whoMayDoAll(exposed);
  if (open !== undefined) return [...weak, open];
  return weak.length > 0 ? weak : [ok(check, `${addr}, ${shields(security).join(', ') || 'for this machine alone'}`)];
}

/** Beyond the loopback with a certificate alone: allowed, and seldom meant. */
function whoMayDoAll({ what, addr, security }: Exposed): Check | undefined {
  const { auth, tls } = security;
  const hasGrants = (auth.tokens?.length ?? 0) + (auth.certificates?.length ?? 0) > 0;
  if (hasGrants || tls?.clientAuth !== 'require' || isLoopback(addr ?? '')) return undefined;
  return warn(
    `rights at ${what}`,
    'whoever has a certificate of the authority may read, write and run everything',
    'say in auth.certificates or auth.tokens who may do what',
  );
}

const shields = ({ auth, tls }: Exposed['security']): readonly string[] => {
  const { tokens = [], certificates = [] } = auth;
  return [
    ...(tls === undefined ? [] : [tls.clientAuth === 'require' ? 'mutual TLS' : 'TLS']),
    ...(tokens.length === 0 ? [] : [`${tokens.length} token${tokens.length === 1 ? '' : 's'}`]),
    ...(certificates.length === 0 ? [] : [`rights of ${certificates.length} certificate names`]),
  ];
};

/** Lost members are tried for a day, and whoever has their address by then may be somebody else's node. */
function labelChecks({ label, gossip }: NodeConfig, [node]: readonly Exposed[]): readonly Check[] {
  if (gossip === false || node?.addr === undefined || isLoopback(node.addr)) return [];
  if (label !== '') return [ok('label', `only nodes labelled '${label}' join`)];
  return [
    warn(
      'label',
      'none is set, so that nodes of another cluster may be taken for ours',
      'set label, the same on all nodes of this cluster',
    ),
  ];
}
