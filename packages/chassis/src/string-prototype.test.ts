import { setFlagsFromString } from 'node:v8'
import { runInNewContext, runInThisContext } from 'node:vm'
import { expect, test } from 'vitest'
import './index.ts'

setFlagsFromString('--allow-natives-syntax')
const isFast = runInThisContext('() => %HasFastProperties(String.prototype)') as () => boolean

test('a class that extends String makes its properties slow: what this is about', () => {
  const isFastThere = runInNewContext(
    'class Other extends String {}; %HasFastProperties(String.prototype)',
  ) as boolean
  expect(isFastThere).toBe(false)
})

test('what services are made of leaves the methods of strings fast', () => {
  expect(isFast()).toBe(true)
})
