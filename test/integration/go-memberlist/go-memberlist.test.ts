import { GoProgram } from '../../support/go-memberlist.js';
import { wireTests } from './wire.js';

describe('beside hashicorp/memberlist itself', () => {
  let program: GoProgram;

  before('the Go peer is compiled', async function () {
    this.timeout(200_000);
    const built = await GoProgram.build();
    if (typeof built === 'string') {
      process.stderr.write(`SKIPPED: ${built}\n`);
      this.skip();
    }
    program = built;
  });

  after(() => program?.remove());

  describe('byte by byte', () => wireTests(() => program));
});
