import { question } from './actions.js';
import { headingLine, type Look, marginWidth, placeColumns, rowLine } from './columns.js';
import { age, percent, rate } from './format.js';
import { helpLines } from './help.js';
import { hintLine } from './hints.js';
import { firstShown } from './list.js';
import type { NodeState } from './node-rows.js';
import { rowById, type Scene, sceneOf } from './scene.js';
import type { Snapshot } from './snapshot.js';
import { bar, clean, cutLine, type Line, lineWidth, shorten, shortenStart, span, spread, type Tone } from './text.js';
import { servedRatio } from './track.js';
import type { Ui } from './ui.js';
import { views } from './views.js';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The screen, from top to bottom. A function of what is known, what was set, and how large the screen is. */
export interface Frame {
  readonly header: readonly Line[];
  readonly body: readonly Line[];
  readonly footer: readonly Line[];
  /** Lines of the list or page in sight, and how many can be scrolled away. */
  readonly pageRows: number;
  readonly topMax: number;
}

export const smallest: Size = { columns: 60, rows: 16 };

/** From this height on there is room for blank lines. */
const roomyRows = 20;

export function frameOf(snapshot: Snapshot, ui: Ui, size: Size, look: Look): Frame {
  if (size.columns < smallest.columns || size.rows < smallest.rows) return tooSmall(size);
  const scene = sceneOf(snapshot, ui);
  const blanks = size.rows >= roomyRows ? [[]] : [];
  const header = [...headerLines(snapshot, ui, size.columns, look), ...blanks, tabsLine(ui, size)];
  const footer = [...blanks, footLine(scene, ui, size)];
  const height = size.rows - header.length - footer.length;
  return { header, footer, ...bodyOf(snapshot, scene, ui, { columns: size.columns, rows: height }, look) };
}

/** What the cluster is and does. Without `ui` nothing is said of how it is watched. */
export const headerLines = (snapshot: Snapshot, ui: Ui | undefined, columns: number, look: Look): readonly Line[] => [
  titleLine(snapshot, ui, columns, look),
  figuresLine(snapshot, columns, look),
];

function tooSmall({ columns, rows }: Size): Frame {
  const text = `The dashboard needs ${smallest.columns}x${smallest.rows}; this terminal has ${columns}x${rows}. q quits.`;
  const words = text.split(' ');
  const lines: string[] = [''];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  const shown = lines.slice(0, Math.max(1, rows)).map((line): Line => cutLine([span(line)], columns));
  const rest = Array.from({ length: Math.max(0, rows - shown.length) }, (): Line => []);
  return { header: shown, body: rest, footer: [], pageRows: 0, topMax: 0 };
}

/** What wants a look comes first: the end of the line is what a narrow screen cuts. */
const stateOrder: readonly (readonly [NodeState, Tone])[] = [
  ['dead', 'alarm'],
  ['unreachable', 'alarm'],
  ['suspect', 'warning'],
  ['draining', 'plain'],
  ['starting', 'plain'],
  ['alive', 'plain'],
  ['left', 'dim'],
];

/** From this width on there is room for what only helps. */
const wideColumns = 90;
const labelWidth = 24;

function titleLine(snapshot: Snapshot, ui: Ui | undefined, columns: number, { glyphs }: Look): Line {
  const dot = span(` ${glyphs.dot} `, 'dim');
  const name = snapshot.label === '' ? 'distcache' : shorten(clean(snapshot.label), labelWidth);
  const [ring, ...others] = snapshot.ringVersions;
  const left: Line = [
    ...(snapshot.label !== '' && columns >= wideColumns ? [span('distcache ', 'dim')] : []),
    span(name, 'strong'),
    ...(snapshot.nodes.length === 0 ? [] : [dot, ...nodesByState(snapshot)]),
  ];
  const rings: Line = [
    ...(ring === undefined ? [] : [dot, span('ring ', 'dim'), span(clean(ring))]),
    ...(others.length === 0 ? [] : [span(' '), span(` ${others.length + 1} rings seen `, 'warning')]),
  ];
  const right: Line = [
    ...(ui?.allowWrites && columns >= wideColumns ? [span('writes on  ', 'dim')] : []),
    ...(ui === undefined
      ? []
      : [ui.paused ? span(' paused ', 'warning') : span(`every ${ui.intervalMs / 1000}s`, 'dim')]),
  ];
  const hasRoom = others.length > 0 || lineWidth([...left, ...rings, ...right]) < columns;
  return spread(hasRoom ? [...left, ...rings] : left, right, columns);
}

function nodesByState({ nodes, leftOut }: Snapshot): Line {
  const states = stateOrder
    .map(([state, tone]) => ({ state, tone, n: nodes.filter((node) => node.state === state).length }))
    .filter(({ n }) => n > 0);
  const parts = states.flatMap(({ state, tone, n }, index): Line => {
    const text = `${n} ${state}`;
    const onGround = tone === 'warning' || tone === 'alarm';
    return [span(index === 0 ? '' : ' '), span(onGround ? ` ${text} ` : text, tone)];
  });
  return leftOut === 0 ? parts : [...parts, span(` ${leftOut} more are not watched`, 'dim')];
}

