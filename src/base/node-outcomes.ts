import { type KeyspaceResult, PartialFailure } from './errors.js';

/** Throws PARTIAL_FAILURE where a node failed; `done` as in "was not changed". */
export function checkNodes(results: readonly KeyspaceResult[], done: string): void {
  const failures = results.flatMap(({ keyspace, nodes }) =>
    nodes.flatMap(({ node, error }) => (error === undefined ? [] : [{ key: keyspace, node, ...error }])),
  );
  const [first] = failures;
  if (first === undefined) return;
  const names = [...new Set(failures.map(({ node }) => node))].join(', ');
  throw new PartialFailure(
    `keyspace '${first.key}' was not ${done} on ${names}; who was out of reach learns it when back in touch: ${first.message}`,
    failures,
    results,
  );
}
