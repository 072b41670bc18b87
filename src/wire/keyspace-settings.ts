import { invalidArgument, isErrorCode, type KeyspaceResult, type NodeOutcome } from '../base/errors.js';
import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { type KeyspaceSettings, type SettingValue, type Tunable, tunables } from '../ports/keyspace-record.js';
import type { distcache } from './generated/distcache.js';

/** Settings of keyspaces, and what became of changing them, in the messages of the public service. */

type Message = distcache.v1.KeyspaceSettings.$Properties;
type NumberField = Exclude<keyof Message, 'warmKeys' | 'none' | '$unknowns'>;

const fields: Readonly<Record<Exclude<Tunable, 'warmKeys'>, NumberField>> = {
  maxBytes: 'maxBytes',
  defaultTtl: 'defaultTtlMs',
  ttlJitter: 'ttlJitter',
  negativeTtl: 'negativeTtlMs',
  staleWhileRevalidate: 'staleWhileRevalidateMs',
  staleIfError: 'staleIfErrorMs',
  hotShare: 'hotShare',
  readTimeout: 'readTimeoutMs',
  writeTimeout: 'writeTimeoutMs',
  rate: 'ratePerSecond',
  rateBurst: 'rateBurst',
  rateWait: 'rateWaitMs',
  breakerFailures: 'breakerFailures',
  breakerReset: 'breakerResetMs',
};

const fieldOf = (tunable: Tunable): NumberField | 'warmKeys' => (tunable === 'warmKeys' ? tunable : fields[tunable]);

/** As the field is called in the .proto file, and in JSON: `default_ttl_ms`. */
export const settingName = (tunable: Tunable): string =>
  fieldOf(tunable).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** `none` are told by name in a request, and left out of a reply. */
export function settingsMessage(
  settings: Iterable<readonly [Tunable, SettingValue]>,
  kind: 'request' | 'reply',
): Message {
  const message: Record<string, unknown> = {};
  const none: string[] = [];
  for (const [tunable, value] of settings) {
    if (value === null) none.push(settingName(tunable));
    else message[fieldOf(tunable)] = typeof value === 'number' ? value : { keys: [...value] };
  }
  return kind === 'request' ? { ...message, none } : message;
}

/** What a message says, by tunable. Throws INVALID_ARGUMENT on a name that is none of its fields. */
function saidBy(message: Message): ReadonlyMap<Tunable, SettingValue> {
  const byName = new Map(tunables.map((tunable) => [settingName(tunable), tunable]));
  const said = new Map<Tunable, SettingValue>();
  for (const tunable of tunables) {
    const value = tunable === 'warmKeys' ? message.warmKeys && (message.warmKeys.keys ?? []) : message[fields[tunable]];
    if (value !== undefined && value !== null) said.set(tunable, value);
  }
  for (const name of message.none ?? []) {
    const tunable = byName.get(name);
    if (tunable === undefined) {
      throw invalidArgument(`none: '${name}' is no setting of a keyspace; there are: ${[...byName.keys()].join(', ')}`);
    }
    said.set(tunable, null);
  }
  return said;
}

export function changesIn(message: Message): KeyspaceChanges {
  const said = saidBy(message);
  const given = (...names: readonly Tunable[]): boolean => names.some((name) => said.has(name));
  const { rate, rateBurst, rateWait, breakerFailures, breakerReset, ...plain } = Object.fromEntries(said);
  return {
    ...plain,
    ...(given('rate', 'rateBurst', 'rateWait') ? { rateLimit: { rate, burst: rateBurst, wait: rateWait } } : {}),
    ...(given('breakerFailures', 'breakerReset')
      ? { breaker: { failures: breakerFailures, reset: breakerReset } }
      : {}),
  } as KeyspaceChanges;
}

export function settingsIn(message: Message | null | undefined): KeyspaceSettings {
  const said = saidBy(message ?? {});
  return Object.fromEntries(tunables.map((tunable) => [tunable, said.get(tunable) ?? null])) as KeyspaceSettings;
}

export const resultMessage = ({ keyspace, nodes }: KeyspaceResult): distcache.v1.KeyspaceResult.$Properties => ({
  keyspace,
  nodes: nodes.map(({ node, outcome, error }) => ({ node, outcome, ...error })),
});

/** A code of a newer release counts as a node that could not be told. */
export const resultIn = (
  message: distcache.v1.KeyspaceResult.$Properties | null | undefined,
  keyspace: string,
): KeyspaceResult => ({
  keyspace: message?.keyspace || keyspace,
  nodes: (message?.nodes ?? []).map(({ node, outcome, code, message: text }): NodeOutcome => {
    const name = node ?? '';
    if (outcome === 'applied' || outcome === 'unchanged') return { node: name, outcome };
    const error = { code: isErrorCode(code) ? code : ('PEER_UNREACHABLE' as const), message: text ?? '' };
    return { node: name, outcome: 'failed', error };
  }),
});
