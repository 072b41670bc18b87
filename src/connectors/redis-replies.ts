import handlers from 'ioredis/built/DataHandler.js';
import { Decoder } from 'ioredis/built/resp/decoder.js';
import { RedisFraming } from './redis-framing.js';

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

const held = new WeakSet<object>();

/**
 * The decoder of ioredis (6.0) goes back by a length below zero, which it makes of `$` and anything but digits, and then
 * reads the same for ever. So bytes pass a check before it has them; what that throws ends the connection.
 */
export function holdLengths(): void {
  const { prototype } = Decoder;
  if (held.has(prototype)) return;
  held.add(prototype);
  const { write } = prototype;
  const framings = new WeakMap<Decoder, RedisFraming>();
  prototype.write = function (this: Decoder, piece: Buffer): void {
    const framing = framings.get(this) ?? new RedisFraming();
    framings.set(this, framing);
    framing.check(piece);
    write.call(this, piece);
  };
}

/** From then on no reply can be told from another's. */
export const isOutOfStep = (error: Error): boolean => error.message.startsWith('Command queue state error');
