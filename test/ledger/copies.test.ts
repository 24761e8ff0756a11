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

  describe('what it has again', () => {
    const gets = (t: number, no: number): DeviceEvent[] => [
      { t, at: 'kept', of: [[`alice/1#${no}`, no === 1 ? 'one' : 'two']] },
      { t, at: 'received', of: `alice/1#${no}` },
    ]
    /** Bob's device is put back to a copy from before message 2, whose ack got lost. */
    function foundAfter(events: readonly DeviceEvent[]): string[] {
      const { run, alice, bob, bob2 } = goodRun()
      const bobs = bob.flatMap((event): DeviceEvent[] => {
        if (event.at === 'pushed' && event.firstSeq === 2) return [{ t: 940, at: 'copied' }, event]
        if (event.at !== 'present') return [event]
        const welcome: DeviceEvent = { t: 971, at: 'welcome', session: 2, epoch: 'e', ackedSeq: 1 }
        return [{ t: 970, at: 'restored' }, welcome, ...events, event]
      })
      const { findings } = judge({ run, devices: [alice, bobs, bob2] })
      return findings.map(({ kind }) => kind)
    }
    it('may be what came after the copy was made', () => {
      expect(foundAfter(gets(980, 2))).toEqual([])
    })
    it('must not be what the copy has', () => {
      const kinds = foundAfter([...gets(980, 1), ...gets(981, 2)])
      expect(new Set(kinds)).toEqual(new Set(['twice']))
    })
    it('must not come once more after that', () => {
      expect(foundAfter([...gets(980, 2), ...gets(981, 2)])).toEqual(['twice', 'twice'])
    })
    it('comes in its order', () => {
      expect(foundAfter([...gets(980, 2), ...gets(981, 1)])).toContain('outOfOrder')
    })
  })
})
