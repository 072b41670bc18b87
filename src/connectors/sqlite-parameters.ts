export type Parameters =
  | { readonly is: 'named'; readonly names: readonly string[] }
  | { readonly is: 'counted'; readonly times: readonly string[] }
  | { readonly is: 'wrong'; readonly problem: string };

const wrong = (problem: string): Parameters => ({ is: 'wrong', problem });

/** Finds the query's parameters outside of literals, quoted names and comments, and holds them to "the key, nothing else". */
export function parametersOf(query: string): Parameters {
  const skipped = String.raw`'(?:[^']|'')*'|"(?:[^"]|"")*"|${'`'}[^${'`'}]*${'`'}|\[[^\]]*\]|--[^\n]*|/\*[\s\S]*?\*/`;
  const tokens = query.matchAll(new RegExp(String.raw`${skipped}|(\?\d*|[:@$][\p{L}_][\p{L}\p{N}_]*)`, 'gu'));
  const found = [...tokens].flatMap((token) => token[1] ?? []);
  const hint = 'write for example: select json from city where id = :key';
  if (found.length === 0) return wrong(`has no parameter for the key; ${hint}`);
  const foreign = found.find((name) => !/^[:@$]key$|^\?1?$/.test(name));
  if (foreign !== undefined) return wrong(`has the parameter ${foreign}, but only :key is known; ${hint}`);
  const named = found.filter((name) => name !== '?');
  if (named.length === 0) return { is: 'counted', times: found };
  if (named.length < found.length) return wrong(`mixes ${named[0]} with ?; use one of them`);
  return { is: 'named', names: [...new Set(named)] };
}
