import { expect } from 'chai';
import { load } from '../../../src/config/load.js';
import { starterFile } from '../../../src/config/starter.js';
import { type Seeded, seeded } from '../../support/seeded.js';
import { options } from './support.js';

const seed = process.env.SEED ?? 'config';
const words = [
  ...[
    'name',
    'bind',
    'port',
    'addr',
    'keyspaces',
    'maxBytes',
    'source',
    'type',
    'none',
    'sqlite',
    'discovery',
    'peers',
  ],
  ...[
    '64MiB',
    '5m',
    '12.5%',
    '100/s',
    '0',
    '-1',
    '1e400',
    '.nan',
    'null',
    '~',
    'true',
    '2024-01-01',
    '0x10',
    '""',
    "''",
  ],
  ...[
    `\${A}`,
    `\${B:-1}`,
    `$\${`,
    `\${`,
    '*a',
    '&a',
    '!!str',
    '!x',
    '<<',
    '__proto__',
    'constructor',
    '\u0000',
    '\ud800',
    '🗺',
    '%YAML',
  ],
  ...[
    '[',
    ']',
    '{',
    '}',
    ':',
    ': ',
    ',',
    '- ',
    '? ',
    '\n',
    '\n  ',
    '\n\t',
    '#',
    '|',
    '>',
    '"',
    "'",
    '---\n',
    '...\n',
    '\r\n',
    '\ufeff',
  ],
];

const random: Readonly<Record<string, (chance: Seeded) => string>> = {
  'words of YAML': (chance) =>
    Array.from({ length: chance.between(1, 60) }, () => chance.pick(words) + (chance.chance(0.3) ? ' ' : '')).join(''),
  characters: (chance) =>
    Array.from({ length: chance.between(0, 300) }, () =>
      String.fromCharCode(chance.below(chance.chance(0.8) ? 128 : 65_536)),
    ).join(''),
  'the starter file with pieces cut, doubled and moved': (chance) => {
    let text = starterFile;
    for (let times = chance.between(1, 8); times > 0; times--) {
      const from = chance.below(text.length);
      const piece = text.slice(from, from + chance.between(1, 40));
      const to = chance.below(text.length);
      text = text.slice(0, from) + text.slice(from + (chance.chance(0.5) ? piece.length : 0));
      text = text.slice(0, to) + (chance.chance(0.5) ? piece : chance.pick(words)) + text.slice(to);
    }
    return text;
  },
  'a tree of known keys and strange values': (chance) => {
    const value = (depth: number): unknown => {
      const kind = chance.below(depth > 4 ? 3 : 6);
      if (kind < 2) return chance.pick(words);
      if (kind === 2) return chance.pick([0, -1, 3320, 0.5, true, false, null, 1e300]);
      if (kind === 3) return Array.from({ length: chance.below(4) }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length: chance.below(5) }, () => [chance.pick(words), value(depth + 1)]));
    };
    return JSON.stringify(value(0)) ?? 'null';
  },
};

describe('config: any text leads to a config or to problems', () => {
  for (const [title, make] of Object.entries(random)) {
    it(title, () => {
      const chance = seeded(`${seed}/${title}`);
      for (let round = 0; round < 400; round++) {
        const text = make(chance);
        const context = `SEED=${seed} round ${round}: ${JSON.stringify(text)}`;
        let result: ReturnType<typeof load>;
        try {
          result = load(text, options({ A: 'value of a' }));
        } catch (error) {
          throw new Error(context, { cause: error });
        }
        if (result.ok) continue;
        expect(result.problems.length, context).to.be.within(1, 101);
        for (const { line, column, message } of result.problems) {
          expect(line, context).to.be.within(1, text.split('\n').length + 1);
          expect(column, context).to.be.at.least(1);
          expect(message, context).to.not.equal('');
          expect(message, context).to.not.include('value of a');
          expect(message, context).to.not.include('something else');
        }
      }
    });
  }
});
