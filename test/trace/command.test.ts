// Goal: whoever may asks for a trace on the command line, is told its id and where to see it, and sees
// the message's way as a tree, what was done later included; whoever may not gets no trace.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createMachine, type Machine } from '../../clients/cli/test/cli.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'
import { openJaegerOf } from './jaeger.ts'
import { openReceiver } from './receiver.ts'

const PER_MINUTE_MAX = 3

let receiver: Awaited<ReturnType<typeof openReceiver>>
let jaeger: Awaited<ReturnType<typeof openJaegerOf>>
let relay: Relay
let machine: Machine

beforeAll(async () => {
  receiver = await openReceiver()
  jaeger = await openJaegerOf(receiver.spans)
  const { env } = receiver
  relay = await startRelay({
    env: {
      'envelope-store': env,
      'metadata-validation': env,
      'delivery-fanout': env,
      gateway: {
        ...env,
        TWOTICK_TRACE_ACCOUNTS: '*',
        TWOTICK_TRACE_PER_MINUTE_MAX: `${PER_MINUTE_MAX}`,
      },
      expiry: env,
    },
  })
  machine = createMachine(relay.url)
  for (const handle of ['alice', 'bob']) await machine.run('register', handle)
})

afterAll(async () => {
  machine.remove()
  await relay.stop()
  await jaeger.close()
  await receiver.close()
})

function sendTraced(...more: string[]) {
  return machine.run(
    '--as',
    'alice',
    ...more,
    'send',
    '--trace',
    '--jaeger',
    jaeger.url,
    'bob',
    'hi',
  )
}

function show(message: string, ...more: string[]) {
  return machine.run('--as', 'alice', ...more, 'trace', '--jaeger', jaeger.url, message)
}

it('send --trace says the id, the page and what to type; trace shows the tree', async () => {
  const listening = machine.start('--as', 'bob', 'listen')
  await listening.shows('Ctrl-C')
  const { code, out } = await sendTraced()
  expect(code).toBe(0)
  const [, traceId] = /trace {2}([0-9a-f]{32})/.exec(out) ?? []
  expect(out).toContain(`${jaeger.url}/trace/${traceId}`)
  expect(out).toContain('--as alice trace 1')
  await listening.shows('hi')

  const shown = await show('1')
  expect(shown.err).toBe('')
  expect(shown.code).toBe(0)
  expect(shown.out).toContain(`trace ${traceId}`)
  const line = (text: string) =>
    expect.stringMatching(new RegExp(`^ *\\+\\S+ m?s +\\S+ m?s +${text} *$`))
  expect(shown.out.split('\n')).toEqual(
    expect.arrayContaining([
      line('send +gateway'),
      line('├─ validate +gateway'),
      line('│ {2}└─ validate +metadata-validation'),
      line('└─ append +gateway'),
      line(' {3}└─ append +envelope-store'),
    ]),
  )
  expect(await show(traceId ?? '')).toMatchObject({ code: 0 })
  listening.child.kill('SIGINT')
  await listening.ended()
})

it('what is fetched later is shown as linked', async () => {
  await sendTraced()
  await machine.run('--as', 'bob', 'listen', '--drain')
  const shown = await show('2')
  const [, linked = ''] = shown.out.split('linked')
  expect(linked).toMatch(/push +gateway/)
  expect(linked).toMatch(/└─ ack +gateway/)
})

it('for programs it is one object', async () => {
  const { out } = await sendTraced('--json')
  const { no, traceId } = JSON.parse(out) as { no: number; traceId: string }
  const shown = JSON.parse((await show(String(no), '--json')).out) as {
    traceId: string
    spans: { name: string }[]
  }
  expect(shown.traceId).toBe(traceId)
  expect(shown.spans.map(({ name }) => name)).toContain('send')
})

it('beyond the bound of a minute nothing is traced, and the message goes all the same', async () => {
  // Not surely the next one: on a slow machine another minute may have begun.
  const isTraced = async () => {
    const { code, out } = await sendTraced()
    expect(code).toBe(0)
    const [, traceId] = /trace {2}([0-9a-f]{32})/.exec(out) ?? []
    expect(traceId).toBeDefined()
    await sleep(500) // by then its spans are here
    return receiver.spans.some((span) => span.traceId === traceId)
  }
  await waitFor(async () => !(await isTraced()), { what: 'no trace', deadlineMs: 90_000 })
})

it('what is wrong is said with what to do', async () => {
  const { out } = await machine.run('--as', 'alice', '--json', 'send', 'bob', 'without')
  const untraced = await show(String((JSON.parse(out) as { no: number }).no))
  expect(untraced.code).toBe(1)
  expect(untraced.err).toMatch(/sent without a trace[^]*send --trace/)
  expect((await show('77')).err).toContain('is not known here')
  expect(await show('bob')).toMatchObject({ code: 2 })
  const nowhere = await machine.run('--as', 'alice', 'trace', '--jaeger', 'http://127.0.0.1:1', '1')
  expect(nowhere).toMatchObject({ code: 3 })
  expect(nowhere.err).toContain('No Jaeger answers')
})
