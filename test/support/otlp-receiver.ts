import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const proto = fileURLToPath(new URL('../fixtures/otlp.proto', import.meta.url));

type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface ReceivedSpan {
  readonly name: string;
  readonly node: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** '' of the first span of a trace. */
  readonly parentId: string;
  readonly attributes: Attributes;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly node: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum' | 'counter' | 'histogram';
  /** Of histograms how many were recorded. */
  readonly points: readonly { readonly value: number; readonly attributes: Attributes }[];
}

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number };
}

/** Of the fixture's messages what is read here. */
interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly SpanMessage[] }[];
  }[];
}

interface SpanMessage {
  readonly name: string;
  readonly kind: number;
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentSpanId?: Uint8Array;
  readonly attributes: readonly KeyValue[];
}

interface MetricsRequest {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly MetricMessage[] }[];
  }[];
}

interface Points {
  readonly dataPoints: readonly {
    readonly asDouble?: number;
    readonly asInt?: number;
    readonly count?: number;
    readonly attributes: readonly KeyValue[];
  }[];
  readonly isMonotonic?: boolean;
}

interface MetricMessage {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: Points;
  readonly sum?: Points;
  readonly histogram?: Points;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const attributesOf = (pairs: readonly KeyValue[]): Attributes =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0] ?? '']));

/** Takes what is sent over OTLP, decodes it, and keeps it. `stalls`: takes it and never answers. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly resources: Attributes[] = [];
  /** By node and name, as last told. */
  readonly metrics = new Map<string, ReceivedMetric>();
  /** Requests, by path. */
  readonly requests: string[] = [];
  stalls = false;

  private constructor(
    readonly url: string,
    private readonly server: Server,
    private readonly root: protobuf.Root,
  ) {}

  static async start(): Promise<OtlpReceiver> {
    const root = await protobuf.load(proto);
    const server = createServer((request, response) => void receiver.take(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const receiver = new OtlpReceiver(url, server, root);
    return receiver;
  }

  metric(node: string, name: string): ReceivedMetric | undefined {
    return this.metrics.get(`${node} ${name}`);
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests.push(request.url ?? '');
    if (this.stalls) return;
    const body = Buffer.concat(chunks);
    if (request.url === '/v1/traces') this.takeTraces(this.decoded<TraceRequest>('TraceRequest', body));
    else this.takeMetrics(this.decoded<MetricsRequest>('MetricsRequest', body));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }

  private decoded<T>(type: string, body: Buffer): T {
    const message = this.root.lookupType(`otlp.${type}`);
    return message.toObject(message.decode(body), { longs: Number, arrays: true }) as T;
  }

  private takeTraces({ resourceSpans }: TraceRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const of = attributesOf(resource.attributes);
      this.resources.push(of);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          name: span.name,
          kind: span.kind,
          node: String(of['service.instance.id']),
          traceId: hex(span.traceId),
          spanId: hex(span.spanId),
          parentId: hex(span.parentSpanId ?? Buffer.alloc(0)),
          attributes: attributesOf(span.attributes),
        });
      }
    }
  }

  private takeMetrics({ resourceMetrics }: MetricsRequest): void {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const of = attributesOf(resource.attributes);
      this.resources.push(of);
      const node = String(of['service.instance.id']);
      for (const { name, unit, gauge, sum, histogram } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
        const points = (gauge ?? sum ?? histogram)!.dataPoints.map(({ asDouble, asInt, count, attributes }) => ({
          value: asDouble ?? asInt ?? count ?? 0,
          attributes: attributesOf(attributes),
        }));
        const kind = gauge ? 'gauge' : histogram ? 'histogram' : sum?.isMonotonic ? 'counter' : 'sum';
        this.metrics.set(`${node} ${name}`, { name, node, unit, kind, points });
      }
    }
  }
}
