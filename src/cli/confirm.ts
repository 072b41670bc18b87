import { DistcacheError } from '../base/errors.js';
import { usageError } from './failure.js';
import type { Terminal } from './terminal.js';

/**
 * Asks before what cannot be undone. Resolves when the answer is yes; rejects as interrupted when it is anything else, and
 * as bad usage where nobody can be asked: a script has to say that it means it.
 */
export async function confirm(question: string, isSure: boolean, terminal: Terminal): Promise<void> {
  if (isSure) return;
  if (!terminal.stdinIsTerminal || !terminal.stderr.isTerminal) {
    throw usageError(`${question} Without a terminal to ask on, --yes says so`);
  }
  await terminal.stderr.write(`${question} [y/N] `);
  if (!/^y(es)?$/i.test((await firstLine(terminal.stdin)).trim())) {
    throw new DistcacheError('ABORTED', 'not confirmed, so nothing was changed');
  }
}

const answerBytesMax = 1024;

async function firstLine(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += Buffer.from(chunk).toString();
    if (text.includes('\n') || text.length > answerBytesMax) break;
  }
  return text.split('\n')[0] ?? '';
}
