// docs/configuration.md: every variable of every service, as their schemas have it.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConfigRow, type ConfigSchema, describeConfig } from '@twotick/chassis'
import { format, resolveConfig } from 'prettier'
import { configSchema as fanout } from '../services/delivery-fanout/src/config.ts'
import { configSchema as store } from '../services/envelope-store/src/config.ts'
import { configSchema as expiry } from '../services/expiry/src/config.ts'
import { configSchema as gateway } from '../services/gateway/src/config.ts'
import { configSchema as validation } from '../services/metadata-validation/src/config.ts'
import type { ServiceName } from './services.ts'

const PAGE = join(import.meta.dirname, '../docs/configuration.md')

const SCHEMAS: [ServiceName, ConfigSchema][] = [
  ['gateway', gateway],
  ['metadata-validation', validation],
  ['envelope-store', store],
  ['delivery-fanout', fanout],
  ['expiry', expiry],
]

const OPENING = `# Configuration

Every service reads its environment once, when it starts. Made by \`npm run configuration\` from the schemas in \`services/*/src/config.ts\`; never edited.

- All that is wrong is said at once, and the service does not start: exit code 2.
- A variable \`TWOTICK_…\` that the service does not know is an error, which names the closest one it knows. An empty variable counts as absent.
- A *secret* variable may name a file instead, with \`_FILE\` behind its name: \`TWOTICK_POSTGRES_URL_FILE=/run/secrets/postgres-url\`. Secrets are never printed.
- The unit is the end of the name: \`MS\` milliseconds, \`BYTES_MAX\` bytes.
- \`--help\` prints the service's table, \`--print-config\` what is in force, without secrets.
- Changes take effect with a restart; certificates, and only they, are taken anew without one ([operations](operations.md#identity-and-transport)).
`

/** What to do if the page is not what the schemas say; empty if it is. */
export async function configurationDifferences(): Promise<string> {
  const committed = await readFile(PAGE, 'utf8').catch(() => '')
  if (committed === (await page())) return ''
  return 'docs/configuration.md\nnot what the schemas say: npm run configuration'
}

export async function writeConfiguration(): Promise<void> {
  await writeFile(PAGE, await page())
}

async function page(): Promise<string> {
  const described = SCHEMAS.map(([name, schema]) => ({ name, rows: describeConfig(schema) }))
  const [first, ...others] = described
  const shared = (first?.rows ?? []).filter((row) =>
    others.every(({ rows }) => rows.some((other) => JSON.stringify(other) === JSON.stringify(row))),
  )
  const isShared = (row: ConfigRow) => shared.some(({ variable }) => variable === row.variable)
  const own = described.map(
    ({ name, rows }) => `## ${name}\n\n${table(rows.filter((row) => !isShared(row)))}`,
  )
  const text = [OPENING, `## Every service\n\n${table(shared)}`, ...own].join('\n\n')
  return format(text, { ...(await resolveConfig(PAGE)), filepath: PAGE })
}

function table(rows: readonly ConfigRow[]): string {
  const lines = rows.map(({ variable, default: initial, required, secret, meaning }) => {
    const standard = required ? '**required**' : initial ? `\`${initial}\`` : ''
    return `| \`${variable}\` | ${standard} | ${meaning}${secret ? ' *(secret)*' : ''} |`
  })
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...lines].join('\n')
}
