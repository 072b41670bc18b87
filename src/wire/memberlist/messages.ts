import { unreachable } from '../../base/assert.js';
import type {
  GossipMessage,
  PacketMessage,
  PingSource,
  PushNodeState,
  PushPull,
  PushState,
  StreamMessage,
  Vsn,
} from '../../membership/messages.js';
import { GossipFault } from './fault.js';
import { type Fields, PackReader, PackWriter, readStruct, writeStruct } from './msgpack.js';
import {
  accusationShape,
  ackShape,
  aliveShape,
  errShape,
  indirectPingShape,
  messageType,
  nackShape,
  omittedWhenEmpty,
  pingShape,
  pushNodeStateShape,
  pushPullHeaderShape,
  userHeaderShape,
} from './structs.js';

const pushStates: readonly PushState[] = ['alive', 'suspect', 'dead', 'left'];

/**
 * A message as it stands in a packet, type byte first: what goes into a compound, and what a broadcast's length is
 * measured by. Throws `outOfRange` for a number or name that the wire cannot hold.
 */
export function encodePacketMessage(message: PacketMessage): Uint8Array {
  if (message.is !== 'user') return encodePlain(message);
  const writer = new PackWriter();
  writer.byte(messageType.user);
  writer.raw(message.payload);
  return writer.finish();
}

/** A message as it stands in a stream, type byte first and before any layer: a user message has a header there. */
export function encodeStreamMessage(message: StreamMessage): Uint8Array {
  if (message.is === 'pushPull') return encodePushPull(message);
  if (message.is !== 'user') return encodePlain(message);
  const writer = new PackWriter();
  writer.byte(messageType.user);
  writeStruct(writer, userHeaderShape, { UserMsgLen: message.payload.length });
  writer.raw(message.payload);
  return writer.finish();
}

function encodePlain(message: Exclude<GossipMessage, { is: 'user' | 'pushPull' }>): Uint8Array {
  const writer = new PackWriter();
  writer.byte(messageType[message.is]);
  switch (message.is) {
    case 'ping': {
      const fields = { SeqNo: message.seqNo, Node: message.node, ...fieldsOfSource(message.source) };
      writeStruct(writer, pingShape, fields, omittedWhenEmpty);
      break;
    }
    case 'indirectPing': {
      const { seqNo: SeqNo, target: Target, port: Port, node: Node, nack: Nack, source } = message;
      const fields = { SeqNo, Target, Port, Node, Nack, ...fieldsOfSource(source) };
      writeStruct(writer, indirectPingShape, fields, omittedWhenEmpty);
      break;
    }
    case 'ack':
      writeStruct(writer, ackShape, { SeqNo: message.seqNo, Payload: message.payload });
      break;
    case 'nack':
      writeStruct(writer, nackShape, { SeqNo: message.seqNo });
      break;
    case 'suspect':
    case 'dead':
      writeStruct(writer, accusationShape, {
        Incarnation: message.incarnation,
        Node: message.node,
        From: message.from,
      });
      break;
    case 'alive':
      writeStruct(writer, aliveShape, {
        Incarnation: message.incarnation,
        Node: message.node,
        Addr: message.addr,
        Port: message.port,
        Meta: message.meta,
        Vsn: bytesOfVsn(message.vsn),
      });
      break;
    case 'err':
      writeStruct(writer, errShape, { Error: Buffer.from(message.error, 'utf8').toString('latin1') });
      break;
    default:
      unreachable(message);
  }
  return writer.finish();
}

function encodePushPull(message: PushPull): Uint8Array {
  const writer = new PackWriter();
  writer.byte(messageType.pushPull);
  writeStruct(writer, pushPullHeaderShape, {
    Nodes: message.nodes.length,
    UserStateLen: message.userState.length,
    Join: message.join,
  });
  for (const node of message.nodes) {
    writeStruct(writer, pushNodeStateShape, {
      Name: node.name,
      Addr: node.addr,
      Port: node.port,
      Meta: node.meta,
      Incarnation: node.incarnation,
      State: pushStates.indexOf(node.state),
      Vsn: bytesOfVsn(node.vsn),
    });
  }
  writer.raw(message.userState);
  return writer.finish();
}

