import type { NodeConfig } from '../config/node-config.js';
import { systemClock } from '../platform/clock.js';
import { shortHostname } from '../platform/machine.js';
import { packageFacts } from '../platform/package.js';
import { processGauges } from '../platform/process-gauges.js';
import { systemRandom } from '../platform/random.js';
import { runtimeReader } from '../platform/runtime.js';
import type { Log } from '../ports/log.js';
import type { Sdk } from '../telemetry/sdk.js';

/** A node that stops waits so long for those who receive its telemetry. */
const stopMs = 2000;

export type NodeTelemetry = Pick<Sdk, 'meterProvider' | 'tracerProvider' | 'metricsText'> & {
  /** Never rejects. */
  stop(): Promise<void>;
};

/** Metrics and traces as the config asks for them; undefined where it asks for none, and then nothing is loaded. */
export async function telemetryOf(
  { telemetry, name, label, bind }: NodeConfig,
  log: Log,
): Promise<NodeTelemetry | undefined> {
  if (telemetry.metrics === 'none' && !telemetry.traces) return undefined;
  const { startSdk } = await import('../telemetry/sdk.js');
  const resource = {
    'service.name': 'distcache',
    'service.version': packageFacts().version,
    // As the node is named unless it takes a free port.
    'service.instance.id': name ?? `${shortHostname()}-${bind.port === 0 ? systemRandom.id() : bind.port}`,
    ...(label === '' ? {} : { 'service.namespace': label }),
  };
  const sdk = await startSdk({ ...telemetry, resource }, { clock: systemClock, log });
  const stopWatching = sdk.meterProvider && (await watchProcess(sdk.meterProvider, log));
  const { meterProvider, tracerProvider, metricsText } = sdk;
  return {
    meterProvider,
    tracerProvider,
    metricsText,
    async stop() {
      await sdk.stop({ deadlineMs: systemClock.nowMs() + stopMs });
      stopWatching?.();
    },
  };
}

async function watchProcess(meterProvider: NonNullable<Sdk['meterProvider']>, log: Log): Promise<() => void> {
  const [{ observe }, { runtimeMetrics }] = await Promise.all([
    import('../telemetry/metric.js'),
    import('../telemetry/runtime-metrics.js'),
  ]);
  const gauges = processGauges(systemClock);
  const meter = meterProvider.getMeter('distcache', packageFacts().version);
  const stop = observe(meter, runtimeMetrics, runtimeReader(gauges), (error) =>
    log.write('warn', 'reading the process failed', { error }),
  );
  return () => {
    stop();
    gauges.stop();
  };
}
