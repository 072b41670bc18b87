import type { EventRow } from './event-rows.js';
import type { HotKeyRow } from './hot-key-rows.js';
import type { KeyspaceRow } from './keyspace-rows.js';
import type { NodeRow } from './node-rows.js';
import type { SourceRow } from './source-rows.js';
import type { View, ViewName } from './view.js';
import { eventsView } from './views/events.js';
import { hotKeysView } from './views/hot-keys.js';
import { keyspacesView } from './views/keyspaces.js';
import { nodesView } from './views/nodes.js';
import { sourcesView } from './views/sources.js';

export type AnyRow = NodeRow | KeyspaceRow | HotKeyRow | SourceRow | EventRow;
/** Rows come out of the view that they are given back to. */
export type AnyView = View<AnyRow>;

const general = <Row extends AnyRow>(view: View<Row>): AnyView => view as unknown as AnyView;

/** In the order of their keys, 1 to 5. */
export const views: readonly AnyView[] = [
  general(nodesView),
  general(keyspacesView),
  general(hotKeysView),
  general(sourcesView),
  general(eventsView),
];

export const viewOf = (name: ViewName): AnyView => views.find((view) => view.name === name)!;
