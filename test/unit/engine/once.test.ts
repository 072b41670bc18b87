import { expect } from 'chai';
import { Once } from '../../../src/engine/once.js';
import type { PeerReply } from '../../../src/ports/peers.js';

describe('Once', () => {
  const written = (version: number): PeerReply => ({ is: 'written', version, unreached: [] });
  let once: Once;
  let made: number;
  const write = (answer: () => Promise<PeerReply>) => () => {
    made++;
    return answer();
  };
  beforeEach(() => {
    once = new Once();
    made = 0;
  });

  it('a write that is asked for again is not made again, under way or done', async () => {
    let end: (reply: PeerReply) => void = () => {};
    const hanging = write(
      () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    );
    const first = once.run('a', 1, hanging);
    const again = once.run('a', 1, hanging);
    end(written(7));
    expect(await Promise.all([first, again])).to.deep.equal([written(7), written(7)]);
    expect(await once.run('a', 1, hanging)).to.deep.equal(written(7));
    expect(made).to.equal(1);
  });

  it('another number, and that of another peer, is another write', async () => {
    for (const [id, number] of [
      ['a', 1],
      ['a', 2],
      ['b', 1],
    ] as const)
      await once.run(
        id,
        number,
        write(async () => written(number)),
      );
    expect(made).to.equal(3);
    expect(once.size).to.equal(3);
  });

  it('one that failed, or was not this node’s to make, is made anew', async () => {
    const failing = write(() => Promise.reject(new Error('no')));
    const [first, waiting] = [
      once.run('a', 1, failing),
      once.run(
        'a',
        1,
        write(async () => written(8)),
      ),
    ];
    expect(await first.catch(({ message }: Error) => message)).to.equal('no');
    expect(await waiting).to.deep.equal(written(8));
    await once.run(
      'a',
      2,
      write(async () => ({ is: 'not-owner', owner: 'b' })),
    );
    expect(
      await once.run(
        'a',
        2,
        write(async () => written(9)),
      ),
    ).to.deep.equal(written(9));
    expect(made).to.equal(4);
  });

  it('remembers the latest 8,192', async () => {
    for (let i = 1; i <= 8200; i++)
      await once.run(
        'a',
        i,
        write(async () => written(i)),
      );
    expect(once.size).to.equal(8192);
    await once.run(
      'a',
      8200,
      write(async () => written(0)),
    );
    expect(made).to.equal(8200);
    await once.run(
      'a',
      1,
      write(async () => written(0)),
    );
    expect(made).to.equal(8201);
  });
});
