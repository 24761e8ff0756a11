// Goal: each count of the verdict is 0 over a run that went well, and turns red over the same run
// with just that one thing gone wrong. A checker that nothing can fail proves nothing.

import { expect, it } from 'vitest'
import {
  ALICE,
  BOB,
  BOB2,
  found,
  goodRun,
  judgeRun,
  keepsNothing,
  receiver,
  without,
} from './good-run.ts'
import { type DeviceEvent, parseHistory, type RunEvent } from './history.ts'
import { judge } from './verdict.ts'

it('a run that went well', () => {
  const verdict = judgeRun(goodRun())
  expect(verdict.findings).toEqual([])
  expect(verdict.isGreen).toBe(true)
  expect(verdict.counts).toMatchObject({ attempted: 2, ticked: 2, delivered: 2, devices: 3 })
  expect(verdict.recoveries).toEqual([
    {
      ...{ number: 1, name: 'stop postgres', at: 100, healedAt: 900 },
      ...{ receivedMs: 60, tickedMs: 100, sendWaitMs: 610, welcomeWaitMs: 0 },
    },
  ])
})

it('lost: one of two devices has not what the sender has both ticks for', () => {
  expect(found((run) => (run.bob2 = keepsNothing(BOB2)))).toEqual(['lost'])
})

it('lost: it came to the device, and never to its application', () => {
  expect(found((run) => (run.bob = without(run.bob, 'received')))).toEqual(['lost'])
})

it('not lost: no answer, no promise', () => {
  const run = goodRun()
  run.alice = without(run.alice, 'stored', 'delivered')
  for (const [name, device] of [
    ['bob', BOB],
    ['bob2', BOB2],
  ] as const) {
    run[name] = keepsNothing(device)
  }
  expect(judgeRun(run)).toMatchObject({ isGreen: true, counts: { unknown: 2, lost: 0 } })
})

it('recovered: no answer, and it came out all the same', () => {
  const run = goodRun()
  run.alice = without(run.alice, 'stored', 'delivered')
  expect(judgeRun(run)).toMatchObject({ isGreen: true, counts: { recovered: 2, unknown: 0 } })
})

it('not lost: a device that was linked later, is away, or was told of it', () => {
  const missed: DeviceEvent = { t: 16, at: 'missed', firstSeq: 1, lastSeq: 2 }
  const linkedAt = (t: number) =>
    keepsNothing(BOB2).map((event) => (event.at === 'welcome' ? { ...event, t } : event))
  const gapAt = (t: number): DeviceEvent[] => [...keepsNothing(BOB2), { t, at: 'gap' }]
  const excused: DeviceEvent[][] = [
    linkedAt(500),
    gapAt(500),
    [...without(keepsNothing(BOB2), 'present'), { t: 3, at: 'away' }],
    [...keepsNothing(BOB2), missed],
  ]
  for (const bob2 of excused) expect(found((run) => (run.bob2 = bob2))).toEqual([])
  // Message 2 is sent at 300.
  for (const bob2 of [linkedAt(200), gapAt(200)]) {
    expect(found((run) => (run.bob2 = bob2))).toEqual(['lost'])
  }
})

it('lost: a hole excuses no more messages than it has entries', () => {
  const hole: DeviceEvent = { t: 16, at: 'missed', firstSeq: 1, lastSeq: 1 }
  expect(found((run) => (run.bob2 = [...keepsNothing(BOB2), hole]))).toEqual(['lost'])
})

it('lost: a hole for what no other device of the account has', () => {
  const hole: DeviceEvent = { t: 16, at: 'missed', firstSeq: 1, lastSeq: 2 }
  const kinds = found((run) => {
    run.alice = without(run.alice, 'delivered')
    run.bob = [...keepsNothing(BOB), hole]
    run.bob2 = [...keepsNothing(BOB2), hole]
  })
  expect(kinds).toEqual(['lost'])
})

it('not lost: its sender has a notice that says why', () => {
  const notice = { at: 'notice', kind: 'EXPIRED', device: 1, isClosing: true } as const
  const kinds = found((run) => {
    run.alice = without(run.alice, 'delivered')
    for (const no of [1, 2]) run.alice.push({ ...notice, t: 1_500, no, accounts: ['bob'] })
    run.bob = keepsNothing(BOB)
    run.bob2 = keepsNothing(BOB2)
  })
  expect(kinds).toEqual([])
})

