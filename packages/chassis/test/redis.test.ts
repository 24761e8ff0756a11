import { afterEach, beforeEach, expect, test } from 'vitest'
import { startRedis, type TestServer } from '../../../test/servers.ts'
import { connectRedis, createLog } from '../src/index.ts'

const log = createLog('test', 'silent')
let server: TestServer
const opened: { disconnect(): void }[] = []

beforeEach(async () => {
  server = await startRedis({ own: true })
})

afterEach(async () => {
  for (const redis of opened.splice(0)) redis.disconnect()
  await server.stop()
})

async function open() {
  const redis = await connectRedis({ url: server.url, commandTimeoutMs: 300 }, log)
  opened.push(redis)
  return redis
}

test('the first command after connecting is answered', async () => {
  const redis = await open()
  expect(await redis.ping()).toBe('PONG')
})

test('without Redis a command fails at once, and works soon after it is back', async () => {
  const redis = await open()
  await server.kill()
  await expect.poll(() => redis.status).not.toBe('ready')
  const askedAt = Date.now()
  await expect(redis.ping()).rejects.toThrow()
  expect(Date.now() - askedAt).toBeLessThan(100)
  await server.restart()
  await expect.poll(() => redis.ping().catch(() => ''), { timeout: 4_000 }).toBe('PONG')
})

test('a stopped Redis fails each command in time and queues nothing for it', async () => {
  const redis = await open()
  server.pause()
  try {
    const askedAt = Date.now()
    const asked = Array.from({ length: 10 }, () => redis.ping())
    for (const result of await Promise.allSettled(asked)) expect(result.status).toBe('rejected')
    expect(Date.now() - askedAt).toBeLessThan(1_000)
  } finally {
    server.resume()
  }
  await expect.poll(() => redis.ping().catch(() => ''), { timeout: 4_000 }).toBe('PONG')
})
