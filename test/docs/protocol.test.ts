// docs/protocol.md against the contract: the frames it shows are the ones the code makes, and it
// leaves out no frame, no directory request, no notice and no limit.

import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { conversation } from './conversation.ts'
import { fieldsOf, membersOf } from './proto.ts'

const page = new URL('../../docs/protocol.md', import.meta.url)
const FRAMES = /(<!-- frames:[^\n]*-->\n)[\s\S]*(<!-- \/frames -->)/

test('the example conversation is byte for byte what the generated code makes', async () => {
  // Goal: somebody who checks another implementation against the page checks it against this one.
  const text = await readFile(page, 'utf8')
  const now = text.replace(FRAMES, (_, open: string, close: string) => {
    return `${open}\n${conversation()}\n${close}`
  })
  if (process.env['UPDATE_DOCS'] === '1') await writeFile(page, now)
  else expect(text).toBe(now)
})

test('every frame that either side may send is in the page', async () => {
  // Goal: no frame is added to the proto without the page saying what it is for.
  const text = await readFile(page, 'utf8')
  for (const frame of [...(await fieldsOf('Up')), ...(await fieldsOf('Down'))]) {
    expect(text, `frame ${frame.name}`).toMatch(new RegExp(`\\b${frame.type}\\b`))
  }
})

test('every field of a send is explained', async () => {
  // Goal: whoever writes a client learns of each thing that a send can carry.
  const text = await readFile(page, 'utf8')
  const section = text.slice(text.indexOf('## 5.'), text.indexOf('## 6.'))
  for (const { name } of await fieldsOf('Send')) expect(section).toContain(`\`${name}\``)
})

test('every directory request is in the table, with its answer and its refusals', async () => {
  // Goal: the table of §14 is complete and names nothing that is not there.
  const text = await readFile(page, 'utf8')
  const section = text.slice(text.indexOf('## 14.'), text.indexOf('## 15.'))
  const rows = [...section.matchAll(/^\| `([a-z_]+)`/gm)].map((row) => row[1])
  const requests = (await fieldsOf('Request')).map((field) => field.name)
  expect(rows.toSorted()).toEqual(requests.filter((name) => name !== 'request_id').toSorted())
  for (const answer of await fieldsOf('Response')) {
    if (answer.name !== 'request_id') expect(section).toContain(`\`${answer.name}\``)
  }
})

test('every kind of notice, every envelope type and every status is explained', async () => {
  // Goal: the enums of device.proto and the tables of the page hold the same names.
  const text = await readFile(page, 'utf8')
  for (const name of ['NoticeKind', 'EnvelopeType', 'StatusState']) {
    for (const member of await membersOf('device.proto', name)) {
      if (!member.name.endsWith('_UNSPECIFIED')) expect(text).toContain(`\`${member.name}\``)
    }
  }
})

test('every field of Welcome, and every limit in it, is explained', async () => {
  // Goal: a device knows what to compare and what to heed.
  const text = await readFile(page, 'utf8')
  for (const field of [...(await fieldsOf('Welcome')), ...(await fieldsOf('Limits'))]) {
    expect(text).toContain(`\`${field.name}\``)
  }
})
