// Goal: each service may do exactly what its work needs at every NATS subject, Redis key and Postgres
// table, on real servers with mutual TLS and the files that operators run them with.

import { connect } from '@nats-io/transport-node'
import {
  connectPostgres,
  connectRedis,
  createLog,
  openScope,
  SERVICE_NAMES,
  type ServiceName,
  tlsOptions,
} from '@twotick/chassis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BUS_RIGHTS } from '../../scripts/permission-tables.ts'
import { type CertificateFiles, issueCertificate } from '../../scripts/servers/certificates.ts'
import {
  makeCertificates,
  makeFolder,
  openFiles,
  type SecuredPostgres,
  type SecuredRedis,
  type ServiceCertificates,
  startSecuredNats,
  startSecuredPostgres,
  startSecuredRedis,
} from './secured.ts'

const log = createLog('test', 'silent')
const scope = openScope('identity')
let folder: string
let files: ServiceCertificates

beforeAll(() => {
  folder = makeFolder('identity')
  files = makeCertificates(folder)
})

afterAll(() => scope.close())

const open = (its: CertificateFiles) => openFiles(its, scope)

describe('NATS', () => {
  const SUBJECTS = [
    ...['mailbox.appended', 'mailbox.delivered', 'signal.sent', 'directory.changed'],
    ...['gateways', 'gateway.1a2b', 'gateway.1a2b.more', '>', '_INBOX.1', 'other'],
  ]
  let server: Awaited<ReturnType<typeof startSecuredNats>>

  beforeAll(async () => {
    server = await startSecuredNats(folder)
    scope.defer('nats', server.stop)
  })

  /** What it is let do, of all subjects: each tried for publishing, hearing and in the queue group. */
  async function allowed(service: ServiceName) {
    const refused = new Set<string>()
    const tls = tlsOptions(open(files[service]))
    const connection = await connect({ servers: server.url, tls: tls as never, reconnect: false })
    void (async () => {
      for await (const change of connection.status()) {
        if (change.type === 'error') refused.add(change.error.message)
      }
    })()
    const isRefused = (kind: string, subject: string) =>
      [...refused].some((message) => message.includes(`${kind} to "${subject}"`))
    const callback = () => undefined
    const tried = async (act: (subject: string) => void, kind: string, subjects: string[]) => {
      refused.clear()
      for (const subject of subjects) act(subject)
      await connection.flush()
      await new Promise((resolve) => setImmediate(resolve))
      return subjects.filter((subject) => !isRefused(kind, subject))
    }
    const literal = SUBJECTS.filter((subject) => !subject.includes('>'))
    const publish = await tried((subject) => connection.publish(subject), 'Publish', literal)
    const hear = (queue?: string) => (subject: string) =>
      void connection.subscribe(subject, { callback, ...(queue && { queue }) })
    const subscribe = await tried(hear(), 'Subscription', SUBJECTS)
    const inQueue = await tried(hear('delivery-fanout'), 'Subscription', SUBJECTS)
    await connection.close()
    return { publish, subscribe, inQueue }
  }

  test.each(SERVICE_NAMES)(
    '%s publishes and hears what the table names, and no other',
    async (service) => {
      const { publish, subscribe } = BUS_RIGHTS[service]
      const concrete = (patterns: readonly string[]) =>
        patterns.map((pattern) => pattern.replace('*', '1a2b')).sort()
      const queued = subscribe
        .filter((one) => one.includes(' '))
        .map((one) => one.split(' ')[0] ?? '')
      const plain = concrete(subscribe.filter((one) => !one.includes(' ')))
      const can = await allowed(service)
      expect(can.publish.sort()).toEqual(concrete(publish))
      expect(can.subscribe.sort()).toEqual(plain)
      expect(can.inQueue.sort()).toEqual([...plain, ...queued].sort())
    },
  )

  test('without a certificate, or with one that names no service, nobody connects', async () => {
    const ca = tlsOptions(open(files.gateway)).ca as string
    await expect(connect({ servers: server.url, tls: { ca }, reconnect: false })).rejects.toThrow()
    const nobody = issueCertificate(folder, { name: 'nobody', alternativeNames: ['DNS:nobody'] })
    const tls = tlsOptions(open(nobody)) as never
    await expect(connect({ servers: server.url, tls, reconnect: false })).rejects.toThrow()
  })
})

