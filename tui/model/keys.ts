import type { Action } from './actions.js';
import { type ListState, nextSort } from './list.js';
import { rowById, sceneOf } from './scene.js';
import type { Snapshot } from './snapshot.js';
import { intervalsMs, type Mode, type Ui } from './ui.js';
import { viewNames } from './view.js';
import { views } from './views.js';

/** A key by the name of what stands on it: `a`, `?`, `up`, `enter`, `ctrl-c`. */
export type KeyName = string;

/** What a key asks of the world around the screen. */
export type Effect =
  | { readonly do: 'quit'; readonly interrupted: boolean }
  | { readonly do: 'refresh' }
  | { readonly do: 'repaint' }
  | { readonly do: 'act'; readonly action: Action };

export interface Pressed {
  readonly ui: Ui;
  readonly effect?: Effect;
}

/** What a key may look at. */
export interface KeyContext {
  readonly snapshot: Snapshot;
  /** Lines of the list or page in sight. */
  readonly pageRows: number;
  /** How many lines of the page can be scrolled away. */
  readonly topMax: number;
}

interface Binding {
  readonly keys: readonly KeyName[];
  /** As help and hints write it. */
  readonly label: string;
  readonly help: string;
  readonly modes: readonly Mode['is'][];
  /** At the foot of the screen; those of the greatest `need` number give way first. */
  readonly hint?: { readonly text: string; readonly need: number };
  apply(ui: Ui, context: KeyContext, key: KeyName): Ui | Pressed;
}

const list = ['list'] as const;
const calm = ['list', 'details', 'help'] as const;

