/** Names by which entries are invalidated together. */

/** Of one entry, and bytes of UTF-8 of one tag. */
export const tagsMax = 16;
export const tagBytesMax = 128;

/** One for all entries without tags. */
export const noTags: readonly string[] = Object.freeze([]);

const encoder = new TextEncoder();

/** What is wrong with a tag, in words; undefined: nothing. */
export const tagFault = (tag: unknown): string | undefined => textFault(tag, tagBytesMax);

/** What is wrong with a text that must have a length, and bytes of UTF-8 up to a limit. */
export function textFault(text: unknown, bytesMax: number): string | undefined {
  if (typeof text !== 'string' || text === '') return 'is no text of at least one character';
  if (!text.isWellFormed()) return 'has a lone surrogate, and must be well-formed Unicode';
  const bytes = text.length * 3 <= bytesMax ? 0 : encoder.encode(text).byteLength;
  return bytes > bytesMax ? `is ${bytes} bytes long, may be at most ${bytesMax}` : undefined;
}

/** What is wrong with the tags of an entry, in words; undefined: nothing. */
export function tagsFault(tags: unknown): string | undefined {
  if (!Array.isArray(tags)) return 'must be a list of texts';
  if (tags.length > tagsMax) return `are ${tags.length}, may be at most ${tagsMax}`;
  for (const tag of tags) {
    const fault = tagFault(tag);
    if (fault !== undefined) return `include ${JSON.stringify(String(tag).slice(0, 40))}, which ${fault}`;
  }
  return undefined;
}

/** Each once, in an order of its own. */
export const uniqueTags = (tags: readonly string[] | undefined): readonly string[] =>
  tags === undefined || tags.length === 0 ? noTags : tags.length === 1 ? [tags[0]!] : [...new Set(tags)];
