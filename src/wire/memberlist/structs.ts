import type { Shape } from './msgpack.js';

/** The numbers of message types on the wire. */
export const messageType = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  crc: 12,
  err: 13,
  label: 244,
} as const;

/** Memberlist's structs, fields in the order of their declaration: it counts for a struct sent as an array. */
const source = { SourceAddr: 'bytes', SourcePort: 'u16', SourceNode: 'text' } as const;

export const pingShape = { SeqNo: 'u32', Node: 'text', ...source } as const satisfies Shape;
export const indirectPingShape = {
  SeqNo: 'u32',
  Target: 'bytes',
  Port: 'u16',
  Node: 'text',
  Nack: 'bool',
  ...source,
} as const satisfies Shape;
/** Absent rather than zero; all others are always written. */
export const omittedWhenEmpty = ['SourceAddr', 'SourcePort', 'SourceNode'] as const;

export const ackShape = { SeqNo: 'u32', Payload: 'bytes' } as const satisfies Shape;
export const nackShape = { SeqNo: 'u32' } as const satisfies Shape;
export const errShape = { Error: 'text' } as const satisfies Shape;
/** Of suspect and of dead. */
export const accusationShape = { Incarnation: 'u32', Node: 'text', From: 'text' } as const satisfies Shape;
export const aliveShape = {
  Incarnation: 'u32',
  Node: 'text',
  Addr: 'bytes',
  Port: 'u16',
  Meta: 'bytes',
  Vsn: 'bytes',
} as const satisfies Shape;
export const pushPullHeaderShape = { Nodes: 'int', UserStateLen: 'int', Join: 'bool' } as const satisfies Shape;
export const pushNodeStateShape = {
  Name: 'text',
  Addr: 'bytes',
  Port: 'u16',
  Meta: 'bytes',
  Incarnation: 'u32',
  State: 'int',
  Vsn: 'bytes',
} as const satisfies Shape;
export const userHeaderShape = { UserMsgLen: 'int' } as const satisfies Shape;
export const compressShape = { Algo: 'u8', Buf: 'view' } as const satisfies Shape;