function figuresLine({ rates, dataAtMs, nodes, failure }: Snapshot, columns: number, { nowMs }: Look): Line {
  if (dataAtMs === undefined) {
    if (failure === undefined) return [span('asking the cluster', 'dim')];
    const silent = span(` no answer for ${age(nowMs - failure.sinceMs)} `, 'alarm');
    return cutLine([silent, span(` ${clean(failure.message)}`)], columns);
  }
  const gap = span(' '.repeat(columns >= wideColumns ? 4 : 2));
  const figure = (name: string, value: string): Line => [span(`${name} `, 'dim'), span(value, 'strong'), gap];
  const answering = nodes.some(({ latest, failure: failed }) => latest !== undefined && failed === undefined);
  const dataAge = `${age(nowMs - dataAtMs)} old`;
  return cutLine(
    [
      ...figure('requests', `${rate(rates?.requests)}/s`),
      ...figure('hit ratio', percent(rates && servedRatio(rates))),
      ...figure('loads', `${rate(rates?.sourceLoads)}/s`),
      span('data ', 'dim'),
      answering ? span(dataAge) : span(` ${dataAge}, no node answers `, 'alarm'),
    ],
    columns,
  );
}

function tabsLine(ui: Ui, { columns }: Size): Line {
  const tabs = views.flatMap(
    ({ name, title }, index): Line => [
      span(` ${index + 1} ${title} `, name === ui.view ? 'chosen' : 'plain'),
      span(' '),
    ],
  );
  return cutLine(tabs, columns);
}

function footLine(scene: Scene, ui: Ui, { columns }: Size): Line {
  const { mode, message } = ui;
  if (mode.is === 'confirm') return bar([span(` ${question(mode.action)}  y / n`)], columns, 'alarm');
  if (mode.is === 'filter') {
    const typed = shortenStart(clean(ui.lists[ui.view].filter), columns - 40);
    return spread(
      [span('filter: ', 'strong'), span(typed), span(' ', 'chosen')],
      [span('enter keep, esc undo', 'dim')],
      columns,
    );
  }
  if (message !== undefined) {
    return cutLine(
      [
        span(
          ` ${clean(message.text)} `,
          message.is === 'failed' ? 'alarm' : message.is === 'done' ? 'chosen' : 'warning',
        ),
      ],
      columns,
    );
  }
  const place = placeOf(scene, ui);
  return spread(hintLine(ui, columns - lineWidth(place) - 1), place, columns);
}

/** What of the list is in sight. */
function placeOf({ rows, total, chosen }: Scene, ui: Ui): Line {
  if (ui.mode.is !== 'list') return [];
  const { filter } = ui.lists[ui.view];
  if (filter !== '')
    return [span(` "${shortenStart(clean(filter), 20)}" `, 'warning'), span(` ${rows.length} of ${total}`, 'dim')];
  return [span(total === 0 ? '' : `${chosen + 1} of ${total}`, 'dim')];
}

type Body = Pick<Frame, 'body' | 'pageRows' | 'topMax'>;

function bodyOf(snapshot: Snapshot, scene: Scene, ui: Ui, size: Size, look: Look): Body {
  const mode = ui.mode.is === 'confirm' ? ui.mode.back : ui.mode;
  if (mode.is === 'help') return pageOf('Keys', helpLines(ui), mode.top, size);
  if (mode.is === 'details') {
    const row = rowById(snapshot, scene.view, mode.id);
    if (row === undefined) return pageOf('Gone', [[span('It is no longer there. Esc goes back.', 'dim')]], 0, size);
    const { title, lines } = scene.view.details(row, look);
    return pageOf(title, lines, mode.top, size);
  }
  return listOf(snapshot, scene, ui, size, look);
}

/** A title, a line, and as much of the text as there is room for. */
function pageOf(title: string, lines: readonly Line[], top: number, { columns, rows }: Size): Body {
  const pageRows = rows - 2;
  const topMax = Math.max(0, lines.length - pageRows);
  const from = Math.min(top, topMax);
  const shown = lines.slice(from, from + pageRows);
  const place: Line = topMax === 0 ? [] : [span(`lines ${from + 1}-${from + shown.length} of ${lines.length}`, 'dim')];
  const margin = span(' '.repeat(marginWidth));
  const body = [
    [],
    spread([margin, span(title, 'strong')], place, columns),
    ...shown.map((line) => cutLine([margin, ...line], columns)),
  ];
  return { body: filled(body, rows), pageRows, topMax };
}

function listOf(snapshot: Snapshot, scene: Scene, ui: Ui, { columns, rows: height }: Size, look: Look): Body {
  const pageRows = height - 2;
  const first = firstShown(scene.chosen, pageRows, scene.rows.length);
  const lines = listLines(snapshot, scene, ui, columns, look, first, pageRows);
  return { body: filled([[], ...lines], height), pageRows, topMax: 0 };
}

/** Headings and rows; only rows in sight are drawn. */
export function listLines(
  snapshot: Snapshot,
  { view, rows, total, chosen }: Scene,
  ui: Ui,
  columns: number,
  look: Look,
  first = 0,
  count = rows.length,
): readonly Line[] {
  const placed = placeColumns(view.columns(rows), rows, columns);
  const margin = span(' '.repeat(marginWidth));
  const head = cutLine([margin, ...headingLine(placed, ui.lists[ui.view].sort, look.glyphs)], columns);
  if (rows.length === 0) {
    const why = total > 0 ? 'no line has these words; esc shows all' : view.empty(snapshot);
    return [head, [margin, span(clean(why), 'dim')]];
  }
  const lines = rows.slice(first, first + count).map((row, index): Line => {
    const line = rowLine(row, placed, look);
    if (first + index !== chosen) return cutLine([margin, ...line], columns);
    return bar([span(`${look.glyphs.chosen} `), ...line], columns, 'chosen');
  });
  return [head, ...lines];
}

const filled = (lines: readonly Line[], rows: number): readonly Line[] => [
  ...lines.slice(0, rows),
  ...Array.from({ length: Math.max(0, rows - lines.length) }, (): Line => []),
];

export const linesOf = ({ header, body, footer }: Frame): readonly Line[] => [...header, ...body, ...footer];
