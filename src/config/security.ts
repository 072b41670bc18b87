import type { Relation } from './discovery.js';
import type { AuthConfig, TlsConfig } from './node-config.js';
import { defaults } from './ranges.js';
import type { FileConfig } from './schema.js';

type TlsSection = Partial<NonNullable<FileConfig['tls']>>;

/** undefined where there is no section. The file has passed `securityFaults`. */
export function tlsOf({ tls }: { readonly tls?: TlsSection | undefined }): TlsConfig | undefined {
  if (tls?.cert === undefined || tls.key === undefined) return undefined;
  return {
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    clientAuth: tls.clientAuth ?? defaults.clientAuth,
    nodeName: tls.nodeName ?? defaults.nodeName,
  };
}

export const authOf = ({ auth }: Pick<FileConfig, 'auth'>): AuthConfig => ({
  tokens: (auth?.tokens ?? []).map(({ name, token, tokenFile, allow, keyspaces }) => ({
    name,
    token,
    tokenFile,
    allow,
    keyspaces,
  })),
  certificates: (auth?.certificates ?? []).map(({ name, allow, keyspaces }) => ({ name, allow, keyspaces })),
});

/** What of `tls` and `auth` contradicts itself, or leaves open who is meant. */
export function securityFaults({ tls, auth, admin }: FileConfig): readonly Relation[] {
  const found: Relation[] = [];
  const sections = [
    { path: ['tls'], files: tls },
    { path: ['admin', 'tls'], files: admin !== false && typeof admin?.tls === 'object' ? admin.tls : undefined },
  ];
  for (const { path, files } of sections) {
    for (const field of ['cert', 'key'] as const) {
      if (files !== undefined && files[field] === undefined) {
        found.push({
          path: [...path, field],
          message: 'missing; must be a path (distcache cert create makes such files)',
        });
      }
    }
  }
  if (admin !== false && admin?.tls === true && tls === undefined) {
    found.push({ path: ['admin', 'tls'], message: 'is true, but there is no tls whose files it could use; give that' });
  }
  const names = new Set<string>();
  const holders = new Map<string, string>();
  for (const [index, { name, token, tokenFile, allow }] of (auth?.tokens ?? []).entries()) {
    const path = ['auth', 'tokens', index];
    if ((token === undefined) === (tokenFile === undefined)) {
      found.push({ path: [...path, 'token'], message: 'must be given, or tokenFile instead of it, and not both' });
    }
    if (names.has(name)) found.push({ path: [...path, 'name'], message: 'is the name of another token as well' });
    if (allow.length === 0) found.push({ path: [...path, 'allow'], message: 'is empty; list at least one right' });
    names.add(name);
    if (token === undefined) continue;
    const other = holders.get(token);
    if (other !== undefined) found.push({ path: [...path, 'token'], message: `is the token of ${other} as well` });
    holders.set(token, name);
  }
  for (const [index, { allow }] of (auth?.certificates ?? []).entries()) {
    const path = ['auth', 'certificates', index, 'allow'];
    if (allow.length === 0) found.push({ path, message: 'is empty; list at least one right' });
  }
  if ((auth?.certificates?.length ?? 0) > 0 && (tls === undefined || tls.clientAuth === 'none')) {
    const message = 'needs tls whose clientAuth is request or require, or nobody can show a certificate';
    found.push({ path: ['auth', 'certificates'], message });
  }
  return found;
}
