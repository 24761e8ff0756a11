import { credentials, status } from '@grpc/grpc-js'
import { HealthCheckResponse_ServingStatus, HealthClient } from '@twotick/protocol/services'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'

const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A process around `run` (garden.ts), and what it has printed. */
function garden(environment: Record<string, string> = {}, ...args: string[]) {
  const file = new URL('garden.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env['PATH'], TWOTICK_SEEDS_MAX: '3', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const exit = once(child, 'exit') as Promise<[number | null]>
  return {
    child,
    code: async () => (await exit)[0],
    messages: () =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => (JSON.parse(line) as { msg: string }).msg),
    output: () => output,
    until: (text: string) => expect.poll(() => output, { timeout: 10_000 }).toContain(text),
  }
}

test('a service starts, is ready, and stops on a signal: undone in reverse, exit code 0', async () => {
  const service = garden()
  await service.until('"ready"')
  service.child.kill('SIGTERM')
  expect(await service.code()).toBe(0)
  expect(service.messages()).toEqual([
    'starting',
    'planted 3',
    'ready',
    'signal',
    'stopping',
    'loop ended',
    'undone second',
    'undone first',
    'stopped',
  ])
})

test('health: live at once, ready when the service says so, gone at the end', async () => {
  const service = garden({
    TWOTICK_HEALTH_LISTEN: '127.0.0.1:0',
    TWOTICK_READY_AFTER_MS: '3000',
  })
  await service.until('planted')
  const at = `http://127.0.0.1:${/"port":(\d+)/.exec(service.output())?.[1]}`
  expect((await fetch(`${at}/healthz`)).status).toBe(200)
  expect((await fetch(`${at}/readyz`)).status).toBe(503)
  expect((await fetch(`${at}/else`)).status).toBe(404)
  await service.until('"ready"')
  expect((await fetch(`${at}/readyz`)).status).toBe(200)
  service.child.kill('SIGINT')
  expect(await service.code()).toBe(0)
  await expect(fetch(`${at}/healthz`)).rejects.toThrow()
})

test('health over gRPC, as Kubernetes asks: without identity, on the port that answers HTTP', async () => {
  const service = garden({
    TWOTICK_HEALTH_LISTEN: '127.0.0.1:0',
    TWOTICK_READY_AFTER_MS: '3000',
  })
  await service.until('planted')
  const port = /"port":(\d+)/.exec(service.output())?.[1]
  const client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure())
  const ask = (about: string) =>
    new Promise<number>((resolve) => {
      client.check({ service: about }, (error, reply) => resolve(error?.code ?? reply.status))
    })
  expect(await ask('liveness')).toBe(HealthCheckResponse_ServingStatus.SERVING)
  expect(await ask('')).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING)
  expect(await ask('else')).toBe(status.NOT_FOUND)
  await service.until('"ready"')
  expect(await ask('')).toBe(HealthCheckResponse_ServingStatus.SERVING)
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
  service.child.kill('SIGTERM')
  expect(await service.code()).toBe(0)
  client.close()
})

test('a signal during a start that hangs undoes what was opened by then', async () => {
  const service = garden({ TWOTICK_READY_AFTER_MS: '60000' })
  await service.until('planted')
  service.child.kill('SIGTERM')
  expect(await service.code()).toBe(0)
  expect(service.messages()).toContain('undone first')
})

test('what does not close is given up at the drain time: exit code 1', async () => {
  const service = garden({ TWOTICK_HANGS_AT_END: 'true', TWOTICK_DRAIN_MS: '200' })
  await service.until('"ready"')
  service.child.kill('SIGTERM')
  expect(await service.code()).toBe(1)
  expect(service.output()).toContain('second is not closed within the drain time')
})

test('a second signal ends it at once', async () => {
  const service = garden({ TWOTICK_HANGS_AT_END: 'true', TWOTICK_DRAIN_MS: '60000' })
  await service.until('"ready"')
  service.child.kill('SIGTERM')
  await service.until('"stopping"')
  service.child.kill('SIGTERM')
  expect(await service.code()).toBe(1)
})

test('a start that fails undoes what it had opened: exit code 1', async () => {
  const service = garden({ TWOTICK_SEEDS_MAX: '0' })
  expect(await service.code()).toBe(1)
  expect(service.output()).toContain('no seeds')
  expect(service.messages()).toContain('undone first')
})

test('a wrong configuration starts nothing: exit code 2, every problem named', async () => {
  const service = garden({ TWOTICK_SEEDS_MAX: 'many', TWOTICK_SEED_MAX: '3' })
  expect(await service.code()).toBe(2)
  expect(service.output()).toContain('TWOTICK_SEEDS_MAX: expected a whole number')
  expect(service.output()).toContain('the closest one is TWOTICK_SEEDS_MAX')
  expect(service.messages()).toEqual([])
})

test('--help and --print-config print and end: exit code 0', async () => {
  const help = garden({}, '--help')
  expect(await help.code()).toBe(0)
  expect(help.output()).toContain('how many are planted')
  const printed = garden({ TWOTICK_KEY: 'sesame' }, '--print-config')
  expect(await printed.code()).toBe(0)
  expect(printed.output()).toContain('TWOTICK_SEEDS_MAX=3')
  expect(printed.output()).not.toContain('sesame')
})