it.each<[string, DeviceEvent]>([
  ['nobody sent it', { t: 970, at: 'kept', of: [[`${ALICE}#3`, 'three']] }],
  ['another body', { t: 970, at: 'kept', of: [[`${ALICE}#2`, 'tvo']] }],
])('unexpected: %s', (_, event) => {
  const kinds = found((run) => {
    run.bob = [...without(run.bob, 'kept'), event, { t: 961, at: 'kept', of: [] }]
    run.bob.push({ t: 14, at: 'kept', of: [[`${ALICE}#1`, 'one']] })
  })
  expect(kinds).toContain('unexpected')
})

it('unexpected: it was sent to somebody else', () => {
  const eve = receiver('eve/1')
  const run = goodRun()
  const { findings } = judge({ run: run.run, devices: [run.alice, run.bob, run.bob2, eve] })
  expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['unexpected']))
})

it('unexpected: an entry of a mailbox is another one the second time', () => {
  const kinds = found((run) => {
    run.bob.push({ t: 970, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 1 })
    run.bob.push({ t: 980, at: 'pushed', firstSeq: 2, of: [`${ALICE}#7`] })
  })
  expect(kinds).toEqual(['unexpected'])
})

it('twice: kept again', () => {
  expect(found((run) => run.bob.push({ t: 970, at: 'kept', of: [[`${ALICE}#2`, 'two']] }))).toEqual(
    ['twice'],
  )
})

it('twice: handed out again, unless a restart has found it without a handler', () => {
  const again: DeviceEvent = { t: 980, at: 'received', of: `${ALICE}#2` }
  const found2: DeviceEvent = {
    ...{ t: 975, at: 'found', stored: [], delivered: [], closed: [] },
    waiting: [[`${ALICE}#2`, 'two']],
  }
  expect(found((run) => run.bob.push(again))).toEqual(['twice'])
  expect(found((run) => run.bob.push(found2, again))).toEqual([])
})

it('pushed again: at or below Welcome.acked_seq', () => {
  const kinds = found((run) => {
    run.bob.push({ t: 970, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 2 })
    run.bob.push({ t: 980, at: 'pushed', firstSeq: 2, of: [`${ALICE}#2`] })
  })
  expect(kinds).toEqual(['pushedAgain'])
})

it('pushed again: twice in one session, also as missed', () => {
  const push: DeviceEvent = { t: 970, at: 'pushed', firstSeq: 2, of: [`${ALICE}#2`] }
  const missed: DeviceEvent = { t: 970, at: 'missed', firstSeq: 2, lastSeq: 2 }
  expect(found((run) => run.bob.push(push))).toEqual(['pushedAgain'])
  expect(found((run) => run.bob.push(missed))).toEqual(['pushedAgain'])
})

it('not pushed again: a new session, with what the last one did not acknowledge', () => {
  const kinds = found((run) => {
    run.bob.push({ t: 970, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 1 })
    run.bob.push({ t: 980, at: 'pushed', firstSeq: 2, of: [`${ALICE}#2`] })
  })
  expect(kinds).toEqual([])
})

it('out of order: on the device', () => {
  const kinds = found((run) => {
    const [first, second] = run.bob.filter(({ at }) => at === 'kept')
    run.bob = [...without(run.bob, 'kept'), second!, first!]
    // The ticks are in order of what is kept now.
    run.alice = run.alice.map((event) =>
      event.at === 'delivered' ? { ...event, t: 1_500 } : event,
    )
  })
  expect(kinds).toEqual(['outOfOrder'])
})

it('not out of order: a message that was sent again', () => {
  const kinds = found((run) => {
    const [first, second] = run.bob.filter(({ at }) => at === 'kept')
    run.bob = [...without(run.bob, 'kept'), second!, first!]
    run.alice.push({ t: 30, at: 'again', no: 1 })
  })
  expect(kinds).toEqual([])
})

it('out of order: in the mailbox', () => {
  const kinds = found((run) => {
    run.bob.push({ t: 970, at: 'pushed', firstSeq: 3, of: [`${ALICE}#4`, '', `${ALICE}#3`] })
  })
  expect(kinds).toEqual(['outOfOrder'])
})

it('tick lies: a first tick while nothing could be committed', () => {
  const kinds = found((run) => {
    run.alice = run.alice.map((event) =>
      event.at === 'stored' && event.no === 2 ? { ...event, t: 500 } : event,
    )
  })
  expect(kinds).toEqual(['tickLies'])
})