describe('Redis', () => {
  const KEY = 'presence:1'
  const LEASE = 'gateway:1'
  const COMMANDS: [string, ...(string | number)[]][] = [
    ...(['presence:1', 'gateway:1', 'other'].flatMap((key) => [
      ['hset', key, 'f', 'v'],
      ['hgetall', key],
      ['exists', key],
      ['set', key, 'v', 'PX', 1_000, 'GET'],
      ['del', key],
      ['get', key],
    ]) as [string, ...(string | number)[]][]),
    ['eval', 'return redis.call("HGET", KEYS[1], "f")', 1, KEY],
    ['eval', 'return redis.call("GET", KEYS[1])', 1, KEY],
    ['eval', 'return redis.call("HGET", KEYS[1], "f")', 1, 'other'],
    ['eval_ro', 'return redis.call("HGETALL", KEYS[1])', 1, KEY],
    ['eval_ro', 'return redis.call("HDEL", KEYS[1], "f")', 1, KEY],
    ['eval_ro', 'return redis.call("EXISTS", KEYS[1])', 1, 'other'],
    ['keys', '*'],
    ['scan', 0],
    ['flushall'],
    ['config', 'get', '*'],
    ['acl', 'list'],
    ['publish', 'c', 'm'],
    ['subscribe', 'c'],
    ['ping'],
  ]
  let server: SecuredRedis

  beforeAll(async () => {
    server = await startSecuredRedis(folder)
    scope.defer('redis', server.stop)
  })

  async function allowed(service: ServiceName): Promise<string[]> {
    const redis = await connectRedis({ url: server.urlOf(service) }, log, open(files[service]))
    const done: string[] = []
    for (const [name, ...args] of COMMANDS) {
      const what = [name, ...args].join(' ')
      await redis.call(name, ...args).then(
        () => done.push(what),
        (error: Error) => {
          // A wrong type is an answer: it was let try.
          if (error.message.includes('WRONGTYPE')) done.push(what)
          else
            expect([what, error.message]).toEqual([
              what,
              expect.stringMatching(/NOPERM|script|writ/),
            ])
        },
      )
    }
    redis.disconnect()
    return done
  }

  test('gateway writes presence and its lease, and nothing else', async () => {
    const write = (key: string) => [`hset ${key} f v`, `hgetall ${key}`]
    const replace = (key: string) => [`set ${key} v PX 1000 GET`, `del ${key}`]
    expect(await allowed('gateway')).toEqual([
      ...[...write(KEY), ...replace(KEY), ...write(LEASE), ...replace(LEASE)],
      `eval return redis.call("HGET", KEYS[1], "f") 1 ${KEY}`,
      'ping',
    ])
  })

  test('delivery-fanout reads presence and leases, and writes nothing', async () => {
    const read = (key: string) => [`hgetall ${key}`, `exists ${key}`]
    expect(await allowed('delivery-fanout')).toEqual([
      ...[...read(KEY), ...read(LEASE)],
      `eval_ro return redis.call("HGETALL", KEYS[1]) 1 ${KEY}`,
      'ping',
    ])
  })

  test.each(['envelope-store', 'metadata-validation', 'expiry', 'default'])(
    '%s is no user there',
    async (service) => {
      const certificates = open(files['envelope-store'])
      const redis = await connectRedis({ url: server.urlOf(service) }, log, certificates)
      await expect(redis.call('ping')).rejects.toThrow()
      await expect(redis.call('hgetall', KEY)).rejects.toThrow()
      redis.disconnect()
    },
  )
})

describe('Postgres', () => {
  const ROLES = { 'envelope-store': 'twotick_store', 'metadata-validation': 'twotick_directory' }
  const ALL = ['select', 'insert', 'update', 'delete']
  const RIGHTS: Record<string, Record<string, string[]>> = {
    twotick_store: {
      'mailbox.mailbox': ALL,
      'mailbox.entry': ALL,
      'mailbox.sender': ['select', 'insert', 'update'],
      'mailbox.epoch_counter': ['select'],
      'mailbox.migration': ['select'],
    },
    twotick_directory: {
      'directory.account': ALL,
      'directory.device': ALL,
      'directory.conversation': ALL,
      'directory.key_package': ALL,
      'directory.member': ['select', 'insert', 'delete'],
      'directory.block': ['select', 'insert', 'delete'],
      'directory.publication': ['select', 'insert', 'update'],
      'directory.retired_key': ['select', 'insert'],
      'directory.migration': ['select'],
    },
  }
  let server: SecuredPostgres

  beforeAll(async () => {
    server = await startSecuredPostgres(folder)
    scope.defer('postgres', server.stop)
  })

  const as = (role: string, service: ServiceName) =>
    connectPostgres(
      { url: server.urlOf(role), poolMax: 1, startTimeoutMs: 1 },
      { log, certificates: open(files[service]) },
    )

  test.each(SERVICE_NAMES)(
    'the certificate of %s opens its own role, if it has one',
    async (service) => {
      for (const role of ['twotick_store', 'twotick_directory', 'postgres']) {
        const isIts = ROLES[service as keyof typeof ROLES] === role
        const opened = await as(role, service).then(
          async (pool) => {
            await pool.end()
            return true
          },
          () => false,
        )
        expect([service, role, opened]).toEqual([service, role, isIts])
      }
    },
  )

  test.each(Object.entries(ROLES))(
    '%s does with each table what the list says',
    async (service, role) => {
      const owner = await connectPostgres({ url: server.ownerUrl, poolMax: 1 })
      const { rows: tables } = await owner.query<{ name: string; column: string }>(
        `select table_schema || '.' || table_name as name, min(column_name::text) as column
         from information_schema.columns where table_schema in ('mailbox', 'directory')
        group by 1`,
      )
      await owner.end()
      expect(tables.length).toBeGreaterThan(10)
      const pool = await as(role, service as ServiceName)
      for (const { name, column } of tables) {
        const statements = {
          select: `select from ${name} limit 0`,
          insert: `insert into ${name} default values`,
          update: `update ${name} set ${column} = null where false`,
          delete: `delete from ${name} where false`,
          truncate: `truncate ${name}`,
          drop: `drop table ${name}`,
        }
        const done: string[] = []
        for (const [what, sql] of Object.entries(statements)) {
          await pool.query(sql).then(
            () => done.push(what),
            (error: { code?: string }) => {
              if (error.code === '42501') return // permission denied
              expect([name, what, error.code]).toEqual([name, 'insert', '23502']) // lacks values
              done.push(what)
            },
          )
        }
        expect([name, done]).toEqual([name, RIGHTS[role]?.[name] ?? []])
      }
      await expect(pool.query('create table public.mine (n int)')).rejects.toThrow(
        'permission denied',
      )
      await expect(pool.query('create table mailbox.mine (n int)')).rejects.toThrow(
        'permission denied',
      )
      await pool.end()
    },
  )
})
