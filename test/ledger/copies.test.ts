// Goal: a device that goes on with an old copy of its storage is found.

import { describe, expect, it } from 'vitest'
import { goodRun } from './good-run.ts'
import type { DeviceEvent } from './history.ts'
import { judge } from './verdict.ts'

/** What is found wrong when these things happen to Bob's device at the end of a good run. */
function found(events: readonly DeviceEvent[]): string[] {
  const { run, alice, bob, bob2 } = goodRun()
  const { findings } = judge({ run, devices: [alice, [...bob, ...events], bob2] })
  return findings.map(({ kind }) => kind)
}

describe('a storage that is put back to an old copy', () => {
  const back: DeviceEvent[] = [
    { t: 970, at: 'copied' },
    { t: 971, at: 'ack', seq: 3 },
    { t: 972, at: 'restored' },
    { t: 973, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 3 },
  ]
  it('must find out', () => {
    expect(found(back)).toEqual(['wrongEnds'])
  })
  it('need not, where the relay knows no more than the copy', () => {
    expect(found(back.filter(({ at }) => at !== 'ack'))).toContain('cursorLies')
    const same = back.map((event) => (event.at === 'welcome' ? { ...event, ackedSeq: 2 } : event))
    expect(found(same)).toEqual([])
  })
  it('nor where it had acknowledged nothing, being linked at the head of its mailbox', () => {
    const { run, alice } = goodRun()
    const linked: DeviceEvent[] = [
      { t: 960, at: 'opened', device: 'alice/2', role: 'churn' },
      { t: 961, at: 'welcome', session: 1, epoch: 'e', ackedSeq: 9 },
      { t: 962, at: 'copied' },
      { t: 963, at: 'restored' },
      { t: 964, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 9 },
      { t: 965, at: 'away' },
    ]
    const { findings } = judge({ run, devices: [alice, linked] })
    expect(findings.filter(({ kind }) => kind === 'wrongEnds')).toEqual([])
  })
})
