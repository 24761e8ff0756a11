// What the dashboard shows: five rows, what matters most first. An expression is PromQL over the
// services' own metrics; a test has Prometheus answer each from a running relay.

/** Name of a series, and the PromQL for it. */
type Series = Readonly<Record<string, string>>

export interface Graph {
  readonly title: string
  /** What it tells, and when to worry. */
  readonly text: string
  readonly unit: 's' | 'bytes' | 'short' | 'ops' | 'percentunit'
  readonly series: Series
}

const rate = (metric: string) => `sum(rate(${metric}[$__rate_interval]))`
const rateBy = (label: string, metric: string) =>
  `sum by (${label}) (rate(${metric}[$__rate_interval]))`
const quantile = (share: number, histogram: string) =>
  `histogram_quantile(${share}, sum by (le) (rate(${histogram}_bucket[$__rate_interval])))`
const latency = (histogram: string): Series => ({
  'half within': quantile(0.5, histogram),
  '99 % within': quantile(0.99, histogram),
})
const mean = (histogram: string) => `${rate(`${histogram}_sum`)} / ${rate(`${histogram}_count`)}`
const grown = (counter: string) => `sum(increase(${counter}[1h]))`

const PROMISE: readonly Graph[] = [
  {
    title: 'First tick',
    text: 'From a send to its first tick: durable in every mailbox. A second is too long.',
    unit: 's',
    series: latency('twotick_gateway_first_tick_latency_seconds'),
  },
  {
    title: 'Delivery',
    text: 'From the first tick until a device that was connected has acknowledged it.',
    unit: 's',
    series: latency('twotick_gateway_delivery_latency_seconds'),
  },
  {
    title: 'Messages',
    text: 'Sends with a first tick, and pairs of message and recipient account.',
    unit: 'ops',
    series: {
      'first ticks': rate('twotick_gateway_stored_total'),
      'recipients, first tick': rate('twotick_store_accepted_total'),
      'recipients, second tick': rate('twotick_store_delivered_total'),
      'recipients, noticed': rate('twotick_store_noticed_total'),
    },
  },
  {
    title: 'Waiting',
    text: 'Entries that no device has which they are for, as expiry last counted.',
    unit: 'short',
    series: {
      'on the whole relay': 'max(twotick_mailboxes_waiting_entries)',
      'pushed, not acknowledged': 'sum(twotick_gateway_unacked_entries)',
    },
  },
  {
    title: 'Longest wait',
    text: 'Of devices that are away up to 30 days; of one that is connected, seconds.',
    unit: 's',
    series: {
      'device away': 'max(twotick_mailboxes_oldest_waiting_age_seconds)',
      'device connected': 'max(twotick_gateway_oldest_unacked_age_seconds)',
    },
  },
  {
    title: 'The books, over an hour',
    text: 'accepted - delivered - noticed is what the waiting has grown by. The two lines are one.',
    unit: 'short',
    series: {
      'accepted - delivered - noticed': `${grown('twotick_store_accepted_total')} - ${grown('twotick_store_delivered_total')} - ${grown('twotick_store_noticed_total')}`,
      'waiting has grown by': 'max(delta(twotick_mailboxes_waiting_entries[1h]))',
    },
  },
]

const DELIVERY: readonly Graph[] = [
  {
    title: 'Lost on the way',
    text: 'Doorbells may be lost: reconciliation finds what they would have said within 10 s.',
    unit: 'ops',
    series: {
      'found by reconciliation': rate('twotick_gateway_doorbells_lost_total'),
      'not taken from the store': rate('twotick_store_doorbells_unpublished_total'),
      'not taken from fan-out': rate('twotick_fanout_unpublished_total'),
      'dropped by fan-out': rate('twotick_fanout_dropped_total'),
      'rung everywhere: no presence': rate('twotick_fanout_presence_failed_total'),
      'left out under load': rate('twotick_gateway_shed_total'),
    },
  },
  {
    title: 'Pushed',
    text: 'Pushed again: a session ended before it had acknowledged them.',
    unit: 'ops',
    series: {
      pushed: rate('twotick_gateway_pushed_total'),
      'pushed again': rate('twotick_gateway_redelivered_total'),
      'catch-ups': rate('twotick_gateway_catch_ups_total'),
    },
  },
  {
    title: 'Fan-out',
    text: 'What it is told, what it tells gateways, and how much of it at once.',
    unit: 'short',
    series: {
      'told, per second': rate('twotick_fanout_matters_total'),
      'tells, per second': rate('twotick_fanout_rings_total'),
      'at once': mean('twotick_fanout_batch_matters'),
    },
  },
  {
    title: 'Sends refused',
    text: 'By code: docs/refusals.md says what each means.',
    unit: 'ops',
    series: { '{{code}}': rateBy('code', 'twotick_gateway_rejected_total') },
  },
  {
    title: 'Handshakes refused',
    text: 'By code. UNAUTHENTICATED may be somebody who tries; TOO_MANY_CONNECTIONS, a proxy that does not say for whom.',
    unit: 'ops',
    series: { '{{code}}': rateBy('code', 'twotick_gateway_handshakes_refused_total') },
  },
  {
    title: 'Sessions ended',
    text: 'By the code of the goodbye; none: the device left by itself.',
    unit: 'ops',
    series: { '{{code}}': rateBy('code', 'twotick_gateway_sessions_ended_total') },
  },
]

