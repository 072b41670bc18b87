import type {
  HistoryRecord,
  LoadRecord,
  MemberRecord,
  NodeRecord,
  ReadOutcome,
  ReadRecord,
  WriteOutcome,
  WriteRecord,
} from './records.js';

type Begun<T, K extends keyof T> = Pick<T, K>;
type ReadAsked = Begun<ReadRecord, 'client' | 'node' | 'key'> &
  Partial<Begun<ReadRecord, 'minVersion' | 'consistency' | 'final'>>;
type WriteAsked = Begun<WriteRecord, 'client' | 'node' | 'key' | 'kind' | 'seq'>;

/** Records of everybody who takes part, on one clock. What has begun and not ended is in no list until `close`. */
export class History {
  readonly writes: WriteRecord[] = [];
  readonly reads: ReadRecord[] = [];
  readonly loads: LoadRecord[] = [];
  readonly nodes: NodeRecord[] = [];
  readonly members: MemberRecord[] = [];
  readonly #openWrites = new Map<number, () => void>();
  #step = 0;

  constructor(private readonly nowMs: () => number) {}

  /** To be called before the data source changes; what it gives is called once, when the outcome is known. */
  write(asked: WriteAsked): (outcome: WriteOutcome) => void {
    const start = this.#start();
    const end = (outcome: WriteOutcome): void => {
      if (!this.#openWrites.delete(start.startStep)) return;
      this.writes.push({ is: 'write', ...asked, ...start, ...this.#end(), outcome });
    };
    this.#openWrites.set(start.startStep, () => end({ is: 'unknown', code: 'OPEN' }));
    return end;
  }

  read(asked: ReadAsked): (outcome: ReadOutcome) => void {
    const start = this.#start();
    const standard = { minVersion: undefined, consistency: 'cached', final: false } as const;
    return (outcome) => void this.reads.push({ is: 'read', ...standard, ...asked, ...start, ...this.#end(), outcome });
  }

  load(key: string, node = '', askedMs?: number): () => void {
    const start = this.#start();
    return () => void this.loads.push({ is: 'load', key, node, askedMs, ...start, ...this.#end() });
  }

  node(node: string, what: NodeRecord['what']): void {
    this.nodes.push({ is: 'node', node, what, ...this.#moment() });
  }

  member(node: string, what: MemberRecord['what'], peer: string): void {
    this.members.push({ is: 'member', node, what, peer, ...this.#moment() });
  }

  /** Writes that are still open count as unknown: they may have happened. Idempotent. */
  close(): void {
    for (const end of [...this.#openWrites.values()]) end();
  }

  all(): readonly HistoryRecord[] {
    return [...this.writes, ...this.reads, ...this.loads, ...this.nodes, ...this.members];
  }

  #start() {
    return { startMs: this.nowMs(), startStep: ++this.#step };
  }

  #end() {
    return { endMs: this.nowMs(), endStep: ++this.#step };
  }

  #moment() {
    return { atMs: this.nowMs(), step: ++this.#step };
  }
}
