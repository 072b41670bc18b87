import { invalidArgument } from '../base/errors.js';
import { defaultAdminBasePath } from '../ports/admin.js';

/** An admin server: `http://host:port`, and below which path it serves. */
export interface AdminTarget {
  readonly origin: string;
  readonly basePath: string;
}

/** `http://host:port`, `https://host:port/base/path`, or `host:port`. Throws INVALID_ARGUMENT for anything else. */
export function adminTargetOf(text: string): AdminTarget {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  const isPlain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!isPlain || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw invalidArgument(
      `${JSON.stringify(text)} is no address of an admin server; write for example http://127.0.0.1:3321`,
    );
  }
  return {
    origin: url.origin,
    basePath: url.pathname === '/' ? defaultAdminBasePath : url.pathname.replace(/\/+$/, ''),
  };
}
