// Configuration: one zod object per service, read once from the environment.
//
// The shape is the names: the field `drainMs` is read from TWOTICK_DRAIN_MS, the field `poolMax` of
// the object `postgres` from TWOTICK_POSTGRES_POOL_MAX. So a service's schema is
//
//   export const configSchema = z.object({
//     postgres: postgresFields(),
//     listen: listen('where the envelope-store answers gRPC'),
//     batch: z.object({ itemsMax: whole('appends and acks of one transaction', { default: 1_000 }) }),
//   })
//
// All that is wrong is reported at once; a TWOTICK_ variable that nobody reads is an error, because
// a mistyped name would else silently mean the default. An empty variable counts as absent. A field
// marked secret may also be read from a file, named by the variable with _FILE behind it.

import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { FieldMeta } from './field.ts'
import { lifecycleFields } from './lifecycle-fields.ts'

const PREFIX = 'TWOTICK_'
/** Of the command line client: a shell that talks to a relay may also run one. */
const OF_CLIENT = ['TWOTICK_URL', 'TWOTICK_PROFILE', 'TWOTICK_JAEGER_URL']

export type ConfigSchema = z.ZodObject
export type Environment = Readonly<Record<string, string | undefined>>

/** One variable, as --help and docs/configuration.md show it. */
export interface ConfigRow {
  readonly variable: string
  /** As it would be written; undefined: there is none. */
  readonly default: string | undefined
  readonly required: boolean
  readonly secret: boolean
  readonly meaning: string
}

interface Field extends ConfigRow {
  readonly path: readonly string[]
}

/** What is wrong with the environment: one line for each variable concerned. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/**
 * Reads a service's configuration. Checks the lifecycle's variables with it, and that every other
 * TWOTICK_ variable is one of the schema's. Throws a `ConfigError` that names everything wrong.
 */
export function readConfig<S extends ConfigSchema>(
  schema: S,
  environment: Environment = process.env,
): z.infer<S> {
  const fields = [...fieldsOf(schema), ...fieldsOf(lifecycleFields)]
  const problems = unknownVariables(fields, environment)
  const config = parse(schema, environment, problems)
  parse(lifecycleFields, environment, problems)
  if (problems.length > 0 || config === undefined) throw new ConfigError(problems)
  return config
}

/** Reads what every service has, whatever else there is in the environment. */
export function readLifecycle(environment: Environment = process.env) {
  const problems: string[] = []
  const life = parse(lifecycleFields, environment, problems)
  if (life === undefined) throw new ConfigError(problems)
  return life
}

function parse<S extends ConfigSchema>(
  schema: S,
  environment: Environment,
  problems: string[],
): z.infer<S> | undefined {
  const unreadable: string[] = []
  const values = gather(fieldsOf(schema), environment, unreadable)
  problems.push(...unreadable)
  const result = schema.safeParse(values)
  for (const issue of result.error?.issues ?? []) {
    const path = issue.path.map(String)
    const variable = variableOf(path)
    if (unreadable.some((problem) => problem.startsWith(`${variable}:`))) continue
    const isMissing = issue.code !== 'custom' && valueAt(values, path) === undefined
    problems.push(`${variable}: ${isMissing ? 'is missing' : issue.message}`)
  }
  return result.data
}

/** Every variable of a service, those of the lifecycle included, in the schema's order. */
export function describeConfig(schema: ConfigSchema): ConfigRow[] {
  return [...fieldsOf(schema), ...fieldsOf(lifecycleFields)].map(({ path: _, ...row }) => row)
}

/** What --print-config prints: `VARIABLE=value` lines, defaults included, secrets hidden. */
export function printedConfig(schema: ConfigSchema, environment: Environment): string {
  readConfig(schema, environment)
  return describeConfig(schema)
    .map(({ variable, secret, ...row }) => {
      const isFromFile = secret && !environment[variable] && environment[`${variable}_FILE`]
      const value = isFromFile ? 'from a file' : environment[variable] || row.default
      return `${variable}=${secret && value !== undefined ? redacted(value) : (value ?? '')}`
    })
    .join('\n')
}

