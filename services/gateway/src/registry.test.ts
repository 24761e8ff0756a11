// Goal: one session for one device: the number decides, whoever comes first.

import { RefusalCode } from '@twotick/protocol'
import { expect, test } from 'vitest'
import type { LiveSession } from './connection.ts'
import { createRegistry } from './registry.ts'

function sessionOf(number: number, epoch = 'now') {
  const ends: RefusalCode[] = []
  const device = { accountId: 'alice', deviceId: 1 }
  const end = ({ code }: { code: RefusalCode }) => void ends.push(code)
  const session = { device, number, epoch, end } as unknown as LiveSession
  return { session, ends }
}

test('a newer session takes the place of an older one, and ends it', () => {
  const registry = createRegistry()
  const [older, newer] = [sessionOf(1), sessionOf(2)]
  expect(registry.enter(older.session)).toBe(true)
  expect(registry.enter(newer.session)).toBe(true)
  expect(older.ends).toEqual([RefusalCode.REPLACED])
  registry.leave(older.session)
  expect(registry.all()).toEqual([newer.session])
  registry.leave(newer.session)
  expect(registry.count()).toBe(0)
})

test('an older one that comes later changes nothing', () => {
  const registry = createRegistry()
  const [older, newer] = [sessionOf(1), sessionOf(2)]
  registry.enter(newer.session)
  expect(registry.enter(older.session)).toBe(false)
  expect(newer.ends).toEqual([])
  expect(registry.all()).toEqual([newer.session])
})

test('of two epochs the one that comes is the newer one', () => {
  const registry = createRegistry()
  const [before, now] = [sessionOf(9, 'before'), sessionOf(2)]
  registry.enter(before.session)
  expect(registry.enter(now.session)).toBe(true)
  expect(registry.all()).toEqual([now.session])
})
