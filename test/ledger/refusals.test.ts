// Goal: a send that was refused for good without a reason is found, and what had a reason is not.

import { expect, it } from 'vitest'
import { ALICE, BOB, BOB2, found, goodRun, judgeRun, receiver } from './good-run.ts'
import type { DeviceEvent } from './history.ts'

it('wrongRefusals: for good, and the recipient is there', () => {
  const rejected = (code: string): DeviceEvent[] => [
    ...goodRun().alice,
    { t: 1_100, at: 'send', no: 3, id: 'three', to: ['bob'] },
    { t: 1_101, at: 'rejected', no: 3, code, isDefinite: true },
  ]
  for (const code of ['OUT_OF_ORDER', 'UNKNOWN_RECIPIENT', 'NOT_A_MEMBER', 'NOT_FOUND']) {
    expect(found((run) => (run.alice = rejected(code)))).toEqual(['wrongRefusals'])
  }
  for (const code of ['RATE_LIMITED', 'MAILBOX_FULL', 'ROSTER_STALE']) {
    expect(found((run) => (run.alice = rejected(code)))).toEqual([])
  }
})

it('not wrongRefusals: the recipient has left; or the sender breaks the protocol', () => {
  const run = goodRun()
  const refused: DeviceEvent = {
    t: 400,
    at: 'rejected',
    no: 2,
    code: 'UNKNOWN_RECIPIENT',
    isDefinite: true,
  }
  run.alice.splice(6, 3, refused)
  for (const name of ['bob', 'bob2'] as const) {
    const device = name === 'bob' ? BOB : BOB2
    const gone: DeviceEvent[] = [
      { t: 350, at: 'leaving', device },
      { t: 360, at: 'stopped', reason: 'unlinked' },
    ]
    run[name] = [...receiver(device).slice(0, 6), ...gone]
  }
  expect(judgeRun(run).findings).toEqual([])
  run.bob = receiver(BOB).slice(0, 6)
  run.bob.push({ t: 1_900, at: 'present' })
  expect(judgeRun(run).findings).toMatchObject([{ kind: 'wrongRefusals', message: `${ALICE}#2` }])

  const unruly = goodRun()
  unruly.alice[0] = { t: 1, at: 'opened', device: ALICE, role: 'unruly' }
  const outOfOrder: DeviceEvent = {
    t: 1_200,
    at: 'rejected',
    no: 9,
    code: 'OUT_OF_ORDER',
    isDefinite: true,
  }
  unruly.alice.push(outOfOrder)
  expect(judgeRun(unruly)).toMatchObject({ isGreen: true, rejections: { OUT_OF_ORDER: 1 } })
})
