import { expect } from 'chai';
import { problemsOf } from './support.js';

describe('config: URLs of data sources', () => {
  it('that cannot be read are told so, and not shown', () => {
    for (const url of ['redis://127.0.0.1:99999', 'redis://:hunter2/3@h:1']) {
      const [problem = ''] = problemsOf(`keyspaces: { a: { maxBytes: 1MiB, source: { type: redis, url: "${url}" } } }`);
      expect(problem).to.include('its host or port cannot be read').and.not.include('hunter2');
    }
    const [other = ''] = problemsOf('keyspaces: { a: { maxBytes: 1MiB, source: { type: redis, url: "http://h" } } }');
    expect(other).to.match(/must be a URL that starts with redis:\/\/ or rediss:\/\/$/);
  });
});

describe('config: queries of data sources', () => {
  const rows: readonly { name: string; source: string; problem: string }[] = [
    {
      name: 'of SQLite without key',
      source: 'sqlite, file: a.db, query: select 1',
      problem: 'has no parameter for the key; write for example: select json from city where id = :key',
    },
    {
      name: 'of SQLite with two ways to write it',
      source: 'sqlite, file: a.db, query: "select :key, ?"',
      problem: 'mixes :key with ?; use one of them',
    },
    {
      name: 'of Postgres without key',
      source: 'postgres, url: "postgres://h/d", query: "select \'$1\'"',
      problem: 'has no parameter for the key; write for example: select doc from users where id = $1',
    },
    {
      name: 'of Postgres with another parameter',
      source: 'postgres, url: "postgres://h/d", query: select $2',
      problem:
        'has the parameter $2, but only $1, the key, is known; write for example: select doc from users where id = $1',
    },
  ];
  for (const { name, source, problem } of rows) {
    it(`are refused with their place: ${name}`, () => {
      const found = problemsOf(`keyspaces:\n  a: { maxBytes: 1MiB, source: { type: ${source} } }\n`);
      expect(found).to.have.length(1);
      expect(found[0]).to.match(/^2:\d+ keyspaces\.a\.source\.query: /);
      expect(found[0]!.endsWith(problem), found[0]).to.equal(true);
    });
  }
});
