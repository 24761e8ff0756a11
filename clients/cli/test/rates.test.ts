import { expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { usePeople } from './people.ts'

const AT_ONCE = 2
const BYTES_AT_ONCE = 2_000

const { twoPeople } = usePeople({
  env: {
    'metadata-validation': {
      TWOTICK_RATE_PAIR_MESSAGES: `${AT_ONCE}+1/s`,
      TWOTICK_RATE_PAIR_BYTES: `${BYTES_AT_ONCE}+10/s`,
    },
  },
})

test('a script that talks faster than it may is held back, and loses nothing', async () => {
  // Goal: nobody is there to send a line again that was too much at once.
  const { machine, alice, bob } = await twoPeople('a')
  const lines = Array.from({ length: AT_ONCE + 2 }, (_, index) => `line ${index}`)
  const chat = machine.start('--as', alice, 'chat', bob)
  chat.child.stdin?.end(lines.join('\n'))
  expect(await chat.ended()).toBe(0)
  expect(chat.out()).not.toContain('✗')
  const read = await machine.run('--as', bob, 'listen', '--drain', '--json')
  const messages = read.out.trim().split('\n')
  expect(messages.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(lines)
})

test('a script that is held back ends all the same where its output is gone', async () => {
  // Goal: no minute of waiting for a turn behind an error that is known.
  const { machine, alice, bob } = await twoPeople('b')
  const chat = machine.start('--as', alice, 'chat', bob)
  const line = 'x'.repeat(BYTES_AT_ONCE - 100)
  chat.child.stdin?.write(`${line}\n${line}\nlast\n`)
  await waitFor(() => chat.out().split('·').length > 2)
  chat.child.stdout?.destroy()
  await machine.run('--as', bob, 'send', alice, 'are you there?')
  const since = performance.now()
  expect(await chat.ended()).toBe(1)
  expect(performance.now() - since).toBeLessThan(10_000)
})
