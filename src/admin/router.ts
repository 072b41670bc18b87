import { Refused } from './failure.js';
import type { Route } from './routes.js';

export interface Target {
  /** Below the base path. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface Match {
  readonly route: Route;
  readonly name: string;
}

/** Of a request's target, which is what the client wrote: throws what it is to be told. */
export function targetOf(url: string, basePath: string): Target {
  const at = url.indexOf('?');
  const whole = at < 0 ? url : url.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const isBelow = whole === basePath || whole.startsWith(`${basePath}/`);
  if (!isBelow)
    throw new Refused(404, 'NOT_FOUND', `there is nothing here; the endpoints are listed at ${basePath || '/'}`);
  return { path: whole.slice(basePath.length).replace(/\/$/, ''), query };
}

/** Finds routes by method and path, where one `{name}` stands for one part of the path. */
export class Router {
  readonly #patterns: readonly { readonly route: Route; readonly pattern: RegExp }[];

  constructor(routes: readonly Route[]) {
    this.#patterns = routes.map((route) => ({
      route,
      pattern: new RegExp(`^${route.path.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replace('{name}', '([^/]+)')}$`),
    }));
  }

  /** Throws what the client is to be told where nothing matches. */
  match(method: string, path: string): Match {
    const found = this.#patterns.flatMap(({ route, pattern }) => {
      const parts = pattern.exec(path);
      return parts === null ? [] : [{ route, name: parts[1] }];
    });
    const wanted = method === 'HEAD' ? 'GET' : method;
    const match = found.find(({ route }) => route.method === wanted);
    if (match !== undefined) return { route: match.route, name: decoded(match.name ?? '') };
    if (found.length === 0) throw new Refused(404, 'NOT_FOUND', 'there is no such endpoint');
    const allow = [...new Set(found.map(({ route }) => route.method))].join(', ');
    throw new Refused(405, 'INVALID_ARGUMENT', `${method} is not allowed here; use ${allow}`, { allow });
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new Refused(400, 'INVALID_ARGUMENT', 'the path has a % that stands for nothing; encode it as %25');
  }
}
