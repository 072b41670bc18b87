import type { EventDocument } from '../../src/ports/admin.js';
import type { Feed } from './track.js';

export interface EventRow {
  readonly id: string;
  readonly document: EventDocument;
  /** Whom or what it is about. */
  readonly subject: string;
  readonly text: string;
}

/** The newest first. */
export const eventRows = ({ events }: Feed): readonly EventRow[] =>
  events
    .map(
      ({ id, event }): EventRow => ({
        id: String(id),
        document: event,
        subject: subjectOf(event),
        text: textOf(event),
      }),
    )
    .reverse();

const subjectOf = ({ node, keyspace }: EventDocument): string => node ?? keyspace ?? '';

const known = new Set(['time', 'type', 'told_by', 'node', 'keyspace', 'id', 'gossip', 'admin']);

function textOf(event: EventDocument): string {
  if (event.type === 'listening') return `listening to what ${event.told_by} tells`;
  if (event.missed !== undefined) return `${event.missed} events were missed here`;
  const fields = Object.entries(event).filter(([name, value]) => !known.has(name) && value !== '' && value != null);
  return fields
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');
}
