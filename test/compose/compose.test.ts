// Goal: what `docker compose up --wait` brings up is the relay that README promises: from nothing, in
// time, for SDK and CLI, losing nothing when it is taken down, stopped part by part or widened, and
// locked in as the file says. In this order, on one stack: `npm run test:compose`.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createMachine } from '../../clients/cli/test/cli.ts'
import { newAccount, sendText, type TestDevice, texts } from '../device.ts'
import { waitFor } from '../wait.ts'
import { createStack, type Stack } from './stack.ts'

const ROOT = join(import.meta.dirname, '../..')
const HEALTHY_MS_MAX = 90_000
const IMAGE_BYTES_MAX = 160_000_000
const SERVICES = ['gateway', 'metadata-validation', 'envelope-store', 'delivery-fanout', 'expiry']
const PROGRAMS = [...SERVICES, 'proxy', 'secrets', 'migrate']

let stack: Stack
const open: TestDevice[] = []

beforeAll(async () => {
  stack = await createStack()
  await stack.compose('build', '--quiet')
}, 600_000)

afterEach(async () => {
  await Promise.all(open.splice(0).map((device) => device.close()))
})

afterAll(() => stack.remove(), 120_000)

async function account(handle: string): Promise<TestDevice> {
  const device = await newAccount(stack.url, handle)
  open.push(device)
  return device
}

test('every image runs read-only and without capabilities, and is small', async () => {
  for (const program of PROGRAMS) {
    const image = stack.image(program)
    const run = ['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none', image]
    expect(await stack.docker(...run, '--help')).toContain(`${program} is configured by`)
    const size = await stack.docker('image', 'inspect', '--format', '{{.Size}}', image)
    expect(Number(size), image).toBeLessThan(IMAGE_BYTES_MAX)
  }
})

test('from nothing to healthy, with the images built, in less than 90 s', async () => {
  const began = performance.now()
  await stack.compose('up', '--wait')
  const tookMs = performance.now() - began
  console.log(`docker compose up --wait: ${(tookMs / 1_000).toFixed(1)} s`)
  expect(tookMs).toBeLessThan(HEALTHY_MS_MAX)
}, 120_000)

test('the tests of any relay pass on it', async () => {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const env = { ...process.env, TWOTICK_TEST_URL: stack.url }
  const args = [vitest, 'run', '--project', 'deployed']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  expect(stdout).toMatch(/Tests .*4 passed/)
}, 240_000)

test('the first conversation on the command line, as README has it', async () => {
  const machine = createMachine(stack.url)
  try {
    for (const handle of ['dave', 'erin']) {
      expect(await machine.run('--as', handle, 'register', handle)).toMatchObject({ code: 0 })
    }
    expect(await machine.run('--as', 'dave', 'send', 'erin', 'Hello')).toMatchObject({ code: 0 })
    expect((await machine.run('--as', 'erin', 'listen', '--drain')).out).toContain('Hello')
    const { out } = await machine.run('--as', 'dave', 'status')
    expect(out).toContain('nothing waits for a tick')
  } finally {
    machine.remove()
  }
})

test('down and up again loses no waiting message', async () => {
  const frank = await account('frank')
  const grace = await account('grace')
  await grace.close()
  const sent = await sendText(frank, grace, 'wait for me')
  await sent.stored

  await stack.compose('down')
  await stack.compose('up', '--wait')
  await grace.open()
  expect(texts(grace)).toEqual(['wait for me'])
  await sent.delivered
}, 120_000)

test('two gateways behind one port: both serve, and one may go', async () => {
  await stack.compose('up', '--wait', '--scale', 'gateway=2', 'proxy')
  const gateways = await stack.containers('gateway')
  expect(gateways).toHaveLength(2)
  const devices = [await account('heidi'), await account('ivan'), await account('judy')]
  const [heidi, ...others] = devices as [TestDevice, TestDevice, TestDevice]
  for (const other of others) await (await sendText(heidi, other, 'one')).delivered

  // Who was on the one that goes comes back through the other.
  await stack.docker('stop', '--time', '15', gateways[0]!)
  for (const other of others) await (await sendText(heidi, other, 'two')).delivered
  for (const other of others) expect(texts(other)).toEqual(['one', 'two'])
}, 120_000)

