// deploy/observability/grafana/dashboards/twotick.json, as deploy/observability/dashboard.ts has it.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { dashboard } from '../deploy/observability/dashboard.ts'

const FILE = 'deploy/observability/grafana/dashboards/twotick.json'
const PATH = join(import.meta.dirname, '..', FILE)

/** What to do if the file is not what its source says; empty if it is. */
export async function dashboardDifferences(): Promise<string> {
  const committed = await readFile(PATH, 'utf8').catch(() => '')
  if (committed === (await contents())) return ''
  return `${FILE}\nnot what its source says: npm run dashboard`
}

export async function writeDashboard(): Promise<void> {
  await writeFile(PATH, await contents())
}

async function contents(): Promise<string> {
  const settings = await resolveConfig(PATH)
  return format(JSON.stringify(dashboard()), { ...settings, filepath: PATH })
}
