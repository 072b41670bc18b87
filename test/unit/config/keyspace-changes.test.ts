import { expect } from 'chai';
import { loadKeyspaceChanges } from '../../../src/config/keyspace-changes.js';
import { formatProblem } from '../../../src/config/problems.js';

describe('config: settings of one keyspace', () => {
  it('are what a file says below the name of a keyspace, none and null standing for none', () => {
    const text = 'maxBytes: 1MiB\ndefaultTtl: none\nnegativeTtl: null\nrateLimit: { rate: 100/s }\n';
    expect(loadKeyspaceChanges(text, 'f.yaml', {})).to.deep.equal({
      ok: true,
      changes: { maxBytes: 1024 ** 2, defaultTtl: null, negativeTtl: null, rateLimit: { rate: 100 } },
    });
  });

  it('are refused where they stay as they are while it runs, each key that is known there named', () => {
    const text = 'source: { type: none }\neviction: lru\nbatch: { maxKeys: 1 }\nmaxByte: 1MiB\nx: 1\n';
    const read = loadKeyspaceChanges(text, 'f.yaml', {});
    const fixed = "cannot be changed while a keyspace runs; it is for the nodes' files";
    const problems = read.ok ? [] : read.problems.map(formatProblem);
    expect(problems.slice(0, 4)).to.deep.equal([
      `f.yaml:1:1 source: ${fixed}`,
      `f.yaml:2:1 eviction: ${fixed}`,
      `f.yaml:3:1 batch: ${fixed}`,
      'f.yaml:4:1 maxByte: unknown key; did you mean maxBytes?',
    ]);
    expect(problems[4]).to.include('known here are').and.not.include('batch');
  });
});
