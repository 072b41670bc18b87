import { expect } from 'chai';
import { assert, InvariantError, unreachable } from '../../../src/base/assert.js';
import {
  ArgumentTypeError,
  aborted,
  codeOf,
  DistcacheError,
  type ErrorCode,
  errorCodes,
  invalidArgument,
  isErrorCode,
  messageOf,
  notStarted,
  PartialFailure,
  timedOut,
} from '../../../src/base/errors.js';

describe('errors', () => {
  const retryable: Readonly<Record<ErrorCode, boolean>> = {
    KEYSPACE_NOT_FOUND: false,
    NOT_FOUND: false,
    DATA_SOURCE_CIRCUIT_OPEN: true,
    DATA_SOURCE_RATE_LIMITED: true,
    DATA_SOURCE_FAILED: true,
    CLUSTER_QUORUM: false,
    TIMEOUT: true,
    ABORTED: false,
    PEER_UNREACHABLE: true,
    OVERLOADED: true,
    INVALID_ARGUMENT: false,
    VALUE_TOO_LARGE: false,
    NOT_STARTED: false,
    UNAUTHORIZED: false,
    PARTIAL_FAILURE: false,
  };

  it('the codes are a closed set, none of which changes its name', () => {
    expect([...errorCodes].sort()).to.deep.equal(Object.keys(retryable).sort());
  });

  for (const [code, expected] of Object.entries(retryable)) {
    it(`${code} ${expected ? 'may' : 'will not'} succeed when tried again`, () => {
      expect(new DistcacheError(code as ErrorCode, 'x').retryable).to.equal(expected);
    });
  }

  it('keep their cause and the node where they happened', () => {
    const cause = new Error('disk');
    const error = new DistcacheError('DATA_SOURCE_FAILED', 'failed', { cause, node: 'n1' });
    expect(error).to.be.instanceOf(Error);
    expect(error).to.include({ name: 'DistcacheError', message: 'failed', node: 'n1' });
    expect(error.cause).to.equal(cause);
    expect(new DistcacheError('TIMEOUT', 'x')).not.to.have.property('cause');
    expect(new DistcacheError('TIMEOUT', 'x').node).to.equal(undefined);
  });

  it('PartialFailure names each node once, sorted, and leaves out the own', () => {
    const failure = (key: string, node: string) => ({ key, node, code: 'TIMEOUT' as const, message: 'late' });
    const error = new PartialFailure('some', [
      failure('a', 'n2'),
      failure('b', ''),
      failure('c', 'n10'),
      failure('d', 'n2'),
    ]);
    expect(error.nodes).to.deep.equal(['n10', 'n2']);
    expect(error).to.include({ code: 'PARTIAL_FAILURE', name: 'PartialFailure', retryable: false });
    expect(error).to.be.instanceOf(DistcacheError);
  });

  it('a wrong type is a TypeError with a code', () => {
    const error = new ArgumentTypeError('key is null');
    expect(error).to.be.instanceOf(TypeError);
    expect([codeOf(error), error.retryable]).to.deep.equal(['INVALID_ARGUMENT', false]);
  });

  const notCodes: readonly [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a text', 'NOT_FOUND'],
    ["Node's own error", Object.assign(new Error('x'), { code: 'ENOENT' })],
    ['a number for a code', { code: 5 }],
    ['what every object has', { code: 'constructor' }],
  ];
  for (const [name, thrown] of notCodes) {
    it(`${name} has no code of ours`, () => expect(codeOf(thrown)).to.equal(undefined));
  }
  it('a code of ours counts on whatever class carries it', () => {
    expect(codeOf({ code: 'NOT_FOUND' })).to.equal('NOT_FOUND');
    expect([isErrorCode('NOT_FOUND'), isErrorCode('not_found'), isErrorCode('__proto__')]).to.deep.equal([
      true,
      false,
      false,
    ]);
  });

  it('the text of anything thrown is told', () => {
    const thrown = [new Error('boom'), 'boom', undefined, null, 42, Symbol('s')];
    expect(thrown.map(messageOf)).to.deep.equal(['boom', 'boom', 'undefined', 'null', '42', 'Symbol(s)']);
  });

  it('the usual ones say what to do', () => {
    expect(invalidArgument('x').code).to.equal('INVALID_ARGUMENT');
    expect(notStarted('get')).to.include({ code: 'NOT_STARTED' });
    expect(notStarted('get').message).to.match(/^get: .*start\(\)/);
    expect(timedOut('get', 49.6)).to.include({ code: 'TIMEOUT', message: 'get did not finish within 50 ms' });
    expect(aborted('get', 'why')).to.include({ code: 'ABORTED', cause: 'why' });
  });
});

describe('assert', () => {
  it('throws a fault of ours, with its words', () => {
    expect(() => assert(1 + 1 === 2)).not.to.throw();
    expect(() => assert(false)).to.throw(InvariantError, 'invariant broken');
    expect(() => assert(0, 'no')).to.throw(InvariantError, /^no$/);
    expect(() => unreachable({ is: 'else' } as never)).to.throw(InvariantError, 'unexpected {"is":"else"}');
  });
});
