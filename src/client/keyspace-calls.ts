import type { KeyspaceResult } from '../base/errors.js';
import { checkNodes } from '../base/node-outcomes.js';
import { checkSweep } from '../engine/arguments.js';
import { checkNames, settingsOf } from '../engine/tunables.js';
import type { CallOptions, SweepResult } from '../ports/cache.js';
import type { KeyspaceChanges, KeyspacePreview } from '../ports/keyspace-changes.js';
import type { Sweep } from '../ports/keyspace-record.js';
import { resultIn, settingsIn, settingsMessage } from '../wire/keyspace-settings.js';
import type { Ask } from './calls.js';
import { methods } from './methods.js';

/** Changes of keyspaces, and deletes of many entries, on every node. Changes reject with PARTIAL_FAILURE where a node failed. */
export class KeyspaceCalls {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async update(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult> {
    const request = { name, settings: changesMessage(changes), dryRun: false };
    const reply = await this.#ask(methods.updateKeyspace, request, `update keyspace ${name}`, options, true);
    return told([resultIn(reply.result, name)], 'changed')[0]!;
  }

  async preview(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspacePreview> {
    const request = { name, settings: changesMessage(changes), dryRun: true };
    const what = `preview an update of keyspace ${name}`;
    const { before, after } = await this.#ask(methods.updateKeyspace, request, what, options, true);
    return { keyspace: name, before: settingsIn(before), after: settingsIn(after) };
  }

  async deleteMatching(keyspace: string, by: Sweep['by'], text: string, options?: CallOptions): Promise<SweepResult> {
    checkSweep(by, text);
    const asked = by === 'tag' ? { keyspace, tag: text } : { keyspace, prefix: text };
    const what = `delete by ${by} ${JSON.stringify(text)} of ${keyspace}`;
    const { version, removed, unreached } = await this.#ask(methods.deleteMatching, asked, what, options, true);
    return { version, removed, unreached };
  }

  async clear(name: string, options?: CallOptions): Promise<KeyspaceResult> {
    const reply = await this.#ask(methods.clearKeyspace, { name }, `clear keyspace ${name}`, options, true);
    return told([resultIn(reply, name)], 'cleared')[0]!;
  }

  async delete(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]> {
    const what = `delete keyspaces ${names.join(', ')}`;
    const { results } = await this.#ask(methods.deleteKeyspaces, { names: [...names] }, what, options, false);
    return told(
      results.map((result) => resultIn(result, '')),
      'deleted',
    );
  }
}

function told(results: readonly KeyspaceResult[], done: string): readonly KeyspaceResult[] {
  checkNodes(results, done);
  return results;
}

function changesMessage(changes: KeyspaceChanges) {
  checkNames(changes);
  return settingsMessage(settingsOf(changes), 'request');
}
