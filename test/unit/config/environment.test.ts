import { expect } from 'chai';
import { loaded, problemsOf } from './support.js';

const header = (value: string): string =>
  `keyspaces: { a: { maxBytes: 1MiB, source: { type: http, url: "https://h/{key}", headers: { x: ${value} } } } }`;

function headerOf(value: string, env: Readonly<Record<string, string>>): unknown {
  const source = loaded(header(value), env).config.keyspaces[0]?.source;
  return source?.type === 'http' ? source.headers?.x : undefined;
}

describe('config: variables', () => {
  const rows: readonly (readonly [string, string, Record<string, string>, string])[] = [
    ['stands alone', `"\${A}"`, { A: 'one' }, 'one'],
    ['stands within text', `"Bearer \${A}/\${B}"`, { A: 'one', B: 'two' }, 'Bearer one/two'],
    ['default of an unset one', `"\${A:-two words}"`, {}, 'two words'],
    ['default of an empty one', `"\${A:-d}"`, { A: '' }, 'd'],
    ['default left aside', `"\${A:-d}"`, { A: 'one' }, 'one'],
    ['default of nothing', `"x\${A:-}"`, {}, 'x'],
    ['default with a colon and a dash', `"\${A:-a:-b}"`, {}, 'a:-b'],
    ['escaped', `"$\${A}"`, { A: 'one' }, `\${A}`],
    ['escaped beside one', `"$\${A} \${A}"`, { A: 'one' }, `\${A} one`],
    ['dollars alone', `"$A $1 $"`, {}, '$A $1 $'],
    ['value with a variable in it is left alone', `"\${A}"`, { A: `\${B}`, B: 'no' }, `\${B}`],
    ['value with YAML in it is text', `"\${A}"`, { A: '"\n- {' }, '"\n- {'],
    ['digits where text is wanted', `"\${A}"`, { A: '42' }, '42'],
  ];
  for (const [title, text, env, expected] of rows) {
    it(title, () => expect(headerOf(text, env)).to.equal(expected));
  }

  it('become what their place asks for, quoted or not', () => {
    const text = `name: \${N}
bind: { port: "\${P}" }
admin: \${OFF}
cluster:
  virtualNodes: \${V:-64}
timeouts: { read: "\${T}" }
`;
    const { config, warnings } = loaded(text, { N: '7', P: '0', OFF: 'false', T: '2s' });
    expect([config.name, config.bind.port, config.cluster.virtualNodes, config.timeouts.readMs]).to.deep.equal([
      '7',
      0,
      64,
      2000,
    ]);
    expect(warnings).to.deep.equal([]);
  });

  it('cannot slip past what is not in force', () => {
    const { warnings } = loaded(`timeouts: { keepAlive: "\${T}" }`, { T: '1m' });
    expect(warnings.join()).to.include('timeouts.keepAlive: not in force');
  });

  it('that are missing are named, all of them, with their places', () => {
    const text = `name: \${ONE}\nlabel: "a\${TWO}\${THREE}"\n`;
    expect(problemsOf(text)).to.deep.equal([
      `1:7 name: variable ONE is not set; set it, or write \${ONE:-default}`,
      `2:8 label: variable TWO is not set; set it, or write \${TWO:-default}; variable THREE is not set; set it, or write \${THREE:-default}`,
    ]);
  });

  it('are not looked up among what every object has', () => {
    expect(problemsOf(`name: \${constructor}`)[0]).to.include('variable constructor is not set');
  });

  for (const text of [`"\${}"`, `"\${A"`, `"\${1A}"`, `"\${A-x}"`, `"\${A B}"`]) {
    it(`broken: ${text}`, () => {
      expect(problemsOf(`name: ${text}`, { A: 'x' })[0]).to.match(/^1:7 name: has a broken variable; write \$\{NAME\}/);
    });
  }

  it('never show their values', () => {
    const text = `name: \${S}
label: "x \${S}"
bind: { port: "\${S}", addr: "\${S}" }
admin: "\${S}"
discovery: { provider: "\${S}", peers: ["\${S}"] }
timeouts: "\${S}"
keyspaces:
  a: { maxBytes: "\${S}", source: "\${S}" }
  b: { maxBytes: 1MiB, source: { type: "\${S}" } }
  c: { maxBytes: 1MiB, source: { type: postgres, url: "\${S}", query: q } }
`;
    const problems = problemsOf(text, { S: 'hunter2 !' });
    expect(problems).to.have.length(12);
    expect(problems.join('\n')).to.not.include('hunter2');
    expect(problems[0]).to.equal(
      `1:7 name: must be a name of at most 128 bytes: letters, digits and . _ - :, with a letter or digit first, which the value with \${S} is not`,
    );
  });

  it('of secrets show neither value nor what stands around them', () => {
    expect(problemsOf('admin: { token: 123456 }').join()).to.not.include('123456');
    expect(problemsOf('gossip: { secrets: [hunter2, 5] }').join()).to.not.include('hunter2');
    expect(problemsOf('label: }"hunter2"').join()).to.not.include('hunter2');
  });
});
