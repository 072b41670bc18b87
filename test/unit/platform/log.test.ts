import { expect } from 'chai';
import { runModule } from '../../support/child.js';

const script = (options: object, body: string): string => `
  import { createLog } from './src/platform/log.ts';
  const log = await createLog(${JSON.stringify(options)});
  ${body}
  console.log('went on');
`;

describe('log', () => {
  it('json: one object a line on stderr, with time, level, message and fields; stdout stays free', async () => {
    const { exit, stdout, stderr } = await runModule(
      script(
        { level: 'info', format: 'json' },
        `
        log.write('debug', 'not shown');
        log.write('info', 'first');
        log.write('warn', 'line\\nbreak', { peer: 'n1', bytes: 5, nested: { a: [1] } });
        log.write('error', 'third', { error: new Error('boom') });
      `,
      ),
    );
    expect({ exit, stdout }).to.deep.equal({ exit: 0, stdout: 'went on\n' });
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ msg }) => msg)).to.deep.equal(['first', 'line\nbreak', 'third']);
    expect(lines[1]).to.include({ peer: 'n1', bytes: 5 });
    for (const { time } of lines) expect(new Date(time).toISOString()).to.equal(time);
    expect(lines[0]).not.to.have.any.keys('pid', 'hostname');
  });

  it('pretty: the message and its fields for people', async () => {
    const { exit, stdout, stderr } = await runModule(
      script({ level: 'debug', format: 'pretty' }, `log.write('debug', 'first', { peer: 'n1' });`),
    );
    expect({ exit, stdout }).to.deep.equal({ exit: 0, stdout: 'went on\n' });
    expect(stderr).to.match(/DEBUG.*first[\s\S]*peer.*n1/);
  });

  it('fields that cannot be written, as in a circle or with a getter that throws, harm nobody', async () => {
    const { exit, stdout, stderr } = await runModule(
      script(
        { level: 'info', format: 'json' },
        `
        const circle = {}; circle.circle = circle;
        log.write('info', 'circle', { circle, big: 5n });
        log.write('info', 'rude', { get rude() { throw new Error('no'); } });
        log.write('info', 'last');
      `,
      ),
    );
    expect({ exit, stdout }).to.deep.equal({ exit: 0, stdout: 'went on\n' });
    expect(stderr).to.include('"last"');
  });

  for (const format of ['json', 'pretty']) {
    it(`${format}: goes on in silence when nobody reads stderr any more`, async () => {
      const { exit, stdout } = await runModule(
        script(
          { level: 'info', format },
          `
          for (let i = 0; i < 200; i++) {
            log.write('info', 'x'.repeat(1000));
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        `,
        ),
        { closeStderr: true },
      );
      expect({ exit, stdout }).to.deep.equal({ exit: 0, stdout: 'went on\n' });
    });
  }
});
