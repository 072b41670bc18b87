import { type Check, fail, ok, warn } from './check.js';

/** A token by the setting that gives it. Never shown. */
export interface TokenFound {
  readonly setting: string;
  readonly name: string;
  readonly token: string;
}

/** Below it a token can be found by trying, and below the next one it is shorter than it need be. */
const tokenCharsMin = 16;
const tokenCharsGood = 32;
const charactersMin = 8;
const bytesDistinctMin = 8;

export function checkToken({ setting, name, token }: TokenFound): Check {
  const mend = 'make one with: openssl rand -hex 32';
  if (token.length < tokenCharsMin) {
    return fail(setting, `the token of ${name} has ${token.length} characters, so few that it can be guessed`, mend);
  }
  if (new Set(token).size < charactersMin) {
    return fail(setting, `the token of ${name} is made of ${new Set(token).size} different characters`, mend);
  }
  if (token.length < tokenCharsGood) {
    return warn(setting, `the token of ${name} has ${token.length} characters; ${tokenCharsGood} are good`, mend);
  }
  return ok(setting, `the token of ${name} has ${token.length} characters`);
}

/** Files may hold what the config cannot show: a caller by whose token another is meant as well. */
export function checkSameTokens(
  tokens: readonly { readonly name: string; readonly token: string }[],
): readonly Check[] {
  const holders = new Map<string, string>();
  return tokens.flatMap(({ name, token }) => {
    const other = holders.get(token);
    holders.set(token, name);
    if (other === undefined) return [];
    return [
      fail(
        'auth.tokens',
        `it refuses to start: ${other} and ${name} have the same token`,
        'give each a token of its own',
      ),
    ];
  });
}

/** Base64 of 16, 24 or 32 bytes each, as the config asks for. */
export function checkGossipSecrets(secrets: readonly string[]): readonly Check[] {
  return secrets.map((secret, index) => {
    const check = `gossip.secrets[${index}]`;
    const key = Buffer.from(secret, 'base64');
    const use = index === 0 ? 'encrypts and decrypts' : 'decrypts alone; remove it once no node encrypts with it';
    if (new Set(key).size >= bytesDistinctMin) return ok(check, `AES-${key.length * 8}; ${use}`);
    const found = `its ${key.length} bytes are ${new Set(key).size} different ones: no chance made it`;
    return fail(check, found, 'make one with: openssl rand -base64 32');
  });
}
