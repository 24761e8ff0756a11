// Goal: a real Prometheus reads a running relay with the configuration that is shipped, has an answer
// for every expression of the dashboard, the alerts and the autoscaler, and what it says is what
// happened; every metric is in base units, has few series and names nobody.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { dashboard } from '../../deploy/observability/dashboard.ts'
import { dashboardDifferences } from '../../scripts/dashboard-file.ts'
import { linkDevice, newAccount, sendText, type TestDevice } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'
import { OBSERVABILITY, type Prometheus, startPrometheus, whatIsMissing } from './prometheus.ts'

const ROOT = join(import.meta.dirname, '../..')
const SERIES_MAX = 600 // of one replica

const missing = whatIsMissing()
if (missing !== undefined) console.log(`metrics: SKIPPED, ${missing}`)

let relay: Relay
let prometheus: Prometheus
const open: TestDevice[] = []

beforeAll(async () => {
  if (missing !== undefined) return
  relay = await startRelay({ env: { expiry: { TWOTICK_SWEEP_INTERVAL_MS: '500' } } })
  await haveConversation()
  const urls = Object.values(relay.services).map(({ healthUrl }) => new URL(healthUrl).host)
  prometheus = await startPrometheus(urls)
  await waitFor(async () => (await prometheus.query('sum(up)'))[0]?.value === 5, {
    what: 'every service to be read',
    deadlineMs: 30_000,
  })
  // A rate takes two looks.
  const isTwice = async () => (await prometheus.query('min(count_over_time(up[1m]))'))[0]!.value > 2
  await waitFor(isTwice, { what: 'more looks', deadlineMs: 30_000 })
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await prometheus?.stop()
  await relay?.stop()
})

/** Ten messages to two devices of which one is away, two to somebody who is not there. */
async function haveConversation() {
  const alice = await newAccount(relay.url, 'alice')
  const bob = await newAccount(relay.url, 'bob')
  const carol = await newAccount(relay.url, 'carol')
  open.push(alice, bob, await linkDevice(relay.url, bob))
  await carol.close()
  for (let no = 1; no <= 10; no++) await (await sendText(alice, bob, `message ${no}`)).delivered
  for (let no = 1; no <= 2; no++) await (await sendText(alice, carol, 'are you there')).stored
}

/** Every expression of the dashboard, as it is after Grafana has put the interval in. */
function expressions(): string[] {
  const targets = (dashboard().panels ?? []).flatMap((panel) =>
    'targets' in panel ? (panel.targets ?? []) : [],
  )
  return targets.map(({ expr }) => String(expr).replaceAll('$__rate_interval', '1m'))
}

function alertExpressions(): string[] {
  const { groups } = parse(readFileSync(join(OBSERVABILITY, 'alerts.yml'), 'utf8')) as {
    groups: { rules: { expr: string }[] }[]
  }
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr))
}

function autoscalerMetrics(): string[] {
  const text = readFileSync(join(ROOT, 'k8s/base/gateway.yaml'), 'utf8')
  const scaler = parseAllDocuments(text)
    .map((document) => document.toJS() as { kind: string; spec: { metrics: Pods[] } })
    .find(({ kind }) => kind === 'HorizontalPodAutoscaler')
  return (scaler?.spec.metrics ?? []).map(({ pods }) => pods.metric.name)
}

interface Pods {
  readonly pods: { readonly metric: { readonly name: string } }
}

/** The names in an expression: ours and the process' own. */
function metricsOf(expression: string): string[] {
  return expression.match(/\b(?:twotick|process|nodejs)_\w+/g) ?? []
}

it('the dashboard’s file is what its source says', async () => {
  expect(await dashboardDifferences()).toBe('')
})

describe.skipIf(missing !== undefined)('a real Prometheus', () => {
  it('has every metric that the dashboard, the alerts and the autoscaler name', async () => {
    const known = (await prometheus.get('/api/v1/label/__name__/values')) as string[]
    const named = [...expressions(), ...alertExpressions(), ...autoscalerMetrics()]
    expect(named.length).toBeGreaterThan(60)
    const names = new Set(named.flatMap(metricsOf))
    expect([...names].filter((name) => !known.includes(name))).toEqual([])
  })

  it('has an answer to every expression of the dashboard', async () => {
    for (const expression of expressions()) {
      expect((await prometheus.query(expression)).length, expression).toBeGreaterThan(0)
    }
  })

  it('takes the alerts, and none fires on a relay that is well', async () => {
    const rulesNow = async () => {
      const { groups } = (await prometheus.get('/api/v1/rules')) as {
        groups: { rules: { name: string; health: string; state: string }[] }[]
      }
      return groups.flatMap((group) => group.rules)
    }
    const unwell = async () =>
      (await rulesNow())
        .filter(({ health, state }) => health !== 'ok' || state !== 'inactive')
        .map(({ name, state }) => `${name} ${state}`)
    const rules = await rulesNow()
    expect(rules.length).toBeGreaterThan(0)
    expect(rules.filter(({ health, state }) => health !== 'ok' || state === 'firing')).toEqual([])
    // One may be pending for a look, where the machine stood still.
    await expect.poll(unwell, { timeout: 30_000 }).toEqual([])
  })

  it('says what has happened, and the books balance', async () => {
    const value = async (expression: string) => (await prometheus.query(expression))[0]?.value
    expect(await value('sum(twotick_gateway_stored_total)')).toBe(12)
    expect(await value('sum(twotick_store_accepted_total)')).toBe(12)
    expect(await value('sum(twotick_store_delivered_total)')).toBe(10)
    expect(await value('max(twotick_mailboxes_waiting_entries)')).toBe(2)
    expect(await value('sum(twotick_gateway_first_tick_latency_seconds_count)')).toBe(12)
    expect(await value('sum(twotick_gateway_delivery_latency_seconds_count)')).toBe(10)
    expect(await value('sum(twotick_gateway_connections)')).toBe(2)
    const age = (await value('max(twotick_mailboxes_oldest_waiting_age_seconds)')) ?? 0
    expect(age).toBeGreaterThan(0)
    expect(age).toBeLessThan(300)
  })

  it('every metric is of a service that says its name, has few series and names nobody', async () => {
    for (const [name, service] of Object.entries(relay.services)) {
      const page = await (await fetch(`${service.healthUrl}/metrics`)).text()
      const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
      expect(lines.length, name).toBeLessThan(SERIES_MAX)
      for (const line of lines) expect(line).toContain(`service_name="${name}"`)
      for (const { address } of open) expect(page).not.toContain(address.accountId)
      expect(page).not.toMatch(/_(ms|milliseconds|kb|mb|seconds_seconds)\b/)
    }
  })
})
