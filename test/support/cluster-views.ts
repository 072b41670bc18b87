import { expect } from 'chai';
import { cli } from './cli.js';
import type { RealNode } from './real-nodes.js';
import { until } from './until.js';

/** One of `distcache peers --json`, as far as tests ask. */
export interface PeerView {
  readonly name: string;
  readonly state: string;
  readonly serving: boolean;
  readonly ring_share: number;
  readonly incarnation: number;
  readonly is_self: boolean;
}

/** What a command of the CLI says as JSON, asked of this node, where it runs. */
export async function asked(node: RealNode, ...args: readonly string[]): Promise<unknown> {
  const options = ['--json', '--addr', node.grpc, '--timeout', '5s'];
  const { exit, stdout, stderr } = await cli([...args, ...options], { via: node.options.via });
  expect(exit, stderr).to.equal(0);
  return JSON.parse(stdout.toString());
}

export async function peersOf(node: RealNode): Promise<readonly PeerView[]> {
  return ((await asked(node, 'peers')) as { readonly peers: readonly PeerView[] }).peers;
}

/** `a alive, b dead`, by name. */
export const statesOf = async (node: RealNode): Promise<string> =>
  (await peersOf(node))
    .map(({ name, state }) => `${name} ${state}`)
    .sort()
    .join(', ');

/** Resolves when every one of these nodes shows exactly this. */
export const allShow = async (nodes: readonly RealNode[], states: string, limitMs: number): Promise<void> => {
  for (const node of nodes) {
    let last = '';
    await until(
      `${node.options.name} shows '${states}'`,
      async () => {
        last = await statesOf(node);
        return last === states;
      },
      limitMs,
      200,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it shows '${last}'`);
    });
  }
};

/** Lines of a node's log with this text. */
export const said = (node: RealNode, text: string | RegExp): readonly string[] =>
  node
    .log()
    .map(({ msg }) => msg)
    .filter((msg) => (typeof text === 'string' ? msg.includes(text) : text.test(msg)));

/** Resolves when its log has a line with this text. */
export const untilSaid = (node: RealNode, text: string | RegExp, limitMs?: number): Promise<void> =>
  until(`${node.options.name} says '${text}'`, () => said(node, text).length > 0, limitMs).catch((error: Error) => {
    throw new Error(`${error.message}; it said:\n${node.stderr}`);
  });
