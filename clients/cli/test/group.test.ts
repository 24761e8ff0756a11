import { expect, test } from 'vitest'
import { usePeople } from './people.ts'

const { twoPeople } = usePeople()

test('a group gets a message, by its short name', async () => {
  // Goal: create, list, send and add work with what they print.
  const { machine, alice, bob } = await twoPeople('d')
  const made = await machine.run('--as', alice, 'group', 'create', bob)
  const name = /g:[0-9a-f]{8}/.exec(made.out)?.[0] ?? ''
  expect((await machine.run('--as', bob, 'group', 'list')).out).toContain(name)
  expect(await machine.run('--as', alice, 'send', name, 'hello all')).toMatchObject({ code: 0 })
  const read = await machine.run('--as', bob, 'listen', '--drain')
  expect(read.out).toContain(`${alice} in ${name}  hello all`)
})

test('of a group that some have reached, it says who has not', async () => {
  // Goal: `send --wait` and `status` tell a message that one of two has from one that nobody has.
  const { machine, alice, bob } = await twoPeople('k')
  expect(await machine.run('register', 'carol-k')).toMatchObject({ code: 0 })
  const made = await machine.run('--as', alice, 'group', 'create', bob, 'carol-k')
  const name = /g:[0-9a-f]{8}/.exec(made.out)?.[0] ?? ''
  const listening = machine.start('--as', bob, 'listen')
  await listening.shows('Listening')
  const sent = await machine.run('--as', alice, 'send', '--wait', '--timeout', '4', name, 'hi')
  expect(sent).toMatchObject({ code: 3 })
  expect(sent.err).toContain(`Of ${name} 1 of 2 has it; not yet: carol-k.`)
  const { out } = await machine.run('--as', alice, 'status')
  expect(out).toContain('1 of 2 has it; not yet: carol-k')
})

test('a group is left, and people are taken out of it', async () => {
  // Goal: what `group add` does can be taken back.
  const { machine, alice, bob } = await twoPeople('l')
  expect(await machine.run('register', 'carol-l')).toMatchObject({ code: 0 })
  const made = await machine.run('--as', alice, 'group', 'create', bob, 'carol-l')
  const name = /g:[0-9a-f]{8}/.exec(made.out)?.[0] ?? ''
  const left = await machine.run('--as', bob, 'group', 'leave', name)
  expect(left).toMatchObject({ code: 0, out: `✓ You have left ${name}.\n` })
  expect((await machine.run('--as', bob, 'group', 'list')).out).not.toContain(name)
  const stranger = await machine.run('--as', alice, 'group', 'remove', name, bob)
  expect(stranger).toMatchObject({ code: 1, err: expect.stringContaining(`${bob} is not in`) })
  const removed = await machine.run('--as', alice, 'group', 'remove', name, 'carol-l')
  expect(removed).toMatchObject({ code: 0, out: `${name}  ${alice}\n` })
})
