// Goal: each service reaches exactly the gRPC methods that the table names, known by its certificate;
// and whoever is no service reaches none.

import { type Client, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js'
import {
  CALLERS,
  type Certificates,
  createLog,
  Failure,
  type GrpcServer,
  implement,
  openScope,
  serveGrpc,
  SERVERS,
  SERVICE_NAMES,
} from '@twotick/chassis'
import { EnvelopeStoreService, MetadataValidationService } from '@twotick/protocol/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tlsChannelCredentials } from '../../packages/chassis/src/grpc-tls.ts'
import { type CertificateFiles, issueCertificate } from '../../scripts/servers/certificates.ts'
import { makeCertificates, makeFolder, openFiles, type ServiceCertificates } from './secured.ts'

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

describe('gRPC', () => {
  const DEFINITIONS = {
    'envelope-store': EnvelopeStoreService,
    'metadata-validation': MetadataValidationService,
  } as const
  type Server = keyof typeof DEFINITIONS
  const servers = {} as Record<Server, GrpcServer>

  beforeAll(async () => {
    for (const name of Object.keys(DEFINITIONS) as Server[]) {
      const definition = DEFINITIONS[name]
      const reached = () => Promise.reject(new Failure('UNAVAILABLE', 'reached'))
      const methods = Object.fromEntries(Object.keys(definition).map((method) => [method, reached]))
      const service = implement(definition, methods as never)
      const options = { listen: '127.0.0.1:0', certificates: open(files[name]) }
      servers[name] = await serveGrpc(options, [service], log)
      scope.defer(name, () => servers[name].drain())
    }
  })

  /** What the server says to a call: `reached`, or why not. */
  function call(certificates: Certificates, server: Server, path: string): Promise<string> {
    const target = `127.0.0.1:${servers[server].port}`
    const GenericClient = makeGenericClientConstructor({}, 'any')
    const transport = tlsChannelCredentials(certificates, server)
    const client = new GenericClient(target, transport) as Client
    const { promise, resolve } = Promise.withResolvers<string>()
    const settle = (error: ServiceError | null) => {
      client.close()
      resolve(error?.details ?? 'answered')
    }
    const write = () => Buffer.alloc(0)
    const read = (bytes: Buffer) => bytes
    const options = { deadline: Date.now() + 5_000 }
    const method = Object.values(DEFINITIONS[server]).find((one) => one.path === path)
    if (method?.requestStream) {
      const stream = client.makeBidiStreamRequest(path, write, read, options)
      stream.on('error', settle).on('data', () => undefined)
      stream.write({})
    } else client.makeUnaryRequest(path, write, read, {}, options, settle)
    return promise
  }

  test.each(SERVICE_NAMES)(
    '%s reaches the methods that the table names, and no other',
    async (service) => {
      const certificates = open(files[service])
      for (const [path, callers] of Object.entries(CALLERS)) {
        const server = SERVERS[path.split('/')[1] as string] as Server
        const expected = callers.includes(service) ? 'reached' : `not for ${service}`
        expect([path, await call(certificates, server, path)]).toEqual([path, expected])
      }
    },
  )

  test('a certificate that names no service, or two, or one under another prefix is nobody', async () => {
    const names = [
      ['DNS:gateway'],
      ['URI:spiffe://twotick/gateway', 'URI:spiffe://twotick/expiry'],
      ['URI:spiffe://elsewhere/gateway'],
      ['URI:spiffe://twotick/gateway/more'],
    ]
    for (const [index, alternativeNames] of names.entries()) {
      const certificates = open(issueCertificate(folder, { name: `odd${index}`, alternativeNames }))
      const said = await call(certificates, 'envelope-store', '/twotick.v1.EnvelopeStore/GetEpoch')
      expect([alternativeNames, said]).toEqual([alternativeNames, 'not a service of ours'])
    }
  })

  test('a certificate of another authority does not get through, and neither does a false server', async () => {
    const theirs = makeCertificates(makeFolder('elsewhere'))
    const mixed = { ...theirs.gateway, caFile: files.gateway.caFile }
    const path = '/twotick.v1.EnvelopeStore/GetEpoch'
    expect(await call(open(mixed), 'envelope-store', path)).not.toBe('reached')

    const gateway = open(files.gateway)
    const falseServer = tlsChannelCredentials(gateway, 'metadata-validation')
    const GenericClient = makeGenericClientConstructor({}, 'any')
    const client = new GenericClient(`127.0.0.1:${servers['envelope-store'].port}`, falseServer)
    const error = await new Promise<Error>((resolve) =>
      (client as Client).waitForReady(Date.now() + 1_500, (late) => resolve(late as Error)),
    )
    client.close()
    expect(error).toBeInstanceOf(Error)
  })
})
