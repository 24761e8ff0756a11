// Reads messages and enums out of proto/twotick/v1 by their text: enough of protobuf's grammar for
// the documents' tests, which compare names, numbers and comments.

import { readFile } from 'node:fs/promises'

export interface Field {
  readonly type: string
  readonly name: string
}

export interface EnumMember {
  readonly name: string
  readonly number: number
}

/** The fields of a message of device.proto, those inside its oneofs included. */
export async function fieldsOf(message: string): Promise<Field[]> {
  const body = await bodyOf('device.proto', 'message', message)
  return [...body.matchAll(/^\s+(?:repeated |optional )?([A-Za-z0-9]+) ([a-z_0-9]+) = \d+;/gm)].map(
    ([, type = '', name = '']) => ({ type, name }),
  )
}

/** The members of an enum, in their order. */
export async function membersOf(file: string, name: string): Promise<EnumMember[]> {
  const body = await bodyOf(file, 'enum', name)
  return [...body.matchAll(/^\s+([A-Z_]+) = (\d+);/gm)].map(([, member = '', number]) => ({
    name: member,
    number: Number(number),
  }))
}

async function bodyOf(file: string, kind: string, name: string): Promise<string> {
  const text = await readFile(new URL(`../../proto/twotick/v1/${file}`, import.meta.url), 'utf8')
  const start = text.indexOf(`\n${kind} ${name} {`)
  if (start < 0) throw new Error(`${file} has no ${kind} ${name}`)
  return text.slice(start, text.indexOf('\n}', start))
}
