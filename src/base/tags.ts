/** Names by which entries are invalidated together. */

/** Of one entry, and bytes of UTF-8 of one tag. */
export const tagsMax = 16;
export const tagBytesMax = 128;

/** One for all entries without tags. */
export const noTags: readonly string[] = Object.freeze([]);

const encoder = new TextEncoder();

/** What is wrong with a tag, in words; undefined: nothing. */
export function tagFault(tag: unknown): string | undefined {
  if (typeof tag !== 'string' || tag === '') return 'is no text of at least one character';
  if (!tag.isWellFormed()) return 'has a lone surrogate; tags are well-formed Unicode';
  const bytes = tag.length * 3 <= tagBytesMax ? 0 : encoder.encode(tag).byteLength;
  return bytes > tagBytesMax ? `is ${bytes} bytes long, may be at most ${tagBytesMax}` : undefined;
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
