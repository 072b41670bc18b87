import type { KeyspaceResult } from '../base/errors.js';
import type { CallOptions, SweepResult } from '../ports/cache.js';
import type { KeyspaceChanges, KeyspacePreview } from '../ports/keyspace-changes.js';
import type { KeyspaceControl, KeyspaceSettingsGiven } from './keyspace-control.js';
import type { KeyspaceOptions } from './options.js';

/** What operators do with the keyspaces of an engine while it runs: on every node, but for those that say otherwise. */
export abstract class KeyspaceOperations {
  protected abstract get control(): KeyspaceControl;

  /**
   * Changes options of a keyspace on every node, for as long as the cluster lives. Entries that are valid stay. Rejects with
   * PARTIAL_FAILURE that names the nodes which could not be told; they learn it when they are back.
   */
  async updateKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult> {
    return this.control.update(name, changes, options);
  }

  /** What `updateKeyspace` would change on this node; nothing is changed. */
  previewKeyspace(name: string, changes: KeyspaceChanges): KeyspacePreview {
    return this.control.preview(name, changes);
  }

  /** Empties a keyspace on every node: no node then answers with anything from before. Rejects as `updateKeyspace` does. */
  async clearKeyspace(name: string, options?: CallOptions): Promise<KeyspaceResult> {
    return this.control.clear(name, options);
  }

  /** Deletes all entries that bear a tag, on every node, loads under way too. Nodes that did not confirm are named. */
  async deleteByTag(keyspace: string, tag: string, options?: CallOptions): Promise<SweepResult> {
    return this.control.sweep(keyspace, 'tag', tag, options);
  }

  /** The same of all entries whose key begins with `prefix`. Looks at every key of the keyspace, on every node. */
  async deleteByPrefix(keyspace: string, prefix: string, options?: CallOptions): Promise<SweepResult> {
    return this.control.sweep(keyspace, 'prefix', prefix, options);
  }

  /** Removes a keyspace on every node. Rejects as `updateKeyspace` does. */
  async deleteKeyspace(name: string, options?: CallOptions): Promise<KeyspaceResult> {
    return (await this.control.delete([name], options))[0]!;
  }

  /** All of them are checked before the first is removed. */
  async deleteKeyspaces(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]> {
    return this.control.delete(names, options);
  }

  /**
   * Adds a keyspace to this node alone. One that was deleted on all nodes is brought back by it. Rejects with what opening
   * the data source threw.
   */
  async addKeyspace(keyspace: KeyspaceOptions, options?: CallOptions): Promise<void> {
    return this.control.add(keyspace, options);
  }

  /** Takes a keyspace from this node alone; its part of the keys is then loaded by whoever is asked. False: there was none. */
  removeKeyspace(name: string): boolean {
    return this.control.remove(name);
  }

  /**
   * Changes what this node alone says of a keyspace, as when its file is read again; its data source stays. An option that
   * differs from what this node said before holds from now on: an earlier `updateKeyspace` of it is withdrawn, on all nodes.
   * True when anything is different here.
   */
  async redefineKeyspace(keyspace: KeyspaceSettingsGiven, options?: CallOptions): Promise<boolean> {
    return this.control.redefine(keyspace, options);
  }
}
