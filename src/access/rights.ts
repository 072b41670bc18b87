/** What a caller may be allowed. None includes another: who may write may read only if that is said as well. */
export const rights = ['read', 'write', 'admin'] as const;
export type Right = (typeof rights)[number];

/** Who somebody is, and what that one may do. */
export interface Grant {
  /** For people: shown in logs and messages. */
  readonly name: string;
  readonly allow: readonly Right[];
  /** In these keyspaces alone, and nothing that concerns the node as a whole but looking; undefined: everywhere. */
  readonly keyspaces?: readonly string[] | undefined;
}

/** One who asks, after it has shown who it is. */
export class Caller {
  readonly name: string;
  readonly #allow: ReadonlySet<Right>;
  readonly #keyspaces: ReadonlySet<string> | undefined;

  constructor({ name, allow, keyspaces }: Grant) {
    this.name = name;
    this.#allow = new Set(allow);
    this.#keyspaces = keyspaces === undefined ? undefined : new Set(keyspaces);
  }

  /** Whether it has the right for this keyspace. */
  mayUse(right: Right, keyspace: string): boolean {
    return this.#allow.has(right) && (this.#keyspaces?.has(keyspace) ?? true);
  }

  /** Whether it has the right somewhere. */
  has(right: Right): boolean {
    return this.#allow.has(right);
  }

  /** Whether it has the right for the node as a whole. Who is held to keyspaces may look at a node, and no more. */
  mayRun(right: Right): boolean {
    return this.#allow.has(right) && (right === 'read' || this.#keyspaces === undefined);
  }

  /** Whether it has the right for every keyspace. */
  mayAll(right: Right): boolean {
    return this.#allow.has(right) && this.#keyspaces === undefined;
  }
}

/** Where no access control is configured, everybody. */
export const anyone = new Caller({ name: 'anyone', allow: rights });
/** A node of the cluster, known by its certificate: it answers for keys, so it may do everything. */
export const nodeCaller = (name: string): Caller => new Caller({ name, allow: rights });
