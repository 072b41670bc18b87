import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply, PeerRequest } from '../ports/peers.js';
import type { Recorder } from '../ports/recorder.js';

/** Stands in for the recorder until OpenTelemetry is loaded, which only a node that is watched needs. Records nothing before. */
export class LateRecorder implements Recorder {
  #recorder: Recorder | undefined;

  use(recorder: Recorder): void {
    this.#recorder = recorder;
  }

  operation<T>(
    name: 'get' | 'put' | 'delete',
    keyspace: string,
    run: () => Promise<T>,
    outcomeOf: (result: T) => string,
  ): Promise<T> {
    return this.#recorder === undefined ? run() : this.#recorder.operation(name, keyspace, run, outcomeOf);
  }

  fetch<T extends { readonly is: string }>(keyspace: string, run: () => Promise<T>): Promise<T> {
    return this.#recorder === undefined ? run() : this.#recorder.fetch(keyspace, run);
  }

  ask<R extends PeerReply>(
    peerId: string,
    request: PeerRequest,
    run: (request: PeerRequest) => Promise<R>,
  ): Promise<R> {
    return this.#recorder === undefined ? run(request) : this.#recorder.ask(peerId, request, run);
  }

  answer(
    from: NodeInfo,
    request: PeerRequest,
    run: () => PeerReply | Promise<PeerReply>,
  ): PeerReply | Promise<PeerReply> {
    return this.#recorder === undefined ? run() : this.#recorder.answer(from, request, run);
  }

  call(method: string, header: (name: string) => string | undefined, run: () => Promise<string>): Promise<string> {
    return this.#recorder === undefined ? run() : this.#recorder.call(method, header, run);
  }
}
