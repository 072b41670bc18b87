import { formatSize } from '../base/units.js';
import { operationsPerFrameMax } from '../wire/frames.js';
import { type Operation, operationBound } from '../wire/operations.js';

/** Frames are cut about here: large enough to share the cost of a frame, small enough not to delay what comes behind. */
const frameCutBytes = 256 * 1024;
/** What may wait to leave on one link before calls are refused and requests of the peer are held. */
const queueBytesMax = 64 * 1024 * 1024;
/** Or twice the calls that may be in flight, where that is more. */
const queueCountMax = 65_536;
/** What a frame holds beside its operations. */
const frameOverheadBytes = 64;

/** What leaves as one frame: `operations[from..to)`. */
export interface Batch {
  readonly operations: readonly Operation[];
  readonly from: number;
  readonly to: number;
  readonly boundBytes: number;
  /** How many of them are answers. */
  readonly replies: number;
}

/** Stands in the place of an operation that is not to be sent any more. */
const dropped = Symbol('dropped');

/** Operations of one link that wait to leave, in order, counted by an upper bound of their encoded size. */
export class Outbox {
  readonly #maxFrameBytes: number;
  readonly #maxCount: number;
  #operations: (Operation | typeof dropped)[] = [];
  /** Of `#operations[i]`. */
  #bounds: number[] = [];
  /** `#operations[0]` has this place; places count all that was ever pushed. */
  #base = 0;
  /** What stands before it has left. */
  #head = 0;
  #bytes = 0;
  #holes = 0;

  constructor(maxFrameBytes: number, maxInflight: number) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#maxCount = Math.max(queueCountMax, 2 * maxInflight);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#head + this.#holes === this.#operations.length;
  }

  /** Operations taken back count until what stands before them has left. */
  get full(): boolean {
    return this.#bytes >= queueBytesMax || this.#operations.length - this.#head >= this.#maxCount;
  }

  /** True when so much waits that the peer cannot be reading. */
  get crowded(): boolean {
    return this.#operations.length - this.#head >= 2 * this.#maxCount;
  }

  /** Why an operation can never leave, or undefined. */
  misfit(operation: Operation, boundBytes: number): string | undefined {
    const roomBytes = this.#maxFrameBytes - frameOverheadBytes;
    if (boundBytes <= roomBytes || operationBound(operation, Buffer.byteLength) <= roomBytes) return undefined;
    return `is larger than a frame of ${formatSize(this.#maxFrameBytes)} takes`;
  }

  /** Gives the operation's place, for `drop`. */
  push(operation: Operation, boundBytes: number): number {
    if (this.#head > 0 && this.#head === this.#operations.length) this.#restart();
    this.#bytes += boundBytes;
    this.#bounds.push(boundBytes);
    return this.#base + this.#operations.push(operation) - 1;
  }

  /** Takes an operation back; false when it has left. */
  drop(place: number): boolean {
    const at = place - this.#base;
    if (at < this.#head || this.#operations[at] === undefined) return false;
    this.#bytes -= this.#bounds[at]!;
    this.#bounds[at] = 0;
    this.#operations[at] = dropped;
    this.#holes++;
    return true;
  }

  /** Takes out what leaves next, at least one operation; undefined when nothing waits. */
  next(): Batch | undefined {
    const operations = this.#operations;
    const from = this.#head;
    const last = Math.min(operations.length, from + operationsPerFrameMax);
    let boundBytes = 0;
    let replies = 0;
    let holes = 0;
    let to = from;
    for (; to < last; to++) {
      const operation = operations[to]!;
      if (operation === dropped) {
        holes++;
        continue;
      }
      if (boundBytes > 0 && boundBytes + this.#bounds[to]! > frameCutBytes) break;
      boundBytes += this.#bounds[to]!;
      if (operation.is === 'reply') replies++;
    }
    this.#head = to;
    this.#bytes -= boundBytes;
    this.#holes -= holes;
    if (holes === 0)
      return to === from ? undefined : { operations: operations as Operation[], from, to, boundBytes, replies };
    const left = operations.slice(from, to).filter((operation) => operation !== dropped);
    if (left.length === 0) return this.next();
    return { operations: left, from: 0, to: left.length, boundBytes, replies };
  }

  clear(): void {
    this.#restart();
    this.#bytes = 0;
  }

  /** What was taken out stays as it is in the array that its batch refers to. */
  #restart(): void {
    this.#base += this.#operations.length;
    this.#operations = [];
    this.#bounds = [];
    this.#head = 0;
    this.#holes = 0;
  }
}
