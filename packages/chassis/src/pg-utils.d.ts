declare module 'pg/lib/utils.js' {
  /** A value as it goes out: bytes as they are, all else as text. */
  export function prepareValue(value: unknown): Buffer | string | null
}