/**
 * The message of a packet, type byte first, no wrapper around it. What follows the message is ignored, as every Go peer
 * does. Everything in the message is a copy: the packet may be overwritten.
 */
export function decodePacketMessage(bytes: Uint8Array): PacketMessage {
  const type = bytes[0];
  if (type === undefined) throw new GossipFault('empty', 'a message of no bytes');
  const reader = new PackReader(bytes, 1);
  switch (type) {
    case messageType.ping:
      return decodePing(reader);
    case messageType.indirectPing: {
      const fields = readStruct(reader, indirectPingShape);
      const { SeqNo: seqNo, Target: target, Port: port, Node: node, Nack: nack } = fields;
      // One packet in seventy of those encrypted under a key that is not known here begins as a ping without a target does.
      if (target.length !== 4 && target.length !== 16) {
        throw new GossipFault('malformed', `a ping by way of this node to an address of ${target.length} bytes`);
      }
      return { is: 'indirectPing', seqNo, target, port, node, nack, source: sourceOfFields(fields) };
    }
    case messageType.ack:
      return decodeAck(reader);
    case messageType.nack:
      return { is: 'nack', seqNo: readStruct(reader, nackShape).SeqNo };
    case messageType.suspect:
    case messageType.dead: {
      const { Incarnation: incarnation, Node: node, From: from } = readStruct(reader, accusationShape);
      return { is: type === messageType.suspect ? 'suspect' : 'dead', incarnation, node, from };
    }
    case messageType.alive: {
      const fields = readStruct(reader, aliveShape);
      const { Incarnation: incarnation, Node: node, Addr: addr, Port: port, Meta: meta } = fields;
      return { is: 'alive', incarnation, node, addr, port, meta, vsn: vsnOfBytes(fields.Vsn) };
    }
    case messageType.user:
      return { is: 'user', payload: new Uint8Array(bytes.subarray(1)) };
    default:
      throw new GossipFault('unsupportedType', `message type ${type} in a packet`);
  }
}

export function decodePing(reader: PackReader): Extract<GossipMessage, { is: 'ping' }> {
  const fields = readStruct(reader, pingShape);
  return { is: 'ping', seqNo: fields.SeqNo, node: fields.Node, source: sourceOfFields(fields) };
}

export function decodeAck(reader: PackReader): Extract<GossipMessage, { is: 'ack' }> {
  const fields = readStruct(reader, ackShape);
  return { is: 'ack', seqNo: fields.SeqNo, payload: fields.Payload };
}

export function decodeErr(reader: PackReader): Extract<GossipMessage, { is: 'err' }> {
  return { is: 'err', error: Buffer.from(readStruct(reader, errShape).Error, 'latin1').toString('utf8') };
}

/** Undefined for an entry in a state that this protocol does not know. */
export function decodeNodeState(reader: PackReader): PushNodeState | undefined {
  const fields = readStruct(reader, pushNodeStateShape);
  const { Name: name, Addr: addr, Port: port, Meta: meta, Incarnation: incarnation } = fields;
  const state = pushStates[fields.State];
  return state && { name, addr, port, meta, incarnation, state, vsn: vsnOfBytes(fields.Vsn) };
}

type SourceFields = Pick<Fields<typeof pingShape>, 'SourceAddr' | 'SourcePort' | 'SourceNode'>;

const fieldsOfSource = (source: PingSource): SourceFields => ({
  SourceAddr: source.addr,
  SourcePort: source.port,
  SourceNode: source.node,
});

const sourceOfFields = (fields: SourceFields): PingSource => ({
  addr: fields.SourceAddr,
  port: fields.SourcePort,
  node: fields.SourceNode,
});

const vsnOfBytes = (bytes: Uint8Array): Vsn => [
  bytes[0] ?? 0,
  bytes[1] ?? 0,
  bytes[2] ?? 0,
  bytes[3] ?? 0,
  bytes[4] ?? 0,
  bytes[5] ?? 0,
];

function bytesOfVsn(vsn: Vsn): Uint8Array {
  for (const version of vsn) {
    if (!Number.isInteger(version) || version < 0 || version > 0xff) {
      throw new GossipFault('outOfRange', `Vsn holds ${version}, must be whole numbers from 0 to 255`);
    }
  }
  return Uint8Array.from(vsn);
}
