// Text as a terminal shows it: how wide it is, how many rows it takes, and what of a message must
// not reach the terminal at all.

import { stripVTControlCharacters } from 'node:util'

const graphemes = new Intl.Segmenter()

// What terminals draw two columns wide: East Asian wide and full-width forms.
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|^[\u{20000}-\u{3fffd}]/u
const EMOJI = /^\p{Emoji_Presentation}|^\p{Extended_Pictographic}\ufe0f|^\p{Regional_Indicator}{2}/u

// Control characters, and those that change the direction of what follows.
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * What somebody else wrote, on one line and without anything that a terminal obeys: a message must
 * not be able to move the cursor, set the title or pass for a line of ours.
 */
export function printable(text: string): string {
  return text
    .replace(/\r\n|\r|\n/g, ' ⏎ ')
    .replace(/\t/g, '  ')
    .replace(UNPRINTABLE, '\ufffd')
}

function graphemeColumns(grapheme: string): number {
  return WIDE.test(grapheme) || EMOJI.test(grapheme) ? 2 : 1
}

/** Columns that the text takes; colours take none. */
export function columnsOf(text: string): number {
  return [...graphemes.segment(stripVTControlCharacters(text))].reduce(
    (columns, { segment }) => columns + graphemeColumns(segment),
    0,
  )
}

/** Rows that the text takes when it is written from the first column. */
export function rowsOf(text: string, width: number): number {
  let rows = 1
  let column = 0
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text))) {
    const columns = graphemeColumns(segment)
    if (column + columns > width) {
      rows++
      column = 0
    }
    column += columns
  }
  return rows
}

/** The text with spaces behind it, `columns` wide or wider. */
export function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}
