import { expect } from 'chai';
import { asyncLoadContext } from '../../../src/platform/load-context.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('load context', () => {
  it('is empty outside of any load', () => {
    expect(asyncLoadContext().current()).to.deep.equal([]);
  });

  it('follows awaits, timers and callbacks, and ends with what it ran', async () => {
    const context = asyncLoadContext();
    const seen: (readonly string[])[] = [];
    const running = context.run(['a'], async () => {
      seen.push(context.current());
      await null;
      seen.push(context.current());
      await turn();
      seen.push(context.current());
      await new Promise<void>((resolve) => queueMicrotask(resolve)).then(() => seen.push(context.current()));
      return 'answer';
    });
    expect(context.current()).to.deep.equal([]);
    expect(await running).to.equal('answer');
    expect(context.current()).to.deep.equal([]);
    expect(seen).to.deep.equal(Array(4).fill(['a']));
  });

  it('nests, and the inner one does not leak into the outer', async () => {
    const context = asyncLoadContext();
    await context.run(['a'], async () => {
      const inner = context.run([...context.current(), 'b'], async () => {
        await turn();
        return context.current();
      });
      expect(context.current()).to.deep.equal(['a']);
      expect(await inner).to.deep.equal(['a', 'b']);
      expect(context.current()).to.deep.equal(['a']);
    });
  });

  it('keeps concurrent loads apart', async () => {
    const context = asyncLoadContext();
    const names = Array.from({ length: 50 }, (_, i) => `load ${i}`);
    const seen = await Promise.all(
      names.map((name, i) =>
        context.run([name], async () => {
          for (let n = 0; n < i % 5; n++) await turn();
          return context.current();
        }),
      ),
    );
    expect(seen).to.deep.equal(names.map((name) => [name]));
  });

  it('of one engine is not that of another in the same process', () => {
    const [ours, theirs] = [asyncLoadContext(), asyncLoadContext()];
    ours.run(['a'], () => expect(theirs.current()).to.deep.equal([]));
  });

  it('passes on what its body throws', () => {
    const context = asyncLoadContext();
    const failing = (): never => {
      throw new Error('boom');
    };
    expect(() => context.run(['a'], failing)).to.throw('boom');
    expect(context.current()).to.deep.equal([]);
  });
});
