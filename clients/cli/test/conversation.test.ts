import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  claimDevice,
  createLinkCode,
  memoryStorage,
  openDevice,
  registerDevice,
} from '@twotick/sdk'
import { usePeople } from './people.ts'

const { newMachine, twoPeople, relayUrl } = usePeople()

test('two people register, one sends, the other reads, both ticks show', async () => {
  // Goal: the conversation that README and --help promise, as it is typed there.
  const { machine, alice, bob } = await twoPeople('a')
  const sent = await machine.run('--as', alice, 'send', bob, 'Hello,', 'Bob')
  expect(sent).toMatchObject({ code: 0, err: '' })
  expect(sent.out).toMatch(new RegExp(`^✓ .*for ${bob}`))

  const read = await machine.run('--as', bob, 'listen', '--drain', '--json')
  expect(read.code).toBe(0)
  expect(JSON.parse(read.out)).toMatchObject({ from: alice, text: 'Hello, Bob', to: bob })
  expect((await machine.run('--as', bob, 'listen', '--drain')).out).toBe('')

  const { out } = await machine.run('--as', alice, 'status')
  expect(out).toContain('nothing waits for a tick')
})

test('--wait shows the second tick while the other listens, and Ctrl-C ends that cleanly', async () => {
  // Goal: a message goes to a listener at once, and its exit code is 0.
  const { machine, alice, bob } = await twoPeople('b')
  const listening = machine.start('--as', bob, 'listen')
  await listening.shows('Listening')
  const sent = await machine.run('--as', alice, 'send', '--wait', bob, 'are you there?')
  expect(sent).toMatchObject({ code: 0 })
  expect(sent.out).toMatch(/✓ [^]*✓✓/)
  await listening.shows('are you there?')
  listening.child.kill('SIGINT')
  expect(await listening.ended()).toBe(0)
})

test('what standard output did not take is not received, and comes again', async () => {
  // Goal: neither a full disk nor a reader that has gone (`| head -1`) costs a message.
  const { machine, alice, bob } = await twoPeople('out')
  expect(await machine.run('--as', alice, 'send', bob, 'keep me')).toMatchObject({ code: 0 })

  const full = machine.startInto('/dev/full', '--as', bob, 'listen', '--drain')
  expect(await full.ended()).toBe(1)
  expect(full.err()).toContain('no space left on device')
  const chat = machine.startInto('/dev/full', '--as', bob, 'chat', alice)
  expect(await chat.ended()).toBe(1)

  const unread = machine.start('--as', bob, 'listen', '--drain')
  unread.child.stdout?.destroy()
  expect(await unread.ended()).toBe(1)
  expect(unread.err()).toBe('')

  expect((await machine.run('--as', bob, 'listen', '--drain')).out).toContain('keep me')
})

test.each([
  { why: 'a file that is no profile', at: 'twotick/x.db', says: 'file is not a database' },
  { why: 'a file in the place of the folder', at: 'twotick', says: 'twotick, cannot be' },
])('$why: says what and where', async ({ at, says }) => {
  // Goal: a file that cannot be used is the profile's exit code and a line, not a stack.
  const somebody = newMachine()
  const path = join(somebody.dataHome, at)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, 'no database, and longer than the header of one '.repeat(40))
  for (const command of [['listen'], ['register', 'x']]) {
    const failed = await somebody.run('--as', 'x', ...command)
    expect(failed).toMatchObject({ code: 4, out: '' })
    expect(failed.err).toContain(says)
    expect(failed.err).toContain(path)
    expect(failed.err).not.toMatch(/\n {4}at /)
  }
})

test('a new device is linked by its code, and gets what is sent from then on', async () => {
  // Goal: the two halves of `twotick link` meet.
  const { machine, alice, bob } = await twoPeople('c')
  const laptop = newMachine()
  const linking = laptop.start('--as', 'laptop', 'link')
  await linking.shows('twotick link ')
  const code = /twotick link (\S+)/.exec(linking.out())?.[1] ?? ''
  expect(await machine.run('--as', bob, 'link', code, '--name', 'laptop')).toMatchObject({
    code: 0,
  })
  expect(await linking.ended()).toBe(0)
  expect((await machine.run('--as', bob, 'devices')).out).toMatch(/device 2 \(laptop\)/)

  await machine.run('--as', alice, 'send', bob, 'to both')
  expect((await laptop.run('listen', '--drain')).out).toContain('to both')
  expect((await machine.run('--as', bob, 'listen', '--drain')).out).toContain('to both')

  expect(await machine.run('--as', bob, 'unlink', '2')).toMatchObject({ code: 0 })
  const gone = await laptop.run('listen', '--drain')
  expect(gone).toMatchObject({ code: 4 })
  expect(gone.err).toContain('unlinked')
})

