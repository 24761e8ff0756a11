import {
  CallsService,
  EnvelopeStoreService,
  MetadataValidationService,
} from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import { CALLERS, isAllowed } from './callers.ts'

test('the table has every method of every service, and nothing else', () => {
  const methods = [CallsService, EnvelopeStoreService, MetadataValidationService]
    .flatMap((service) => Object.values(service))
    .map((method) => method.path)
  expect(Object.keys(CALLERS).sort()).toEqual(methods.sort())
})

test('whoever is not named is refused, and so is everybody at an unknown method', () => {
  expect(isAllowed('/twotick.v1.EnvelopeStore/Write', 'gateway')).toBe(true)
  expect(isAllowed('/twotick.v1.EnvelopeStore/Write', 'expiry')).toBe(false)
  expect(isAllowed('/twotick.v1.EnvelopeStore/Write', '')).toBe(false)
  expect(isAllowed('/twotick.v1.EnvelopeStore/Drop', 'gateway')).toBe(false)
  expect(isAllowed('toString', 'gateway')).toBe(false)
})