it('tick lies: a second tick before a device had it, or without one', () => {
  const early = (event: DeviceEvent): DeviceEvent =>
    event.at === 'delivered' && event.no === 2 ? { ...event, t: 955 } : event
  expect(found((run) => (run.alice = run.alice.map(early)))).toEqual(['tickLies'])
  const nobody = found((run) => {
    run.bob = [...without(keepsNothing(BOB), 'present'), { t: 3, at: 'away' }]
    run.bob2 = [...without(keepsNothing(BOB2), 'present'), { t: 3, at: 'away' }]
  })
  expect(nobody).toEqual(['tickLies'])
})

it('tick lies: stored after a rejection, unless that was not definite', () => {
  const rejected = { t: 11, at: 'rejected', no: 1, code: 'MAILBOX_FULL' } as const
  expect(found((run) => run.alice.push({ ...rejected, isDefinite: true }))).toEqual(['tickLies'])
  expect(found((run) => run.alice.push({ ...rejected, isDefinite: false }))).toEqual([])
})

it('tick lies: a closing notice for what a device has', () => {
  const notice = { at: 'notice', kind: 'EXPIRED', device: 1, isClosing: true } as const
  const kinds = found((run) => {
    run.alice.push({ ...notice, t: 1_500, no: 1, accounts: ['bob'] })
  })
  expect(kinds).toEqual(['tickLies'])
})

it('ticks missing: a device has it, and its sender was not told', () => {
  expect(found((run) => (run.alice = without(run.alice, 'delivered')))).toEqual(['ticksMissing'])
})

it('ticks missing: nobody is left to have it, and no notice says so', () => {
  const kinds = found((run) => {
    run.alice = without(run.alice, 'delivered')
    for (const [name, device] of [
      ['bob', BOB],
      ['bob2', BOB2],
    ] as const) {
      run[name] = without(keepsNothing(device), 'present')
      run[name].push({ t: 3, at: 'leaving', device }, { t: 4, at: 'stopped', reason: 'unlinked' })
    }
  })
  expect(kinds).toEqual(['ticksMissing'])
})

it('no tick is missing at a sender that crashed and found it in its storage', () => {
  const kinds = found((run) => {
    run.alice = without(run.alice, 'delivered', 'stored', 'present')
    const found2 = {
      closed: [],
      stored: [1, 2],
      delivered: [
        [1, 'bob'],
        [2, 'bob'],
      ],
    } as const
    run.alice.push({ t: 1_500, at: 'opened', device: ALICE, role: 'sender' })
    run.alice.push({ t: 1_501, at: 'found', waiting: [], ...found2 }, { t: 1_900, at: 'present' })
  })
  expect(kinds).toEqual([])
})

it('cursor lies: the store says acknowledged what the device never acknowledged', () => {
  const kinds = found((run) => {
    run.bob.push({ t: 970, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 3 })
  })
  expect(kinds).toEqual(['cursorLies'])
})

it.each<[string, DeviceEvent]>([
  ['unlinked by nobody', { t: 1_800, at: 'stopped', reason: 'unlinked' }],
  ['unknown to the relay', { t: 1_800, at: 'stopped', reason: 'unauthenticated' }],
  ['forked without an old copy', { t: 1_800, at: 'stopped', reason: 'forked' }],
  ['gone', { t: 1_800, at: 'opened', device: BOB2, role: 'receiver' }],
])('wrong ends: %s', (_, event) => {
  const kinds = found((run) => (run.bob2 = [...without(run.bob2, 'present'), event]))
  expect(kinds).toEqual(['wrongEnds'])
})

it('rows stuck: left behind where every device is connected, not where one is away', () => {
  const left: RunEvent = { t: 2_000, at: 'rows', left: [['bob', 3]] }
  expect(found((run) => run.run.push(left))).toEqual(['rowsStuck'])
  const away = found((run) => {
    run.run.push(left)
    run.bob2 = [...without(run.bob2, 'present'), { t: 3, at: 'away' }]
  })
  expect(away).toEqual([])
})

it('a history that a kill has cut within a line is read up to there', () => {
  expect(parseHistory('{"t":1}\n{"t":2}\n{"t"')).toEqual([{ t: 1 }, { t: 2 }])
})
