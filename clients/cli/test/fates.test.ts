// What is told of messages that somebody will not get.

import { expect, test } from 'vitest'
import { memoryStorage, openDevice, plainCodec, registerDevice } from '@twotick/sdk'
import { usePeople } from './people.ts'

const { twoPeople, relayUrl } = usePeople()

/** A device that can read nothing. */
async function registerUnable(handle: string) {
  const storage = memoryStorage()
  await registerDevice({ url: relayUrl(), handle, storage })
  const decode = () => {
    throw new Error('not for this device')
  }
  const codec = { ...plainCodec, decode }
  return async () => {
    const device = await openDevice({ storage, codec, clientName: 'test', clientVersion: '1' })
    await new Promise<void>((resolve) => device.on('not-processable', () => resolve()))
    return device
  }
}

test('it is said once, by whatever command hears of it', async () => {
  // Goal: a device is told once; no command keeps it to itself.
  const { machine, alice } = await twoPeople('a')
  const open = await registerUnable('carol-a')
  expect(await machine.run('--as', alice, 'send', 'carol-a', 'hi')).toMatchObject({ code: 0 })
  const carol = await open()
  const status = await machine.run('--as', alice, 'status')
  const text = 'Your message 1 was not delivered to carol-a: their device cannot read it.\n'
  expect(status).toMatchObject({ code: 0, err: text })
  expect((await machine.run('--as', alice, 'status')).err).toBe('')
  await carol.close()
})

test('of a group it is said of each member as soon as it is known', async () => {
  // Goal: one who is away for weeks keeps nothing from being told.
  const { machine, alice, bob } = await twoPeople('b')
  const open = await registerUnable('carol-b')
  const made = await machine.run('--as', alice, 'group', 'create', bob, 'carol-b')
  const group = /g:[0-9a-f]{8}/.exec(made.out)?.[0] ?? ''
  expect(await machine.run('--as', alice, 'send', group, 'hi')).toMatchObject({ code: 0 })
  const carol = await open()
  const status = await machine.run('--as', alice, 'status')
  expect(status.err).toBe(
    'Your message 1 was not delivered to carol-b: their device cannot read it.\n',
  )
  expect(status.out).toContain('1 waiting')
  await carol.close()
})

test('what a deleted account has not read was not delivered', async () => {
  // Goal: no second tick for what nobody has seen; many messages are one line, or one object.
  const { machine, alice, bob } = await twoPeople('c')
  const chat = machine.start('--as', alice, 'chat', bob)
  chat.child.stdin?.end('one\ntwo\nthree\n')
  expect(await chat.ended()).toBe(0)
  expect(await machine.run('--as', bob, 'delete-account', bob)).toMatchObject({ code: 0 })
  const told = await machine.run('--as', alice, '--json', 'listen', '--drain')
  expect(told).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(told.out)).toMatchObject({
    delivered: false,
    messages: [1, 2, 3],
    to: [expect.stringMatching(/^account /)],
    why: 'the account or device is gone',
  })
})
