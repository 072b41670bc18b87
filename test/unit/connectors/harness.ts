import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { SourceContext, SourceDefinition } from '../../../src/connectors/definition.js';
import { createDataSource } from '../../../src/connectors/registry.js';
import { systemClock } from '../../../src/platform/clock.js';
import type { DataSource, FetchResult } from '../../../src/ports/data-source.js';
import { silent } from '../../../src/ports/log.js';

export const contextOf = (overrides: Partial<SourceContext> = {}): SourceContext => ({
  keyspace: 'cities',
  baseDir: '/nowhere',
  maxValueBytes: 1024,
  honourCacheHeaders: true,
  readTimeoutMs: 5000,
  clock: { wallMs: () => 1_700_000_000_000, after: systemClock.after },
  log: silent,
  ...overrides,
});

export interface Harness {
  /** A fresh folder, removed after the test. */
  readonly folder: string;
  /** Closed after the test. */
  create(definition: SourceDefinition, overrides?: Partial<SourceContext>): Promise<DataSource>;
}

/** Registers the hooks of a suite; its fields hold from the first hook on. */
export function useSources(): Harness {
  let folder = '';
  let sources: DataSource[] = [];
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'distcache-connectors-')));
    sources = [];
  });
  afterEach(async () => {
    for (const source of sources) await source.close?.();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    create: async (definition, overrides = {}) => {
      const source = await createDataSource(definition, contextOf({ baseDir: folder, ...overrides }));
      sources.push(source);
      return source;
    },
  };
}

export const fetchOf = async (
  source: DataSource,
  key: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<FetchResult> => source.fetch(key, { signal });

/** The value as text, or null; fails where a time to live came with it. */
export async function textOf(source: DataSource, key: string): Promise<string | null> {
  const result = await fetchOf(source, key);
  if (result === null || typeof result === 'string') return result;
  expect(result, 'a bare value').to.be.instanceOf(Uint8Array);
  return Buffer.from(result as Uint8Array).toString();
}

export async function rejection(work: Promise<unknown>): Promise<Error & { code?: string }> {
  let result: unknown;
  try {
    result = await work;
  } catch (error) {
    expect(error).to.be.instanceOf(Error);
    return error as Error & { code?: string };
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(result)}`);
}
