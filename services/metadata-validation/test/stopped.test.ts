// Goal: a replica that stood still does nothing, once it goes on, of what it was asked meanwhile: the
// requests lie in its socket, and behind them that nobody waits for them any more.

import { grpcClient, unary } from '@twotick/chassis'
import { MetadataValidationClient } from '@twotick/protocol/services'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../../scripts/servers/free-port.ts'
import { startDirectory, type TestDirectory } from './directory.ts'

const opened: (() => unknown)[] = []

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** A replica that is a process of its own, and who calls it. */
async function replicaOf({ database, nats, secretFile }: TestDirectory) {
  const target = `127.0.0.1:${await freePort()}`
  const main = new URL('../src/main.ts', import.meta.url).pathname
  const replica: ChildProcess = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      TWOTICK_POSTGRES_URL: database.directoryUrl,
      TWOTICK_NATS_URL: nats.url,
      TWOTICK_SERVICE_SECRET_FILE: secretFile,
      TWOTICK_REGISTRATION: 'open',
      TWOTICK_LISTEN: target,
      TWOTICK_HEALTH_LISTEN: '127.0.0.1:0',
    },
    stdio: 'ignore',
  })
  opened.push(async () => {
    const exit = once(replica, 'exit')
    replica.kill('SIGKILL')
    await exit
  })
  const service = 'gateway'
  const client = grpcClient(MetadataValidationClient, { target, service, secretFile })
  opened.push(() => client.close())
  return { replica, client }
}

test('what it was asked while it stood still is not carried out', async () => {
  const directory = await startDirectory()
  opened.push(() => directory.close())
  const alice = await directory.account()
  const { replica, client } = await replicaOf(directory)
  const list = { requestId: 1, body: { $case: 'listDevices', value: {} } } as const
  const answers = () =>
    unary(client, 'ask', { asker: alice.address, request: list }, { deadlineMs: 20_000 })
  await answers()

  replica.kill('SIGSTOP')
  const late = Array.from({ length: 50 }, () => {
    const value = { accountId: randomUUID(), blocked: true }
    const request = { requestId: 2, body: { $case: 'setBlock', value } } as const
    return unary(client, 'ask', { asker: alice.address, request }, { deadlineMs: 500 })
  })
  const outcomes = await Promise.allSettled(late)
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  replica.kill('SIGCONT')
  await answers()
  await expect
    .poll(() =>
      directory.sql(
        `select from pg_stat_activity where datname = current_database()
          and usename = 'twotick_directory' and xact_start is not null`,
      ),
    )
    .toEqual([])
  const blocks = await directory.sql('select from directory.block where account_id = $1', [
    alice.address.accountId,
  ])
  expect(blocks).toEqual([])
})
