import { expect, test } from 'vitest'
import { usePeople } from './people.ts'

const AT_ONCE = 2

const { twoPeople } = usePeople({
  env: { 'metadata-validation': { TWOTICK_RATE_PAIR_MESSAGES: `${AT_ONCE}+1/s` } },
})

test('a script that talks faster than it may is held back, and loses nothing', async () => {
  // Goal: nobody is there to send a line again that was too much at once.
  const { machine, alice, bob } = await twoPeople('a')
  const lines = Array.from({ length: AT_ONCE + 2 }, (_, index) => `line ${index}`)
  const chat = machine.start('--as', alice, 'chat', bob)
  chat.child.stdin?.end(lines.join('\n'))
  expect(await chat.ended()).toBe(0)
  expect(chat.out()).toContain('[RATE_LIMITED]')
  const read = await machine.run('--as', bob, 'listen', '--drain', '--json')
  const messages = read.out.trim().split('\n')
  expect(messages.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(lines)
})
