import { expect } from 'chai';
import { Stop, type StopSignal } from '../../../src/base/stop-signal.js';

describe('Stop', () => {
  interface Source {
    readonly signal: StopSignal;
    abort(reason: unknown): void;
  }
  const real = (): Source => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
  };
  const ours = (): Source => {
    const stop = new Stop();
    return { signal: stop, abort: (reason) => stop.abort(reason) };
  };

  for (const [name, make] of [
    ['as an AbortController does it', real],
    ['as a Stop does it', ours],
  ] as const) {
    it(`tells each listener once, those taken back never, and keeps its first reason, ${name}`, () => {
      const { signal, abort } = make();
      const told: string[] = [];
      const listener = (): void => void told.push('kept');
      const gone = (): void => void told.push('gone');
      signal.addEventListener('abort', listener, { once: true });
      signal.addEventListener('abort', gone, { once: true });
      signal.removeEventListener('abort', gone);
      signal.removeEventListener('abort', gone);
      expect([signal.aborted, signal.reason]).to.deep.equal([false, undefined]);
      abort('first');
      abort('second');
      expect([signal.aborted, signal.reason]).to.deep.equal([true, 'first']);
      signal.addEventListener('abort', () => told.push('late'), { once: true });
      signal.removeEventListener('abort', listener);
      expect(told).to.deep.equal(['kept']);
    });

    it(`is aborted already when its listeners hear of it, and one may take itself back meanwhile, ${name}`, () => {
      const { signal, abort } = make();
      const seen: boolean[] = [];
      const listener = (): void => {
        seen.push(signal.aborted);
        signal.removeEventListener('abort', listener);
      };
      signal.addEventListener('abort', listener, { once: true });
      signal.addEventListener('abort', () => seen.push(signal.aborted), { once: true });
      abort(undefined);
      expect(seen).to.deep.equal([true, true]);
    });
  }
});
