const reasons: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'connection refused; is a node listening there?'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, 'its name does not resolve'],
  [/EHOSTUNREACH|ENETUNREACH/, 'no route to it'],
];

/** One line for people about a connection that did not come about; undefined where the text tells nothing known. */
export const whyNoConnection = (text: string): string | undefined =>
  reasons.find(([pattern]) => pattern.test(text))?.[1];
