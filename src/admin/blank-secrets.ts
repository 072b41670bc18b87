/** What stands for a secret. */
export const blank = '***';

/** Names whose values nobody is shown. */
const secretName = /secret|token|password|passwd|credential|authorization|api_?key/i;
/** Of these nothing below is shown: many a header carries a token under a name of its own. */
const secretMap = /^headers$/i;
const secretQuery = /([?&][^=&#]*(?:secret|token|password|passwd|key|sig)[^=&#]*=)[^&#]*/gi;

/** A copy in which secrets are blanked: by the names of their fields, and inside of URLs. Functions are left out. */
export function blankSecrets(value: unknown): unknown {
  if (typeof value === 'string') return blankUrl(value);
  return mapped(value, (name, held) => {
    if (secretMap.test(name)) return blanked(held);
    return secretName.test(name) && !isMap(held) ? blanked(held, blankSecrets) : blankSecrets(held);
  });
}

/** Shows that something is set, and how many of them, but not what. */
function blanked(
  value: unknown,
  ofMap: (map: object) => unknown = (map) => mapped(map, (_, held) => blanked(held)),
): unknown {
  if (value === undefined || value === null || value === '' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map((held) => blanked(held, ofMap));
  return isMap(value) ? ofMap(value) : blank;
}

const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

function mapped(value: unknown, change: (name: string, held: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((held) => blankSecrets(held));
  if (!isMap(value)) return typeof value === 'bigint' ? String(value) : value;
  const entries = Object.entries(value).filter(([, held]) => typeof held !== 'function');
  return Object.fromEntries(entries.map(([name, held]) => [name, change(name, held)]));
}

/** User and password of a URL, and parameters that are named as a secret. Anything else stays as it is. */
const blankUrl = (text: string): string =>
  text.includes('://') ? text.replace(/(:\/\/)[^/?#@]*@/g, `$1${blank}@`).replace(secretQuery, `$1${blank}`) : text;
