import { messageOf } from '../base/errors.js';

/*
 * Where sources have tags. Whether what is found there are usable tags is judged where all answers of sources are: too many,
 * too long or none at all fail the load.
 */

/** Of a column without arrays: a JSON array of texts, or else one tag. Throws where it begins as one and is none. */
export function tagsOfText(text: string): readonly string[] {
  if (!text.startsWith('[')) return [text];
  try {
    return JSON.parse(text) as readonly string[];
  } catch (error) {
    throw new Error(`is no JSON array of texts: ${messageOf(error)}`);
  }
}

/** Of a response header, as `Cache-Tag: a, b` and `Surrogate-Key: a b` have them. */
export const tagsOfHeader = (header: string | readonly string[] | undefined): readonly string[] =>
  (typeof header === 'string' ? header : (header ?? []).join(' ')).split(/[\s,]+/).filter((tag) => tag !== '');
