import { expect } from 'chai';
import { RecentAnswers, rendered } from '../../../src/admin/answers.js';
import { type Failure, failureOf, Refused } from '../../../src/admin/failure.js';
import { Router, targetOf } from '../../../src/admin/router.js';
import type { Route } from '../../../src/admin/routes.js';
import { Throttle } from '../../../src/admin/throttle.js';
import { DistcacheError } from '../../../src/base/errors.js';
import { FakeClock } from '../../support/fake-clock.js';

const refusal = (call: () => unknown): Failure => {
  try {
    call();
  } catch (error) {
    return failureOf(error);
  }
  throw new Error('it was not refused');
};

describe('admin: a throttle', () => {
  it('lets a burst pass, and then so many a second', () => {
    const clock = new FakeClock();
    const throttle = new Throttle(clock, 10, 5);
    const passed = (tries: number): number =>
      Array.from({ length: tries }, () => throttle.take()).filter(Boolean).length;
    expect(passed(20)).to.equal(5);
    return clock.advance(300).then(async () => {
      expect(passed(20)).to.equal(3);
      await clock.advance(60_000);
      expect(passed(20)).to.equal(5);
    });
  });
});

describe('admin: answers of a moment ago', () => {
  it('are made once for all who ask, and again when their time is over or they failed', async () => {
    const clock = new FakeClock();
    const recent = new RecentAnswers(clock, 200);
    let made = 0;
    const make = async () => rendered({ status: 200, document: { made: ++made } });
    const [one, two] = await Promise.all([recent.get('/a', make), recent.get('/a', make)]);
    expect(one).to.equal(two);
    await clock.advance(199);
    expect(await recent.get('/a', make)).to.equal(one);
    await clock.advance(1);
    expect(await recent.get('/a', make)).not.to.equal(one);
    expect(made).to.equal(2);
    let failures = 0;
    const fail = () => Promise.reject(new Error(`${++failures}`));
    for (const expected of ['1', '2']) {
      expect(await recent.get('/b', fail).catch((error: Error) => error.message)).to.equal(expected);
    }
  });

  it('are no more than 64, whatever is asked for', async () => {
    const recent = new RecentAnswers(new FakeClock(), 1e9);
    const made: string[] = [];
    const ask = (what: string) =>
      recent.get(what, async () => {
        made.push(what);
        return rendered({ status: 200, document: what });
      });
    for (let i = 0; i < 65; i++) await ask(`/${i}`);
    await ask('/64');
    await ask('/0');
    expect(made.filter((what) => what === '/0')).to.have.lengthOf(2);
    expect(made.filter((what) => what === '/64')).to.have.lengthOf(1);
  });
});

describe('admin: routes', () => {
  const route = (method: 'GET' | 'POST', path: string): Route => ({
    method,
    path,
    answer: () => ({ status: 200, document: {} }),
  });
  const router = new Router([
    route('GET', '/peers'),
    route('GET', '/keyspaces/{name}'),
    route('POST', '/keyspaces/{name}/clear'),
  ]);

  it('are found by method and path; a name is one part, decoded', () => {
    expect(router.match('GET', '/peers').route.path).to.equal('/peers');
    expect(router.match('HEAD', '/peers').route.path).to.equal('/peers');
    expect(router.match('GET', '/keyspaces/a%2Fb%20c').name).to.equal('a/b c');
    expect(router.match('POST', '/keyspaces/x.y/clear').name).to.equal('x.y');
  });

  it('are refused with what to do instead', () => {
    expect(refusal(() => router.match('GET', '/keyspaces/a/b'))).to.include({ status: 404 });
    expect(refusal(() => router.match('GET', '/peersx')).status).to.equal(404);
    const wrong = refusal(() => router.match('DELETE', '/peers'));
    expect([wrong.status, wrong.headers.allow]).to.deep.equal([405, 'GET']);
    expect(refusal(() => router.match('GET', '/keyspaces/%E0')).status).to.equal(400);
  });

  it('lie below the base path, with or without a slash at the end', () => {
    expect(targetOf('/ops/peers?a=1', '/ops').path).to.equal('/peers');
    expect(targetOf('/ops/peers/', '/ops').path).to.equal('/peers');
    expect(targetOf('/ops?x', '/ops').path).to.equal('');
    for (const url of ['/', '/opsx', '/x/ops', '//ops/peers']) {
      expect(refusal(() => targetOf(url, '/ops')).status, url).to.equal(404);
    }
  });
});

describe('admin: failures', () => {
  it('tell their code, and faults of ours nothing', () => {
    expect(failureOf(new DistcacheError('KEYSPACE_NOT_FOUND', 'no such'))).to.deep.include({
      status: 404,
      document: { error: { code: 'KEYSPACE_NOT_FOUND', message: 'no such' } },
    });
    expect(failureOf(new Refused(418, 'X', 'tea', { a: 'b' }))).to.deep.include({ status: 418, headers: { a: 'b' } });
    const fault = failureOf(new TypeError('password is 123'));
    expect([fault.status, fault.document.error.message]).to.deep.equal([
      500,
      'internal error; see the log of the node',
    ]);
  });
});
