// What may stand in the files of the OpenTelemetry collector and of Jaeger 2 (which is a collector with
// storage): the components that we use, with the fields that their documentation has, and no others.
// Written by hand; neither ships a schema for the whole file.

import { z } from 'zod'

const endpoint = z.string().regex(/^[\w.-]+:[0-9]+$/)
const server = z.strictObject({ endpoint })
const duration = z.string().regex(/^[0-9]+(ms|s|m|h)$/)
const count = z.int().positive()

const telemetry = z.strictObject({
  resource: z.record(z.string(), z.string()).optional(),
  logs: z.strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']),
    encoding: z.enum(['json', 'console']).optional(),
  }),
  metrics: z.strictObject({ level: z.enum(['none', 'basic', 'normal', 'detailed']) }),
})

const service = z.strictObject({
  extensions: z.array(z.string()),
  pipelines: z.record(
    z.enum(['traces']),
    z.strictObject({
      receivers: z.array(z.string()).nonempty(),
      processors: z.array(z.string()),
      exporters: z.array(z.string()).nonempty(),
    }),
  ),
  telemetry,
})

const receivers = z.strictObject({
  otlp: z.strictObject({
    protocols: z.strictObject({ grpc: server.optional(), http: server.optional() }),
  }),
})

const batch = z.strictObject({
  timeout: duration.optional(),
  send_batch_size: count.optional(),
  send_batch_max_size: count.optional(),
})

export const collectorSchema = z.strictObject({
  extensions: z.strictObject({ health_check: server }),
  receivers,
  processors: z.strictObject({
    batch,
    memory_limiter: z.strictObject({
      check_interval: duration,
      limit_mib: count,
      spike_limit_mib: count,
    }),
  }),
  exporters: z.strictObject({
    otlp: z.strictObject({
      endpoint,
      tls: z.strictObject({ insecure: z.boolean() }),
      sending_queue: z.strictObject({ queue_size: count }).optional(),
    }),
  }),
  service,
})

export const jaegerSchema = z.strictObject({
  extensions: z.strictObject({
    healthcheckv2: z.strictObject({ use_v2: z.literal(true), http: server }),
    jaeger_storage: z.strictObject({
      backends: z.record(
        z.string(),
        z.strictObject({ memory: z.strictObject({ max_traces: count }) }),
      ),
    }),
    jaeger_query: z.strictObject({
      storage: z.strictObject({ traces: z.string() }),
      http: server,
      grpc: server,
    }),
  }),
  receivers,
  processors: z.strictObject({ batch }),
  exporters: z.strictObject({
    jaeger_storage_exporter: z.strictObject({ trace_storage: z.string() }),
  }),
  service,
})

export const datasourcesSchema = z.strictObject({
  apiVersion: z.literal(1),
  datasources: z.array(
    z.strictObject({
      name: z.string(),
      uid: z.string(),
      type: z.enum(['prometheus', 'jaeger']),
      url: z.url(),
      isDefault: z.boolean().optional(),
      jsonData: z.strictObject({ timeInterval: duration }).optional(),
    }),
  ),
})

export const providersSchema = z.strictObject({
  apiVersion: z.literal(1),
  providers: z.array(
    z.strictObject({
      name: z.string(),
      type: z.literal('file'),
      allowUiUpdates: z.boolean(),
      options: z.strictObject({ path: z.string() }),
    }),
  ),
})
