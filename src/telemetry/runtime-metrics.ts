import type { RuntimeReading } from '../ports/runtime.js';
import type { Metric, Point } from './metric.js';

type RuntimeMetric = Metric<RuntimeReading>;

const ofSpaces = (value: (space: RuntimeReading['heapSpaces'][number]) => number): RuntimeMetric['points'] => {
  return ({ heapSpaces }) =>
    heapSpaces.map((space): Point => ({ value: value(space), attributes: { 'v8js.heap.space.name': space.name } }));
};

/** Of the process, under the names of the semantic conventions. An application that embeds an engine has its own. */
export const runtimeMetrics: readonly RuntimeMetric[] = [
  {
    name: 'process.memory.usage',
    kind: 'sum',
    unit: 'By',
    description: 'Resident memory of the process.',
    points: ({ residentBytes }) => [{ value: residentBytes }],
  },
  {
    name: 'process.cpu.time',
    kind: 'counter',
    unit: 's',
    description: 'Processor time of the process.',
    attributes: ['cpu.mode'],
    points: ({ cpuUserMs, cpuSystemMs }) => [
      { value: cpuUserMs / 1000, attributes: { 'cpu.mode': 'user' } },
      { value: cpuSystemMs / 1000, attributes: { 'cpu.mode': 'system' } },
    ],
  },
  {
    name: 'v8js.memory.heap.used',
    kind: 'sum',
    unit: 'By',
    description: 'Heap in use, by its spaces.',
    attributes: ['v8js.heap.space.name'],
    points: ofSpaces(({ usedBytes }) => usedBytes),
  },
  {
    name: 'v8js.memory.heap.limit',
    kind: 'sum',
    unit: 'By',
    description: 'Heap that is reserved, by its spaces.',
    attributes: ['v8js.heap.space.name'],
    points: ofSpaces(({ sizeBytes }) => sizeBytes),
  },
  {
    name: 'nodejs.eventloop.delay.p50',
    kind: 'gauge',
    unit: 's',
    description: 'How late the event loop was over the last ten seconds or so: the median.',
    points: ({ lag }) => [{ value: lag.p50Ms / 1000 }],
  },
  {
    name: 'nodejs.eventloop.delay.p99',
    kind: 'gauge',
    unit: 's',
    description: 'How late the event loop was over the last ten seconds or so: the 99th percentile.',
    points: ({ lag }) => [{ value: lag.p99Ms / 1000 }],
  },
  {
    name: 'nodejs.eventloop.delay.max',
    kind: 'gauge',
    unit: 's',
    description: 'How late the event loop was over the last ten seconds or so: the worst.',
    points: ({ lag }) => [{ value: lag.maxMs / 1000 }],
  },
  {
    name: 'nodejs.eventloop.utilization',
    kind: 'gauge',
    unit: '1',
    description: 'Part of the time in which the event loop had something to do, since it was last asked for.',
    points: ({ utilization }) => [{ value: utilization }],
  },
];