/** Every key outside of prompts. The help screen is this table. */
export const bindings: readonly Binding[] = [
  {
    keys: ['1', '2', '3', '4', '5'],
    label: '1-5',
    help: views.map(({ title }, index) => `${index + 1} ${title.toLowerCase()}`).join(', '),
    modes: calm,
    apply: (ui, _context, key) => ({ ...ui, view: viewNames[Number(key) - 1] ?? ui.view, mode: { is: 'list' } }),
  },
  {
    keys: ['tab', 'right', 'shift-tab', 'left'],
    label: 'tab, left, right',
    help: 'the next view, or the one before',
    modes: ['list'],
    apply: (ui, _context, key) => {
      const step = key === 'tab' || key === 'right' ? 1 : viewNames.length - 1;
      return { ...ui, view: viewNames[(viewNames.indexOf(ui.view) + step) % viewNames.length]! };
    },
  },
  {
    keys: ['up', 'k', 'down', 'j'],
    label: 'up, down, j, k',
    help: 'move by one line',
    modes: calm,
    apply: (ui, context, key) => move(ui, context, key === 'up' || key === 'k' ? -1 : 1),
  },
  {
    keys: ['pageup', 'ctrl-u', 'pagedown', 'ctrl-d', 'space'],
    label: 'page up, page down',
    help: 'move by a screen; space is page down',
    modes: calm,
    apply: (ui, context, key) =>
      move(ui, context, (key === 'pageup' || key === 'ctrl-u' ? -1 : 1) * Math.max(1, context.pageRows - 1)),
  },
  {
    keys: ['home', 'g', 'end', 'G'],
    label: 'home, end, g, G',
    help: 'the first line, the last one',
    modes: calm,
    apply: (ui, context, key) => move(ui, context, key === 'home' || key === 'g' ? -farAway : farAway),
  },
  {
    keys: ['enter'],
    label: 'enter',
    help: 'details of the chosen line',
    hint: { text: 'details', need: 2 },
    modes: list,
    apply: (ui, context) => {
      const { rows, chosen } = sceneOf(context.snapshot, ui);
      const row = rows[chosen];
      return row === undefined ? ui : { ...ui, mode: { is: 'details', id: row.id, top: 0 } };
    },
  },
  {
    keys: ['/'],
    label: '/',
    help: 'show only lines with these words; enter keeps them, escape does not',
    hint: { text: 'filter', need: 4 },
    modes: list,
    apply: (ui) => ({ ...ui, mode: { is: 'filter', before: ui.lists[ui.view].filter } }),
  },
  {
    keys: ['s'],
    label: 's',
    help: 'order by the next column',
    hint: { text: 'sort', need: 5 },
    modes: list,
    apply: (ui) => withList(ui, (state, columns) => ({ ...state, sort: nextSort(columns, state.sort) })),
  },
  {
    keys: ['S'],
    label: 'S',
    help: 'turn the order round',
    modes: list,
    apply: (ui) => withList(ui, (state) => ({ ...state, sort: { ...state.sort, descending: !state.sort.descending } })),
  },
  {
    keys: ['p'],
    label: 'p',
    help: 'pause, and go on',
    hint: { text: 'pause', need: 6 },
    modes: calm,
    apply: (ui) => ({ ui: { ...ui, paused: !ui.paused }, ...(ui.paused ? { effect: { do: 'refresh' } } : {}) }),
  },
  {
    keys: ['+', '=', '-', '_'],
    label: '+, -',
    help: 'ask the nodes more often, less often',
    modes: calm,
    apply: (ui, _context, key) => paced(ui, key === '+' || key === '=' ? -1 : 1),
  },
  {
    keys: ['r'],
    label: 'r',
    help: 'ask the nodes now',
    modes: calm,
    apply: (ui) => ({ ui, effect: { do: 'refresh' } }),
  },
  {
    keys: ['D', 'C', 'X', 'B'],
    label: 'D C X B',
    help: 'drain, clear, delete, close a breaker; with --allow-writes, after a question',
    modes: ['list', 'details'],
    apply: askFor,
  },
  {
    keys: ['ctrl-l'],
    label: 'ctrl-l',
    help: 'paint the screen anew',
    modes: calm,
    apply: (ui) => ({ ui, effect: { do: 'repaint' } }),
  },
  {
    keys: ['?', 'h'],
    label: '?',
    help: 'this help',
    hint: { text: 'help', need: 1 },
    modes: calm,
    apply: (ui) => ({ ...ui, mode: ui.mode.is === 'help' ? { is: 'list' } : { is: 'help', top: 0 } }),
  },
  {
    keys: ['escape', 'backspace'],
    label: 'esc',
    help: 'back; in a list: all lines again',
    modes: calm,
    apply: (ui) =>
      ui.mode.is === 'list' ? withList(ui, (state) => ({ ...state, filter: '' })) : { ...ui, mode: { is: 'list' } },
  },
  {
    keys: ['q'],
    label: 'q',
    help: 'quit',
    hint: { text: 'quit', need: 1 },
    modes: calm,
    apply: (ui) => ({ ui, effect: { do: 'quit', interrupted: false } }),
  },
];

/** Beyond any list. */
const farAway = 1_000_000;

/** What a key makes of the screen. Any key clears the message; one without a meaning does nothing else. */
export function press(before: Ui, key: KeyName, context: KeyContext): Pressed {
  if (key === 'ctrl-c') return { ui: before, effect: { do: 'quit', interrupted: true } };
  const ui = before.message === undefined ? before : { ...before, message: undefined };
  if (ui.mode.is === 'filter') return { ui: typed(ui, ui.mode.before, key) };
  if (ui.mode.is === 'confirm') return confirmed(ui, ui.mode, key);
  const { is } = ui.mode;
  const binding = bindings.find(({ keys, modes }) => keys.includes(key) && modes.includes(is));
  if (binding === undefined) return { ui };
  const applied = binding.apply(ui, context, key);
  const pressed = 'ui' in applied ? applied : { ui: applied };
  return { ...pressed, ui: settled(pressed.ui, context) };
}

/** Keeps the place of the chosen row, for when it is gone: an order or a filter has moved it. */
function settled(ui: Ui, { snapshot }: KeyContext): Ui {
  const { chosen } = ui.lists[ui.view];
  if (chosen === undefined) return ui;
  const { rows, chosen: index } = sceneOf(snapshot, ui);
  return rows[index]?.id === chosen.id ? withList(ui, (state) => ({ ...state, chosen: { id: chosen.id, index } })) : ui;
}

