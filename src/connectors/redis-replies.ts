import handlers from 'ioredis/built/DataHandler.js';

interface Shifting {
  shiftCommand(reply: unknown): unknown;
}

/*
 * ioredis (6.0) tells of a reply that nobody asked for in an event, with the reply as text; where it is a null it fails at
 * that, in a turn of its own, where nothing can catch it: the whole process ends. Any server that says `$-1` once too often
 * could end a node that way. So such a null is told of as text.
 */
export function holdNullReplies(): void {
  // What is imported of CommonJS holds its default export in one of two places, by who loads it.
  const { prototype } = ('default' in handlers ? handlers.default : handlers) as unknown as { prototype: Shifting };
  if (held.has(prototype)) return;
  held.add(prototype);
  const { shiftCommand } = prototype;
  prototype.shiftCommand = function (this: Shifting, reply: unknown): unknown {
    return shiftCommand.call(this, reply ?? 'null');
  };
}

const held = new WeakSet<Shifting>();

/** From then on no reply can be told from another's. */
export const isOutOfStep = (error: Error): boolean => error.message.startsWith('Command queue state error');