test('every service is started anew under load: nothing is lost, doubled or refused', async () => {
  const kim = await account('kim')
  const liam = await account('liam')
  const refused: string[] = []
  kim.device.on('rejected', ({ error }) => refused.push(error.message))
  let isDone = false
  let count = 0
  const sending = (async () => {
    while (!isDone) {
      await sendText(kim, liam, `message ${++count}`)
      // Paced below the rates for one pair of accounts.
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  })()
  for (const service of SERVICES) await stack.compose('restart', service)
  isDone = true
  await sending
  await waitFor(() => kim.delivered.length === count, { what: 'all', deadlineMs: 90_000 })
  expect(refused).toEqual([])
  expect(texts(liam)).toEqual(Array.from({ length: count }, (_, index) => `message ${index + 1}`))
}, 240_000)

test('every container is locked in', async () => {
  const format = '{{.Name}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}}'
  const inspected = await stack.docker('inspect', '--format', format, ...(await stack.containers()))
  const rows = inspected.trim().split('\n')
  expect(rows.length).toBeGreaterThan(PROGRAMS.length)
  for (const row of rows) {
    const [name = '', isReadOnly, dropped, user] = row.split(' ')
    expect([name, isReadOnly, dropped]).toEqual([name, 'true', '[ALL]'])
    if (!name.includes('-secrets-')) expect(user, name).toMatch(/^(65532:65532|postgres|redis)$/)
  }
})

test('every service is shown its own secrets, and no other’s', async () => {
  const list = "console.log(require('node:fs').readdirSync('/run/secrets').sort().join())"
  const shown = async (service: string) =>
    (await stack.compose('exec', '--no-TTY', service, '/usr/local/bin/node', '-e', list)).trim()
  expect(await shown('gateway')).toBe('redis-url,service-secret')
  expect(await shown('expiry')).toBe('service-secret')
  expect(await shown('envelope-store')).toBe('postgres-url,seal-keys,service-secret')
  const own = 'postgres-url,registration-token,service-secret'
  expect(await shown('metadata-validation')).toBe(own)
})

test('with mutual TLS: a message goes through, and nobody without a certificate gets in', async () => {
  const { certificates } = stack
  const program = join(ROOT, 'scripts/certificates.ts')
  await promisify(execFile)(process.execPath, [program, certificates], { cwd: ROOT })
  const files = ['--file', 'docker-compose.yml', '--file', 'deploy/compose.mtls.yml']
  await stack.compose(...files, 'up', '--wait')
  const mia = await account('mia')
  const nick = await account('nick')
  await (
    await sendText(mia, nick, 'by certificate')
  ).delivered
  expect(texts(nick)).toEqual(['by certificate'])

  const everybody = { grpc: true, nats: true, redis: true, postgres: true }
  expect(await knock('own')).toEqual(everybody)
  const nobody = { grpc: false, nats: false, redis: false, postgres: false }
  expect(await knock('none')).toEqual(nobody)
}, 120_000)

/** Who lets in a stranger in the relay's network: one with envelope-store's certificate, or without. */
async function knock(by: 'own' | 'none'): Promise<unknown> {
  const { certificates, network } = stack
  const mounts = {
    '/knock.mjs': join(ROOT, 'test/compose/knock.mjs'),
    '/certificates/ca.crt': join(certificates, 'ca.crt'),
    '/certificates/own': join(certificates, 'envelope-store'),
  }
  const volumes = Object.entries(mounts).flatMap(([to, from]) => ['--volume', `${from}:${to}:ro`])
  const node = ['--entrypoint', '/usr/local/bin/node', stack.image('expiry')]
  const run = ['run', '--rm', '--network', network, ...volumes, ...node]
  return JSON.parse(await stack.docker(...run, '/knock.mjs', by))
}
