import { expect } from 'chai';
import { DistcacheError, errorCodes, PartialFailure } from '../../../src/base/errors.js';
import { exitCodeOf } from '../../../src/cli/exit-codes.js';
import { describeFailure, FailureWithData, oneLine, usageError } from '../../../src/cli/failure.js';

const failure = (key: string, code: DistcacheError['code']) => ({ key, code, message: '', node: '' });

describe('cli: exit codes', () => {
  it('are those of the contract for every error code', () => {
    expect(Object.fromEntries(errorCodes.map((code) => [code, exitCodeOf(code)]))).to.deep.equal({
      KEYSPACE_NOT_FOUND: 3,
      NOT_FOUND: 3,
      DATA_SOURCE_CIRCUIT_OPEN: 5,
      DATA_SOURCE_RATE_LIMITED: 5,
      DATA_SOURCE_FAILED: 1,
      CLUSTER_QUORUM: 4,
      TIMEOUT: 4,
      ABORTED: 130,
      PEER_UNREACHABLE: 4,
      OVERLOADED: 5,
      INVALID_ARGUMENT: 2,
      VALUE_TOO_LARGE: 2,
      NOT_STARTED: 4,
      UNAUTHORIZED: 6,
      PARTIAL_FAILURE: 4,
    });
  });

  it('of a batch are those of its gravest failure', () => {
    const batch = new PartialFailure('two', [failure('a', 'NOT_FOUND'), failure('b', 'OVERLOADED')]);
    expect(describeFailure(batch).exit).to.equal(5);
    expect(describeFailure(new PartialFailure('none', [])).exit).to.equal(4);
  });
});

describe('cli: failures', () => {
  const rows: readonly { name: string; thrown: unknown; exit: number; code: string; message: string }[] = [
    { name: 'ours', thrown: usageError('no'), exit: 2, code: 'INVALID_ARGUMENT', message: 'no' },
    {
      name: 'a fault',
      thrown: new TypeError('x is\nundefined'),
      exit: 1,
      code: 'INTERNAL',
      message: 'x is; undefined',
    },
    { name: 'no error at all', thrown: undefined, exit: 1, code: 'INTERNAL', message: 'undefined' },
    { name: 'an error without text', thrown: new Error(''), exit: 1, code: 'INTERNAL', message: 'unknown failure' },
    {
      name: 'a flag of the parser',
      thrown: Object.assign(new Error('Nonexistent flag: --x\nSee more help with --help'), {
        oclif: {},
        flags: ['--x'],
      }),
      exit: 2,
      code: 'INVALID_ARGUMENT',
      message: 'unknown flag --x; a value that starts with a dash goes behind --',
    },
    {
      name: 'our error of a flag, wrapped by the parser',
      thrown: usageError('Parsing --ttl \n\t--ttl is "x"\nSee more help with --help'),
      exit: 2,
      code: 'INVALID_ARGUMENT',
      message: '--ttl is "x"',
    },
  ];
  for (const { name, thrown, ...expected } of rows) {
    it(`are told in one line: ${name}`, () => {
      const { exit, code, message } = describeFailure(thrown);
      expect({ exit, code, message }).to.deep.equal(expected);
    });
  }

  it('bring the data that goes beside them', () => {
    const thrown = new FailureWithData(new DistcacheError('NOT_FOUND', 'none'), { key: 'a' });
    expect(describeFailure(thrown)).to.deep.equal({
      exit: 3,
      code: 'NOT_FOUND',
      message: 'none',
      data: { key: 'a' },
      begun: false,
    });
  });

  it('cannot drive the terminal', () => {
    expect(oneLine('a\u001b[2Jb\u0000\u2028c')).to.equal('a\\u001b[2Jb\\u0000\\u2028c');
  });
});
