import type { Action } from './actions.js';
import type { ListState } from './list.js';
import type { ViewName } from './view.js';
import type { AnyView } from './views.js';
import { views } from './views.js';

/** What the keys move. */
export type Mode =
  | { readonly is: 'list' }
  /** One row; `top` lines of it are scrolled away. */
  | { readonly is: 'details'; readonly id: string; readonly top: number }
  | { readonly is: 'help'; readonly top: number }
  /** The filter is being typed; `before` is what Escape brings back. */
  | { readonly is: 'filter'; readonly before: string }
  | { readonly is: 'confirm'; readonly action: Action; readonly back: Mode };

export interface Message {
  readonly text: string;
  readonly is: 'done' | 'failed' | 'told';
}

/** All that the person before the screen has set. Survives every refresh. */
export interface Ui {
  readonly view: ViewName;
  readonly lists: Readonly<Record<ViewName, ListState>>;
  readonly mode: Mode;
  readonly paused: boolean;
  readonly intervalMs: number;
  readonly allowWrites: boolean;
  /** Until the next key. */
  readonly message: Message | undefined;
}

export const intervalsMs = [500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const;
export const defaultIntervalMs = 2_000;

export function startUi(options: {
  readonly allowWrites: boolean;
  readonly intervalMs: number;
  readonly view: ViewName;
}): Ui {
  const lists = Object.fromEntries(views.map((view) => [view.name, startList(view)]));
  return { ...options, lists: lists as Ui['lists'], mode: { is: 'list' }, paused: false, message: undefined };
}

function startList(view: AnyView): ListState {
  const column = view.columns([]).find(({ id }) => id === view.sortedBy);
  return {
    chosen: undefined,
    filter: '',
    sort: { column: view.sortedBy, descending: column?.greatestFirst === true },
  };
}
