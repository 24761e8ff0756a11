// docs/refusals.md against refusal.proto, both ways, and the links between the documents.

import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { RefusalCode } from '@twotick/protocol'
import { membersOf } from './proto.ts'

const page = new URL('../../docs/refusals.md', import.meta.url)

interface Row {
  readonly name: string
  readonly number: number
  readonly cells: readonly string[]
}

async function rows(): Promise<Row[]> {
  const text = await readFile(page, 'utf8')
  return [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|(.*)\|$/gm)].map(
    ([, name = '', number, rest = '']) => ({
      name,
      number: Number(number),
      cells: rest.split(/(?<!\\)\|/).map((cell) => cell.trim()),
    }),
  )
}

test('every code of the enum is in the page, and every code of the page in the enum', async () => {
  // Goal: a client author finds each code that can come, and none that cannot.
  const members = await membersOf('refusal.proto', 'RefusalCode')
  const codes = members.filter((member) => !member.name.endsWith('_UNSPECIFIED'))
  expect((await rows()).map(({ name, number }) => ({ name, number }))).toEqual(codes)
  for (const { name, number } of codes) {
    expect(RefusalCode[name as keyof typeof RefusalCode]).toBe(number)
  }
})

test('each code says where it comes, what it means, and what to do', async () => {
  // Goal: no empty cell; and it comes in a frame that the protocol has.
  for (const { name, cells } of await rows()) {
    expect(cells, name).toHaveLength(3)
    expect(cells[0], name).toMatch(/`(Refused|Rejected|Response|Goodbye)`/)
    for (const cell of cells) expect(cell, name).not.toBe('')
  }
})

test('every code that any document names exists', async () => {
  // Goal: protocol.md and the others never speak of a code that was renamed.
  const folder = new URL('../../docs/', import.meta.url)
  const names = new Set<string>(Object.keys(RefusalCode))
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.md'))) {
    const text = await readFile(new URL(file, folder), 'utf8')
    for (const [, code = ''] of text.matchAll(/`(?:Goodbye|Refused|Rejected)\(([A-Z_]+)\)`/g)) {
      expect(names, `${file}: ${code}`).toContain(code)
    }
  }
})