test("an application's device is linked by the command line, and the other way round", async () => {
  // Goal: a code of the SDK fits `twotick link`, and one of `twotick link` the SDK.
  const { machine, alice } = await twoPeople('j')
  const storage = memoryStorage()
  const code = await createLinkCode({ storage })
  const linked = await machine.run('--as', alice, 'link', code)
  expect(linked).toMatchObject({ code: 0, err: '' })
  expect(await claimDevice({ url: relayUrl(), storage })).toMatchObject({ deviceId: 2 })

  const own = memoryStorage()
  await registerDevice({ url: relayUrl(), handle: 'carol-j', storage: own })
  const carol = await openDevice({ storage: own, clientName: 'test', clientVersion: '1' })
  const linking = machine.start('--as', 'laptop', 'link', '--json')
  await linking.shows('\n')
  await carol.linkDevice((JSON.parse(linking.out()) as { code: string }).code)
  expect(await linking.ended()).toBe(0)
  await carol.close()
})

test('who is blocked is told no more than that nobody is there', async () => {
  // Goal: block, the sender's refusal with its code, unblock.
  const { machine, alice, bob } = await twoPeople('e')
  expect(await machine.run('--as', bob, 'block', alice)).toMatchObject({ code: 0 })
  const refused = await machine.run('--as', alice, 'send', bob, 'hi')
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(await machine.run('--as', bob, 'unblock', alice)).toMatchObject({ code: 0 })
  expect(await machine.run('--as', alice, 'send', bob, 'hi')).toMatchObject({ code: 0 })
})

test('an account is deleted by its own handle only, and its profile with it', async () => {
  // Goal: nobody is there any more, and neither is a key on the disk.
  const { machine, alice, bob } = await twoPeople('i')
  const mistaken = await machine.run('--as', bob, 'delete-account', alice)
  expect(mistaken).toMatchObject({ code: 2, out: '' })
  expect(await machine.run('--as', alice, 'send', bob, 'still there?')).toMatchObject({ code: 0 })

  expect(await machine.run('--as', bob, 'delete-account', bob)).toMatchObject({ code: 0 })
  const refused = await machine.run('--as', alice, 'send', bob, 'and now?')
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.err).toContain('There is nobody called')
  expect(await machine.run('--as', bob, 'listen', '--drain')).toMatchObject({ code: 4 })
})

test("a message that is far too long is refused, and in nobody's way", async () => {
  // Goal: it is not kept for a relay that will never take it; the next one goes.
  const { machine, alice, bob } = await twoPeople('h')
  const chat = machine.start('--as', alice, 'chat', bob)
  chat.child.stdin?.end(`${'x'.repeat(200_000)}\nshort\n`)
  expect(await chat.ended()).toBe(1)
  expect(chat.out()).toContain('[TOO_LARGE]')
  expect(chat.err()).toContain('1 of the lines was not sent.')
  expect((await machine.run('--as', bob, 'listen', '--drain')).out).toMatch(/short\n$/)
})

test('chat without a terminal sends its input line by line, and ends with it', async () => {
  // Goal: a script can talk; what it said has its first tick before it ends.
  const { machine, alice, bob } = await twoPeople('f')
  const chat = machine.start('--as', alice, 'chat', bob)
  chat.child.stdin?.end('one\ntwo\n')
  expect(await chat.ended()).toBe(0)
  const read = await machine.run('--as', bob, 'listen', '--drain')
  expect(read.out).toMatch(/one\n.*two\n/)
})

test.each([
  {
    why: 'no relay',
    args: ['register', 'x', '--url', 'ws://127.0.0.1:9'],
    code: 3,
    says: 'npm start',
  },
  { why: 'nobody is registered', args: ['listen'], code: 4, says: 'twotick register <handle>' },
  {
    why: 'the profile is not',
    args: ['--as', 'x', 'listen'],
    code: 4,
    says: 'twotick --as x link',
  },
  { why: 'a wrong handle', args: ['register', 'Not Good'], code: 2, says: 'a-z 0-9' },
  {
    why: 'a wrong url',
    args: ['listen', '--url', 'http://x'],
    code: 2,
    says: 'ws://127.0.0.1:8700',
  },
  { why: 'a slip in a code', args: ['link', 'abcd-efgh'], code: 2, says: 'link code' },
  { why: 'a mistyped command', args: ['sned'], code: 2, says: 'Did you mean send?' },
  { why: 'nothing to send', args: ['send', 'bob'], code: 2, says: 'missing required argument' },
])('$why: says what to do', async ({ args, code, says }) => {
  // Goal: every failure has its exit code, an advice, nothing on standard output and no stack.
  const failed = await newMachine().run(...args)
  expect(failed).toMatchObject({ code, out: '' })
  expect(failed.err).toContain(says)
  expect(failed.err).not.toMatch(/\n {4}at /)
})

test('an unknown handle, a taken handle, a profile in use', async () => {
  // Goal: what the relay or the profile refuses reads as plainly as the rest.
  const { machine, alice, bob } = await twoPeople('g')
  expect(await machine.run('--as', alice, 'send', 'nobody-g', 'hi')).toMatchObject({ code: 1 })
  const taken = await machine.run('--as', 'other', 'register', bob)
  expect(taken).toMatchObject({ code: 1 })
  expect(taken.err).toContain('HANDLE_TAKEN')
  expect((await machine.run('--as', 'other', 'listen')).code).toBe(4)

  const listening = machine.start('--as', bob, 'listen')
  await listening.shows('Listening')
  const second = await machine.run('--as', bob, 'send', alice, 'hi')
  expect(second).toMatchObject({ code: 4 })
  expect(second.err).toContain('Another twotick')
})
