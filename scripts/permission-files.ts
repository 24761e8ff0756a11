// deploy/nats/permissions.conf, its like for Kubernetes, and deploy/redis/users.acl, made of the tables of permission-tables.ts.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BUS_RIGHTS, PRESENCE_RIGHTS } from './permission-tables.ts'

const ROOT = join(import.meta.dirname, '..')
const IDENTITY_PREFIX = 'spiffe://twotick/'

const FILES = [
  { path: 'deploy/nats/permissions.conf', text: natsPermissions },
  { path: 'k8s/overlays/prod/values/nats-permissions.yaml', text: natsValues },
  { path: 'deploy/redis/users.acl', text: redisUsers },
]

/** The files that are not what the tables make, and what to do; empty if all are. */
export async function permissionDifferences(): Promise<string> {
  const different: string[] = []
  for (const { path, text } of FILES) {
    const committed = await readFile(join(ROOT, path), 'utf8').catch(() => '')
    if (committed !== text()) different.push(path)
  }
  if (different.length === 0) return ''
  return `${different.join('\n')}\nnot what the tables make: npm run permissions`
}

export async function writePermissions(): Promise<void> {
  for (const { path, text } of FILES) {
    await mkdir(dirname(join(ROOT, path)), { recursive: true })
    await writeFile(join(ROOT, path), text())
  }
}

/** NATS takes the URI of a client's certificate for the user's name (`verify_and_map`). */
function natsPermissions(): string {
  const users = Object.entries(BUS_RIGHTS).map(
    ([service, { publish, subscribe }]) => `  {
    user: "${IDENTITY_PREFIX}${service}"
    permissions: {
      publish: ${allowed(publish)}
      subscribe: ${allowed(subscribe)}
    }
  }`,
  )
  return `# Who may publish and hear what. Made by \`npm run permissions\`; never edited.

users: [
${users.join('\n')}
]
`
}

/** The same, as values of the chart of NATS. */
function natsValues(): string {
  const listed = (name: string, subjects: readonly string[]) => [
    `            ${name}:`,
    ...(subjects.length === 0
      ? [`              deny: ['>']`]
      : ['              allow:', ...subjects.map((subject) => `                - '${subject}'`)]),
  ]
  const users = Object.entries(BUS_RIGHTS).flatMap(([service, { publish, subscribe }]) => [
    `        - user: '${IDENTITY_PREFIX}${service}'`,
    '          permissions:',
    ...listed('publish', publish),
    ...listed('subscribe', subscribe),
  ])
  const head = ['config:', '  merge:', '    authorization:', '      users:']
  const about = '# Who may publish and hear what. Made by `npm run permissions`; never edited.'
  return `${[about, ...head, ...users].join('\n')}\n`
}

/** An empty list would allow everything. */
function allowed(subjects: readonly string[]): string {
  if (subjects.length === 0) return '{ deny: ">" }'
  return `{ allow: [${subjects.map((subject) => `"${subject}"`).join(', ')}] }`
}

/** The placeholder of a service's password: its SHA-256 in hex goes there. */
export function passwordPlaceholder(service: string): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_PASSWORD_SHA256`
}

/** Redis takes no comments in this file. */
function redisUsers(): string {
  const users = Object.entries(PRESENCE_RIGHTS).map(([service, { keys, commands }]) =>
    [
      `user ${service} on #${passwordPlaceholder(service)} resetchannels`,
      ...keys,
      '-@all',
      ...commands.map((command) => `+${command}`),
    ].join(' '),
  )
  return `user default off\n${users.join('\n')}\n`
}