const GATEWAY: readonly Graph[] = [
  {
    title: 'Connections',
    text: 'All gateways together, and how many they take.',
    unit: 'short',
    series: {
      connections: 'sum(twotick_gateway_connections)',
      sessions: 'sum(twotick_gateway_sessions)',
      'at most': 'sum(twotick_gateway_connections_max)',
    },
  },
  {
    title: 'Slow devices',
    text: 'Connected, and nothing acknowledged for a minute; or not read, for back-pressure.',
    unit: 'short',
    series: {
      stalled: 'sum(twotick_gateway_stalled_sessions)',
      'not read': 'sum(twotick_gateway_paused_connections)',
    },
  },
  {
    title: 'Buffered for devices',
    text: 'Written and not taken by the devices yet. Bounded for each.',
    unit: 'bytes',
    series: { 'all gateways': 'sum(twotick_gateway_buffered_bytes)' },
  },
]

const STORE: readonly Graph[] = [
  {
    title: 'Transactions',
    text: 'Of appends and acks, from begin to commit.',
    unit: 's',
    series: latency('twotick_store_transaction_seconds'),
  },
  {
    title: 'Batches',
    text: 'What is done together: batches grow by themselves under load.',
    unit: 'short',
    series: {
      'writes in a transaction': mean('twotick_store_batch_items'),
      'sends judged at once': mean('twotick_validation_batch_sends'),
    },
  },
  {
    title: 'Postgres connections',
    text: 'Who waits for a connection waits for a slow Postgres.',
    unit: 'short',
    series: {
      '{{service_name}} busy': 'sum by (service_name) (twotick_postgres_connections{state="busy"})',
      '{{service_name}} at most': 'sum by (service_name) (twotick_postgres_connections_max)',
      '{{service_name}} waiting': 'sum by (service_name) (twotick_postgres_waiting)',
    },
  },
  {
    title: 'Outcomes',
    text: 'Unknown: Postgres failed at a commit; the gateway repeats the same bytes.',
    unit: 'ops',
    series: {
      unknown: rate('twotick_store_unknown_total'),
      'refused {{code}}': rateBy('code', 'twotick_store_refused_total'),
    },
  },
  {
    title: 'Forgotten',
    text: 'Entries removed: everybody has them, or their time was over.',
    unit: 'ops',
    series: {
      removed: rate('twotick_store_removed_total'),
      expired: rate('twotick_expiry_expired_total'),
    },
  },
  {
    title: 'Expiry',
    text: 'Time since the last whole round, and what failed.',
    unit: 's',
    series: {
      'since the last round': 'time() - max(twotick_expiry_last_sweep_timestamp_seconds)',
      'failed rounds, per second: {{round}}': rateBy('round', 'twotick_expiry_failures_total'),
    },
  },
]

const PROCESSES: readonly Graph[] = [
  {
    title: 'CPU',
    text: 'Cores in use. A service uses one at most: more load needs more replicas.',
    unit: 'short',
    series: { '{{service_name}}': rateBy('service_name', 'process_cpu_seconds_total') },
  },
  {
    title: 'Late timers',
    text: 'The event loop: 99 % of timers were late by less than this.',
    unit: 's',
    series: {
      '{{service_name}}': 'max by (service_name) (nodejs_eventloop_lag_seconds{quantile="0.99"})',
    },
  },
  {
    title: 'Memory',
    text: 'Resident. Every queue has a bound: it does not grow without end.',
    unit: 'bytes',
    series: { '{{service_name}}': 'max by (service_name) (process_resident_memory_bytes)' },
  },
  {
    title: 'Bus and presence',
    text: '1 is connected. Without NATS a message takes up to 10 s; without Redis gateways work more.',
    unit: 'short',
    series: {
      '{{service_name}} to NATS': 'min by (service_name) (twotick_nats_connected)',
      '{{service_name}} to Redis': 'min by (service_name) (twotick_redis_connected)',
    },
  },
  {
    title: 'Started',
    text: 'Replicas that have started within the last hour.',
    unit: 'short',
    series: {
      '{{service_name}}':
        'count by (service_name) (time() - process_start_time_seconds < 3600) or vector(0)',
    },
  },
  {
    title: 'Sends judged',
    text: 'By metadata-validation, by outcome.',
    unit: 'ops',
    series: { '{{outcome}}': rateBy('outcome', 'twotick_validation_verdicts_total') },
  },
]

export const ROWS: readonly (readonly [title: string, graphs: readonly Graph[]])[] = [
  ['The promise', PROMISE],
  ['Delivery', DELIVERY],
  ['Gateways', GATEWAY],
  ['The store', STORE],
  ['Processes', PROCESSES],
]
