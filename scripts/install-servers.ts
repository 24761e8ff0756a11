// The servers' programs: from Debian, installed as root or through sudo, saying so. Elsewhere the one
// command that installs them is printed; nothing is guessed.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findBinary } from './servers/binaries.ts'

interface Server {
  binary: string
  debianPackage: string
  /** The variable that gives a running one instead. */
  given?: string
}

const SERVERS: Server[] = [
  { binary: 'postgres', debianPackage: 'postgresql', given: 'DATABASE_URL' },
  { binary: 'redis-server', debianPackage: 'redis-server', given: 'REDIS_URL' },
  { binary: 'nats-server', debianPackage: 'nats-server', given: 'NATS_URL' },
  { binary: 'openssl', debianPackage: 'openssl' }, // makes certificates
]

const INSTALL_SCRIPT = join(import.meta.dirname, 'install-debian.sh')

/** Installs what is missing of Postgres, Redis and NATS; an error says what to type if it cannot. */
export function ensureServers(): void {
  const missing = missingServers()
  if (missing.length === 0) return
  const packages = missing.map((server) => server.debianPackage)
  const isDebian = existsSync('/etc/debian_version') && findBinary('apt-get') !== null
  if (!isDebian) throw new Error(`${sentence(missing)}\n\n  ${otherCommand()}\n`)

  const isRoot = process.getuid?.() === 0
  const byHand = `${sentence(missing)}\n\n  su -c 'sh ${INSTALL_SCRIPT} ${packages.join(' ')}'\n`
  if (!isRoot && findBinary('sudo') === null) throw new Error(byHand)
  console.log(
    `Installing ${packages.join(', ')} from Debian${isRoot ? '' : ' through sudo'}: only the ` +
      'programs, no service is started …',
  )
  const command = [...(isRoot ? [] : ['sudo']), 'sh', INSTALL_SCRIPT, ...packages]
  const { status } = spawnSync(command[0] as string, command.slice(1), { stdio: 'inherit' })
  if (status !== 0 || missingServers().length > 0) throw new Error(byHand)
}

/** As `ensureServers`; if it cannot, says what to type and ends the process. */
export function ensureServersOrExit(lastLine?: string): void {
  try {
    ensureServers()
  } catch (error) {
    console.error((error as Error).message)
    if (lastLine !== undefined) console.log(lastLine)
    process.exit(1)
  }
}

function missingServers(): Server[] {
  return SERVERS.filter(
    ({ binary, given }) => !(given && process.env[given]) && findBinary(binary) === null,
  )
}

function sentence(missing: Server[]): string {
  const names = missing.map((server) => server.binary).join(', ')
  return `Not installed here: ${names}. This installs what twotick needs:`
}

function otherCommand(): string {
  const known = [
    ['brew', 'brew install postgresql@17 redis nats-server'],
    ['dnf', 'sudo dnf install postgresql-server redis nats-server'],
    ['pacman', 'sudo pacman -S postgresql redis nats-server'],
    ['apk', 'doas apk add postgresql redis nats-server'],
  ] as const
  const found = known.find(([binary]) => findBinary(binary) !== null)
  return found?.[1] ?? 'install the programs postgres (15 or newer), redis-server and nats-server'
}
