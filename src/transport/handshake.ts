import type { Introduction, LinkProof } from '../access/cluster-secret.js';
import { messageOf } from '../base/errors.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Stamp } from '../ports/peers.js';
import { type Frame, FrameDecoder, type FrameEncoder, type Goodbye, type Hello } from '../wire/frames.js';
import { MalformedError } from '../wire/reader.js';
import type { FrameStream, StreamEvents } from './frame-stream.js';
import type { Partings } from './partings.js';

/*
 * How a stream becomes a link. The dialling side says hello; the dialled side answers with its own hello or with a
 * goodbye that says why not; the dialling side confirms with any further frame. A link is up for the side that was
 * dialled only once it was confirmed, so that a refusal by the other side never looks like a link that came and went.
 *
 * Where the cluster has a secret, both greetings carry a nonce. The dialled side proves in its greeting that it holds the
 * secret, the dialling side in a second one, which is its confirmation; a frame of the dialled side then says that it is
 * believed, and only with that the link is up for the side that dialled.
 */

const handshakeLimitMs = 5_000;
/** A greeting is small; whoever sends more does not speak our protocol. */
export const greetingBytesMax = 64 * 1024;

const none = new Uint8Array();

export type Role = 'dialled' | 'accepted';

export interface HandshakeDeps {
  readonly clock: Clock;
  readonly stamp: Stamp;
  readonly encoder: FrameEncoder;
  readonly partings: Partings;
  hello(): Hello;
  /** Where the cluster has a secret: both sides show that they hold it before either counts the link as up. */
  readonly proof?: LinkProof | undefined;
  /** Why the other side cannot be linked now; undefined: it can. */
  judge(hello: Hello, clock: number): Goodbye | undefined;
}

export type HandshakeResult =
  /** `early` is a frame that came with the confirmation and belongs to the session. */
  | {
      readonly is: 'linked';
      readonly hello: Hello;
      readonly stream: FrameStream;
      readonly early: Uint8Array | undefined;
    }
  /** By either side; `hello` where the other side told who it is. */
  | { readonly is: 'refused'; readonly by: 'us' | 'them'; readonly goodbye: Goodbye; readonly hello: Hello | undefined }
  | { readonly is: 'failed'; readonly why: string };

/** What the stream's events are worth after the handshake. */
type Finish = (result: HandshakeResult) => StreamEvents | undefined;

/** Runs the handshake of one stream and reports its end once. Gives a function that breaks it off in silence. */
export function shakeHands(deps: HandshakeDeps, stream: FrameStream, role: Role, finish: Finish): Cancel {
  const decoder = new FrameDecoder();
  const nonce = deps.proof?.nonce();
  let heard: Hello | undefined;
  let after: StreamEvents | undefined;
  let over = false;

  const cancelLimit = deps.clock.after(handshakeLimitMs, () => {
    end({ is: 'failed', why: `no handshake within ${handshakeLimitMs / 1000} s; is it a distcache node?` });
    stream.destroy();
  });

  function end(result: HandshakeResult): void {
    if (over) return;
    over = true;
    cancelLimit();
    after = finish(result);
  }

  function send(parts: { hello?: Hello; goodbye?: Goodbye }): void {
    stream.send(deps.encoder.frame({ clock: deps.stamp.now(), operations: [], ...parts }));
  }

  function refuse(goodbye: Goodbye): void {
    // Who lives here is told to nodes of the same cluster alone: of its label, and where it has a secret, to none that
    // has not shown to hold it.
    const isNear = role === 'accepted' && heard !== undefined && goodbye.reason !== 'WRONG_LABEL';
    send(isNear && deps.proof === undefined ? { hello: deps.hello(), goodbye } : { goodbye });
    end({ is: 'refused', by: 'us', goodbye, hello: heard });
    deps.partings.part(stream);
  }

  function receive(bytes: Uint8Array): void {
    if (over) {
      after?.frame(bytes);
      return;
    }
    let frame: Frame;
    try {
      if (bytes.byteLength > greetingBytesMax && heard === undefined)
        throw new MalformedError('the greeting is too long');
      frame = decoder.frame(bytes);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      refuse({ reason: 'BAD_FRAME', detail: messageOf(error) });
      return;
    }
    if (frame.goodbye !== undefined) {
      end({ is: 'refused', by: 'them', goodbye: frame.goodbye, hello: frame.hello ?? heard });
      deps.partings.part(stream);
      return;
    }
    if (heard === undefined) first(frame);
    else confirmed(heard, frame, bytes);
  }

  function first(frame: Frame): void {
    if (frame.hello === undefined || frame.operations.length > 0) {
      refuse({ reason: 'BAD_FRAME', detail: 'the first frame must be a greeting' });
      return;
    }
    heard = frame.hello;
    const objection = deps.judge(heard, frame.clock) ?? (role === 'dialled' ? unproven(heard) : undefined);
    if (objection !== undefined) {
      refuse(objection);
    } else if (role === 'accepted') {
      send({ hello: proven(heard) });
    } else if (heard.nonce !== undefined) {
      // It asks for a proof, and says by a further frame that it believes ours: a link that it refuses was never up.
      send({ hello: proven(heard) });
    } else {
      send({});
      end({ is: 'linked', hello: heard, stream, early: undefined });
    }
  }

  function confirmed(hello: Hello, frame: Frame, bytes: Uint8Array): void {
    // Judged again: meanwhile another stream of the same node may have been faster.
    const doubt = role === 'dialled' ? undefined : unproven({ ...hello, proof: frame.hello?.proof });
    const objection = deps.judge(hello, frame.clock) ?? doubt;
    if (objection !== undefined) {
      refuse(objection);
      return;
    }
    if (role === 'accepted' && deps.proof !== undefined) send({});
    end({ is: 'linked', hello, stream, early: bytes });
  }

  /** Our greeting, with what the other side asks for. */
  function greeting(): Hello {
    const hello = deps.hello();
    return nonce === undefined ? hello : { ...hello, nonce };
  }

  function introduction(from: Introduction['from'], theirs: Hello): Introduction {
    const ours = greeting();
    const [dialling, dialled] = role === 'dialled' ? [ours, theirs] : [theirs, ours];
    const end = ({ id, name, address, nonce = none }: Hello) => ({ id, name, address, nonce });
    return { from, label: ours.label, dialling: end(dialling), dialled: end(dialled) };
  }

  function proven(theirs: Hello): Hello {
    const from = role === 'dialled' ? 'dialling' : 'dialled';
    if (deps.proof === undefined || theirs.nonce === undefined) return greeting();
    return { ...greeting(), proof: deps.proof.prove(introduction(from, theirs)) };
  }

  function unproven(theirs: Hello): Goodbye | undefined {
    const from = role === 'dialled' ? 'dialled' : 'dialling';
    if (deps.proof?.holds(introduction(from, theirs), theirs.proof ?? none) ?? true) return undefined;
    const detail = `${theirs.name} does not hold the secret of this cluster; give all nodes the same gossip.secrets`;
    return { reason: 'NOT_PROVEN', detail };
  }

  stream.open({
    frame: receive,
    drain: () => after?.drain(),
    closed(why) {
      if (over) after?.closed(why);
      else end({ is: 'failed', why });
      deps.partings.gone(stream);
    },
  });
  if (role === 'dialled') send({ hello: greeting() });

  return () => {
    if (over) return;
    over = true;
    cancelLimit();
    stream.destroy();
  };
}