/** Filters are words to look for, not texts to write. */
const filterCharsMax = 100;

function typed(ui: Ui, before: string, key: KeyName): Ui {
  const { filter } = ui.lists[ui.view];
  const back: Mode = { is: 'list' };
  if (key === 'enter') return { ...ui, mode: back };
  if (key === 'escape') return { ...withFilter(ui, before), mode: back };
  if (key === 'backspace') return withFilter(ui, [...filter].slice(0, -1).join(''));
  if (key === 'ctrl-u') return withFilter(ui, '');
  const text = key === 'space' ? ' ' : key;
  const isText = [...text].length === 1 && !/\p{Cc}/u.test(text);
  return isText && filter.length < filterCharsMax ? withFilter(ui, filter + text) : ui;
}

/** Only `y` does it: whatever is typed by mistake changes nothing. */
function confirmed(ui: Ui, { action, back }: Extract<Mode, { is: 'confirm' }>, key: KeyName): Pressed {
  const said = (text: string): Ui => ({ ...ui, mode: back, message: { is: 'told', text } });
  if (key === 'y') return { ui: said('asked for, waiting for the answer'), effect: { do: 'act', action } };
  return { ui: ['n', 'escape', 'q'].includes(key) ? said('nothing was changed') : ui };
}

function askFor(ui: Ui, { snapshot }: KeyContext, key: KeyName): Ui {
  const tell = (text: string): Ui => ({ ...ui, message: { is: 'told', text } });
  const { view, rows, chosen } = sceneOf(snapshot, ui);
  if (view.action?.key !== key) {
    const other = views.find(({ action }) => action?.key === key);
    return tell(
      `${key} would ${other?.action?.help ?? 'change something'}: it works in ${other?.title ?? 'another view'}`,
    );
  }
  if (!ui.allowWrites) return tell(`read-only: to ${view.action.help} start the dashboard with --allow-writes`);
  const row = ui.mode.is === 'details' ? rowById(snapshot, view, ui.mode.id) : rows[chosen];
  if (row === undefined) return tell('there is no line to do that to');
  return { ...ui, mode: { is: 'confirm', action: view.action.of(row), back: ui.mode } };
}

/** The next longer, or shorter, of the usual intervals. */
function paced(ui: Ui, step: 1 | -1): Ui {
  const next =
    step === 1 ? intervalsMs.find((ms) => ms > ui.intervalMs) : intervalsMs.findLast((ms) => ms < ui.intervalMs);
  return next === undefined ? ui : { ...ui, intervalMs: next };
}

/** Moves the choice in a list, and the text elsewhere. */
function move(ui: Ui, { snapshot, topMax }: KeyContext, by: number): Ui {
  if (ui.mode.is === 'details' || ui.mode.is === 'help') {
    // The end stays the end when the page grows.
    const top = by >= farAway ? farAway : Math.max(0, Math.min(topMax, Math.min(topMax, ui.mode.top) + by));
    return { ...ui, mode: { ...ui.mode, top } };
  }
  const scene = sceneOf(snapshot, ui);
  if (scene.chosen < 0) return ui;
  const index = Math.max(0, Math.min(scene.rows.length - 1, scene.chosen + by));
  return withList(ui, (state) => ({ ...state, chosen: { id: scene.rows[index]!.id, index } }));
}

type Columns = Parameters<typeof nextSort>[0];

function withList(ui: Ui, change: (state: ListState, columns: Columns) => ListState): Ui {
  const columns = views.find(({ name }) => name === ui.view)!.columns([]) as Columns;
  return { ...ui, lists: { ...ui.lists, [ui.view]: change(ui.lists[ui.view], columns) } };
}

const withFilter = (ui: Ui, filter: string): Ui => withList(ui, (state) => ({ ...state, filter }));
