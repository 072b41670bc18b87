import { joinAddress } from '../base/addresses.js';
import { bytesOfIp } from '../base/ip.js';
import { certificatesIn, daysLeft, factsOf, faultsOf, type Material } from '../certificates/material.js';
import { type Check, fail, ok, warn } from './check.js';

/** What a certificate is to be good for. */
export interface CertificateUse {
  /** `tls` or `admin.tls`. */
  readonly setting: string;
  readonly wallMs: number;
  /** Where others reach it. */
  readonly host: string;
  readonly port: number;
  /** The name that makes its holder a node; undefined where none is asked for. */
  readonly nodeName: string | undefined;
  readonly clientAuth: 'none' | 'request' | 'require';
}

const authorityEndsSoonDays = 90;
const rsaBitsMin = 2048;
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const renew =
  'put a new one in its place, which is read without a restart; distcache cert create --overwrite makes one';

/** Certificate, key and authorities of one listener. */
export function checkCertificate(material: Material, use: CertificateUse): readonly Check[] {
  const { setting, wallMs } = use;
  const faults = faultsOf(material, wallMs);
  const found = faults.map(({ field, message, isFatal }) =>
    (isFatal ? fail : warn)(`${setting}.${field}`, message, mendOf(field, message)),
  );
  const isReadable = (field: 'ca' | 'cert'): boolean => isCertificate(material[field]);
  const faulty = new Set(faults.map(({ field }) => field));
  if (isReadable('cert') && !faulty.has('cert')) found.push(lifeOf(`${setting}.cert`, material.cert!, wallMs));
  if (isReadable('cert')) found.push(...namesChecks(material.cert!, use), ...usageChecks(material.cert!, use));
  if (isReadable('ca') && !faulty.has('ca')) found.push(authorityCheck(`${setting}.ca`, material.ca!, wallMs));
  if (material.ca === undefined && use.clientAuth !== 'none') found.push(trustCheck(setting));
  if (material.key !== undefined && !faulty.has('key') && isReadable('cert')) {
    found.push(ok(`${setting}.key`, 'is the key of the certificate'));
  }
  return found;
}

function isCertificate(pem: string | undefined): boolean {
  try {
    return pem !== undefined && certificatesIn(pem).length > 0;
  } catch {
    return false;
  }
}

function mendOf(field: string, message: string): string {
  if (/expire/.test(message)) return field === 'ca' ? 'make a new authority; docs/security.md tells how' : renew;
  if (/signed by/.test(message))
    return 'give the certificate of the authority that signed it as ca, or have it signed by that one';
  if (/pair/.test(message)) return 'give the key that the certificate was made with';
  if (/clock/.test(message)) return 'set the clock of this machine, or wait';
  return 'give a file in PEM; distcache cert create makes some that work';
}

function lifeOf(check: string, pem: string, wallMs: number): Check {
  const { names, expires, issuer } = factsOf(pem);
  const days = daysLeft(Date.parse(expires), wallMs);
  return ok(check, `of ${names.slice(0, 3).join(', ')}, from ${issuer}; ${days} days left, until ${expires}`);
}

function authorityCheck(check: string, pem: string, wallMs: number): Check {
  const lives = certificatesIn(pem).map(({ validTo }) => ({
    validTo,
    days: daysLeft(Date.parse(validTo), wallMs),
  }));
  const count = lives.length === 1 ? 'one authority' : `${lives.length} authorities`;
  const [next] = lives.filter(({ days }) => days >= 0).sort((a, b) => a.days - b.days);
  const gone = lives.filter(({ days }) => days < 0).length;
  const found = `${count}${gone === 0 ? '' : `, ${gone} of them expired`}; ${next?.days} days left, until ${next?.validTo}`;
  if ((next?.days ?? 0) >= authorityEndsSoonDays) return ok(check, found);
  return warn(
    check,
    found,
    'begin to replace it: add the new one to ca on all nodes first; docs/security.md tells how',
  );
}

const trustCheck = (setting: string): Check =>
  warn(
    `${setting}.ca`,
    'is left out, so that every authority this machine trusts, public ones too, can vouch for callers and nodes',
    `give ${setting}.ca, the certificate of your own authority`,
  );

/** Nodes take each other by `nodeName`, clients of ours too; all others know the host alone. */
function namesChecks(pem: string, { setting, host, port, nodeName }: CertificateUse): readonly Check[] {
  const own = certificatesIn(pem)[0]!;
  const isNode = nodeName !== undefined && own.checkHost(nodeName) !== undefined;
  const isIp = bytesOfIp(host) !== undefined;
  const isHost = (isIp ? own.checkIP(host) : own.checkHost(host)) !== undefined;
  const address = joinAddress(host, port);
  const check = `${setting}.cert names`;
  const has = own.subjectAltName ?? 'no names at all';
  const again = `have it made with the ${isIp ? 'address' : 'name'} ${host} in it: distcache cert create --host ${host}`;
  if (nodeName !== undefined && !isNode) {
    const found = `it does not bear ${nodeName}, by which nodes know each other, but ${has}`;
    return [
      fail(check, found, `have it made with the DNS name ${nodeName}, or set tls.nodeName to one it has on all nodes`),
    ];
  }
  if (isHost) return [ok(check, `it is good for ${address}${isNode ? ` and bears ${nodeName}` : ''}`)];
  if (isNode) {
    const found = `it bears ${nodeName}, which our clients take, but not ${host}, which browsers, curl and grpcurl ask for`;
    return [warn(check, found, again)];
  }
  return [fail(check, `nobody who dials ${address} will take it: it is for ${has}`, again)];
}

function usageChecks(pem: string, { setting, nodeName, clientAuth: asked }: CertificateUse): readonly Check[] {
  const own = certificatesIn(pem)[0]!;
  const found: Check[] = [];
  const usages = own.keyUsage as readonly string[] | undefined;
  const check = `${setting}.cert usage`;
  if (usages !== undefined) {
    const missing = [
      ...(usages.includes(serverAuth) ? [] : ['server auth']),
      // A node that dials another is its client.
      ...(nodeName === undefined || asked === 'none' || usages.includes(clientAuth) ? [] : ['client auth']),
    ];
    const mend = 'have it made with the extended key usages "server auth" and "client auth"';
    if (missing.length > 0) found.push(fail(check, `it is not for ${missing.join(' nor ')}`, mend));
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = own.publicKey;
  const bits = details?.modulusLength;
  if (type === 'rsa' && bits !== undefined && bits < rsaBitsMin) {
    found.push(warn(check, `its RSA key has ${bits} bits`, `use ${rsaBitsMin} or more, or a key on P-256`));
  }
  return found;
}
