import { GoProgram } from '../../support/go-memberlist.js';
import { failureTests } from './failures.js';
import { lifeTests } from './life.js';
import { secretTests } from './secrets.js';
import { tcpTests } from './tcp.js';
import { wireTests } from './wire.js';

describe('beside hashicorp/memberlist itself', function () {
  this.timeout(60_000);
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
  describe('packets over TCP', () => tcpTests(() => program));
  describe('labels and keys', () => secretTests(() => program));
  describe('what becomes of members', () => failureTests(() => program));
  describe('one pool', () => lifeTests(() => program));
});