/** What --help prints. */
export function configHelp(name: string, schema: ConfigSchema): string {
  const rows = describeConfig(schema)
  const width = Math.max(...rows.map((row) => row.variable.length))
  const lines = rows.map((row) => {
    const note = row.required ? 'required' : (row.default ?? 'none')
    const file = row.secret ? '; or a file, in …_FILE' : ''
    return `  ${row.variable.padEnd(width)}  ${row.meaning} (${note}${file})`
  })
  return [`${name} is configured by its environment:`, '', ...lines].join('\n')
}

/** A URL keeps all but its password; anything else that is secret keeps nothing. */
function redacted(value: string): string {
  if (!/^[a-z]+:\/\//.test(value)) return '***'
  return value.replace(/(\/\/[^:@/]*):[^@/]*@/, '$1:***@').replace(/(password=)[^&]*/, '$1***')
}

function fieldsOf(schema: ConfigSchema, parents: readonly string[] = []): Field[] {
  return Object.entries(schema.shape).flatMap(([name, inner]) => {
    const path = [...parents, name]
    return inner instanceof z.ZodObject ? fieldsOf(inner, path) : [fieldOf(inner, path)]
  })
}

/** Defaults, options and pipes wrap the schema that carries the meaning: looks through them. */
function fieldOf(schema: z.core.$ZodType, path: readonly string[]): Field {
  let meta: FieldMeta & { description?: string | undefined } = {}
  let initial: unknown
  let isOptional = false
  let at = schema
  for (;;) {
    meta = { ...z.globalRegistry.get(at), ...meta }
    if (at instanceof z.ZodDefault) {
      initial = at.def.defaultValue
      at = at.def.innerType
    } else if (at instanceof z.ZodOptional) {
      isOptional = true
      at = at.def.innerType
    } else if (at instanceof z.ZodPipe) {
      at = at.def.in
    } else break
  }
  return {
    path,
    variable: variableOf(path),
    default: initial === undefined ? undefined : String(initial),
    required: initial === undefined && !isOptional,
    secret: meta.secret ?? false,
    meaning: meta.description ?? '',
  }
}

function variableOf(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase())
  return PREFIX + words.join('_')
}

type Values = { [name: string]: string | Values }

/** The environment's texts in the schema's shape. */
function gather(fields: readonly Field[], environment: Environment, problems: string[]): Values {
  const values: Values = {}
  for (const field of fields) {
    let at = values
    for (const name of field.path.slice(0, -1)) at = (at[name] ??= {}) as Values
    const value = environment[field.variable] || fromFile(field, environment, problems)
    if (value) at[field.path.at(-1) as string] = value
  }
  return values
}

function fromFile(field: Field, environment: Environment, problems: string[]): string | undefined {
  const file = field.secret ? environment[`${field.variable}_FILE`] : undefined
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    problems.push(`${field.variable}: cannot be read from ${file}: ${(error as Error).message}`)
    return undefined
  }
}

function valueAt(values: Values, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (at as Values | undefined)?.[name], values)
}

function unknownVariables(fields: readonly Field[], environment: Environment): string[] {
  const known = fields.flatMap(({ variable, secret }) =>
    secret ? [variable, `${variable}_FILE`] : [variable],
  )
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(PREFIX))
    .filter((variable) => !known.includes(variable) && !OF_CLIENT.includes(variable))
    .map((variable) => `${variable}: is unknown; the closest one is ${closest(variable, known)}`)
}

function closest(word: string, words: readonly string[]): string {
  const [first] = words
    .map((other) => ({ other, edits: editDistance(word, other) }))
    .sort((a, b) => a.edits - b.edits)
  return first?.other ?? 'none'
}

/** Levenshtein's, by rows. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
