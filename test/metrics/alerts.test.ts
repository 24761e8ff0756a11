// Goal: each alert fires when it should and only then, by `promtool test rules`; and each has its
// section in docs/operations.md, of which there are no others.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { OBSERVABILITY, whatIsMissing } from './prometheus.ts'

const ALERTS_MAX = 12
const RULES = join(OBSERVABILITY, 'alerts.yml')
const GUIDE = join(import.meta.dirname, '../../docs/operations.md')

const missing = whatIsMissing()
if (missing !== undefined) console.log(`alerts: SKIPPED, ${missing}`)

interface Rule {
  readonly alert: string
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const rules = (
  parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules)

/** Series by name, as promtool writes their values minute by minute; null: there is none. */
type SeriesValues = Readonly<Record<string, string | null>>

const FLAT = 'x150'
const growing = (byMinute: number) => `0+${byMinute}${FLAT}`
const always = (value: number) => `${value}${FLAT}`

function histogram(name: string, counts: Readonly<Record<string, string>>): SeriesValues {
  const series = Object.entries(counts).map(([le, values]) => [
    `${name}_bucket{le="${le}"}`,
    values,
  ])
  return Object.fromEntries(series) as SeriesValues
}

const FIRST_TICK = 'twotick_gateway_first_tick_latency_seconds'
const DELIVERY = 'twotick_gateway_delivery_latency_seconds'
const SERVICES = ['gateway', 'metadata-validation', 'envelope-store', 'delivery-fanout', 'expiry']

const TURNED_AWAY = 'twotick_gateway_handshakes_refused_total{code="UNAVAILABLE"}'
const OPENED = 'twotick_gateway_sessions_opened_total'

/** A relay that is well, with a message a second. */
const WELL: SeriesValues = {
  ...Object.fromEntries(
    SERVICES.map((name) => [`process_start_time_seconds{service_name="${name}"}`, always(1)]),
  ),
  ...histogram(FIRST_TICK, {
    0.01: growing(60),
    1: growing(60),
    2: growing(60),
    '+Inf': growing(60),
  }),
  ...histogram(DELIVERY, {
    0.02: growing(60),
    5: growing(60),
    10: growing(60),
    '+Inf': growing(60),
  }),
  twotick_gateway_stalled_sessions: always(3),
  twotick_gateway_sessions: always(900),
  twotick_gateway_doorbells_lost_total: growing(1),
  twotick_store_accepted_total: growing(60),
  twotick_store_delivered_total: growing(50),
  twotick_store_noticed_total: growing(2),
  twotick_mailboxes_waiting_entries: `1000+8${FLAT}`,
  twotick_store_unknown_total: always(2),
  [TURNED_AWAY]: always(5),
  [OPENED]: growing(10),
  'twotick_nats_connected{service_name="gateway"}': always(1),
  'twotick_gateway_rejected_total{code="RATE_LIMITED"}': growing(1),
  twotick_gateway_stored_total: growing(60),
  'twotick_postgres_waiting{service_name="envelope-store"}': always(0),
  'nodejs_eventloop_lag_seconds{service_name="gateway",quantile="0.99"}': always(0.02),
  'nodejs_eventloop_lag_seconds{service_name="gateway",quantile="1"}': always(2),
  twotick_expiry_last_sweep_timestamp_seconds: growing(60),
  'twotick_expiry_failures_total{round="sweep"}': always(3),
  twotick_gateway_connections: always(1_000),
  twotick_gateway_connections_max: always(50_000),
}

const CASES: Readonly<Record<string, readonly SeriesValues[]>> = {
  ServiceMissing: [{ 'process_start_time_seconds{service_name="expiry"}': null }],
  FirstTickSlow: [histogram(FIRST_TICK, { 0.01: growing(50), 1: growing(50) })],
  DeliverySlow: [histogram(DELIVERY, { 0.02: growing(50), 5: growing(50) })],
  DevicesStalled: [{ twotick_gateway_stalled_sessions: always(100) }],
  DoorbellsLost: [
    { twotick_gateway_doorbells_lost_total: growing(20) },
    { 'twotick_nats_connected{service_name="delivery-fanout"}': always(0) },
  ],
  DevicesTurnedAway: [
    { twotick_store_unknown_total: growing(1) },
    // Without Postgres: some commits fail at once, then validation does, and nobody gets in.
    { twotick_store_unknown_total: always(36), [TURNED_AWAY]: growing(150), [OPENED]: always(900) },
  ],
  SendsRefused: [{ 'twotick_gateway_rejected_total{code="RATE_LIMITED"}': growing(20) }],
  PostgresPoolExhausted: [{ 'twotick_postgres_waiting{service_name="envelope-store"}': always(4) }],
  EventLoopLate: [
    { 'nodejs_eventloop_lag_seconds{service_name="gateway",quantile="0.99"}': always(0.5) },
  ],
  ExpiryStopped: [
    { twotick_expiry_last_sweep_timestamp_seconds: always(60) },
    { twotick_expiry_last_sweep_timestamp_seconds: null },
  ],
  BooksDoNotBalance: [{ twotick_store_delivered_total: growing(40) }],
  ConnectionsNearlyFull: [{ twotick_gateway_connections: always(45_000) }],
}

/** What is no reason for an alert. */
const HARMLESS: Readonly<Record<string, SeriesValues>> = {
  'a relay that is well': {},
  // 20,000 are told when their turn is, and 80 get in each second.
  'a failover, after which all devices come back at once': {
    [TURNED_AWAY]: '0x130 20000x30',
    [OPENED]: '0x130 0+4800x4 20000x26',
  },
  'a device that is turned away now and then on a relay where nobody comes': {
    [TURNED_AWAY]: growing(1),
    [OPENED]: always(900),
  },
}

/** What promtool says of a relay with these series, 2:10 to 2:20; empty: just `expected` fires at its end. */
function judge(changed: SeriesValues, expected: string | undefined): string {
  const series = Object.entries({ ...WELL, ...changed }).filter(([, values]) => values !== null)
  const folder = mkdtempSync(join(tmpdir(), 'twotick-alerts-'))
  const firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
  const minutes = expected === undefined ? Array.from({ length: 11 }, (_, at) => 130 + at) : [140]
  const samples = expected && [{ labels: `{alertname="${expected}"}`, value: 1 }]
  const test = {
    rule_files: [RULES],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: series.map(([name, values]) => ({ series: name, values })),
        promql_expr_test: minutes.map((minute) => ({
          expr: firing,
          eval_time: `${minute}m`,
          exp_samples: samples ?? [],
        })),
      },
    ],
  }
  try {
    writeFileSync(join(folder, 'test.yml'), stringify(test))
    const ran = spawnSync('promtool', ['test', 'rules', join(folder, 'test.yml')])
    return ran.status === 0 ? '' : `${ran.stdout}${ran.stderr}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

it('there are few, each has its case here and its section in the guide', () => {
  const names = rules.map(({ alert }) => alert)
  expect(names.length).toBeLessThanOrEqual(ALERTS_MAX)
  expect(names.sort()).toEqual(Object.keys(CASES).sort())
  const guide = readFileSync(GUIDE, 'utf8')
  const sections = [...guide.matchAll(/^#### (\w+)$/gm)].map(([, name]) => name)
  expect(sections.sort()).toEqual(names)
  for (const { alert, annotations } of rules) {
    expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`)
  }
})

describe.skipIf(missing !== undefined)('promtool', () => {
  it('knows every word of the rules', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', RULES])
    expect(`${stdout}${stderr}`).toContain(`${rules.length} rules found`)
    expect(status).toBe(0)
  })

  it('knows every word of Prometheus’ own configuration', () => {
    const file = join(OBSERVABILITY, 'prometheus.yml')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file])
    expect(`${stdout}${stderr}`).toContain('is valid prometheus config')
    expect(status).toBe(0)
  })

  it.each(Object.entries(HARMLESS))('no alert fires on %s', (_, changed) => {
    expect(judge(changed, undefined)).toBe('')
  })

  const cases = Object.entries(CASES).flatMap(([alert, series]) =>
    series.map((changed) => [alert, changed] as const),
  )
  it.each(cases)('%s fires, and it alone', (alert, changed) => {
    expect(judge(changed, alert)).toBe('')
  })
})
