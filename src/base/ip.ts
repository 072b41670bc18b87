/** IP addresses between text and raw bytes. */

const v4Bytes = 4;
const v6Bytes = 16;
/** ::ffff:0:0/96, where IPv6 holds the IPv4 addresses. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

/**
 * The raw bytes of an IP address: 4 for an IPv4, 16 for an IPv6; a mapped IPv4 stays as it is written. A zone is left
 * out. Undefined for anything else.
 */
export function bytesOfIp(text: string): Uint8Array | undefined {
  const groups = text.replace(/%.*$/, '');
  if (!groups.includes(':')) return bytesOfV4(groups);
  const halves = groups.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => bytesOfGroups(half, i === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = v6Bytes - head.length - (tail?.length ?? 0);
  // A double colon stands for at least one group, and nothing may be missing without it.
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]);
}

function bytesOfV4(text: string): Uint8Array | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte <= 0xff) ? Uint8Array.from(bytes) : undefined;
}

/** The bytes of one side of a double colon; an IPv4 may end the last. */
function bytesOfGroups(text: string, isLast: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    const v4 = isLast && i === groups.length - 1 ? bytesOfV4(group) : undefined;
    if (v4 !== undefined) bytes.push(...v4);
    else if (/^[0-9a-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/**
 * An address to dial: dotted for an IPv4, mapped ones included, else IPv6 with the longest run of zeros left out.
 * Undefined for bytes of another length.
 */
export function ipOfBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === v4Bytes) return bytes.join('.');
  if (bytes.length !== v6Bytes) return undefined;
  if (mappedPrefix.every((byte, i) => bytes[i] === byte)) return bytes.subarray(mappedPrefix.length).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(':');
  const runs = [...groups.matchAll(/\b0(?::0)+\b/g)];
  if (runs.length === 0) return groups;
  const longest = runs.reduce((best, run) => (run[0].length > best[0].length ? run : best));
  return `${groups.slice(0, longest.index)}::${groups.slice(longest.index + longest[0].length)}`.replace(
    /:{3,4}/,
    '::',
  );
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const bytes = bytesOfIp(host.replace(/^\[|\]$/g, ''));
  if (bytes === undefined) return false;
  const plain = ipOfBytes(bytes) ?? '';
  return plain === '::1' || plain.startsWith('127.');
}
