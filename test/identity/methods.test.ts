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
import {
  type AnswerFrame,
  CallsService,
  EnvelopeStoreService,
  MetadataValidationService,
} from '@twotick/protocol/services'
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

  function connect(certificates: Certificates, server: Server): Client {
    const target = `127.0.0.1:${servers[server].port}`
    const GenericClient = makeGenericClientConstructor({}, 'any')
    return new GenericClient(target, tlsChannelCredentials(certificates, server)) as Client
  }

  /** Each server's own. */
  const methods = () =>
    Object.entries(CALLERS).filter(([path]) => path !== CallsService.exchange.path)

  /** What the server says to a call: `reached`, or why not. */
  function call(certificates: Certificates, server: Server, path: string): Promise<string> {
    const client = connect(certificates, server)
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

  /** The same of a call that travels together with others. */
  function callTogether(
    certificates: Certificates,
    server: Server,
    method: string,
  ): Promise<string> {
    const client = connect(certificates, server)
    const { promise, resolve } = Promise.withResolvers<string>()
    const settle = (details: string) => {
      client.close()
      resolve(details)
    }
    const { path, requestSerialize, responseDeserialize } = CallsService.exchange
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    stream.on('error', ({ details }: ServiceError) => settle(details))
    stream.on('data', ({ answers }: AnswerFrame) => settle(answers[0]?.details ?? 'answered'))
    stream.write({ calls: [{ id: 1, method, request: new Uint8Array() }] })
    return promise
  }

  test.each(SERVICE_NAMES)(
    '%s reaches the methods that the table names, and no other',
    async (service) => {
      const certificates = open(files[service])
      for (const [path, callers] of methods()) {
        const server = SERVERS[path.split('/')[1] as string] as Server
        const expected = callers.includes(service) ? 'reached' : `not for ${service}`
        expect([path, await call(certificates, server, path)]).toEqual([path, expected])
      }
    },
  )

  test.each(SERVICE_NAMES)('%s reaches no other by calls that travel together', async (service) => {
    const certificates = open(files[service])
    for (const [path, callers] of methods()) {
      const server = SERVERS[path.split('/')[1] as string] as Server
      const definition = Object.values(DEFINITIONS[server]).find((one) => one.path === path)
      if (definition?.requestStream) continue
      const isReached = service === 'gateway' && callers.includes(service)
      const expected = isReached ? 'reached' : `not for ${service}`
      expect([path, await callTogether(certificates, server, path)]).toEqual([path, expected])
    }
    const unknown = await callTogether(
      certificates,
      'envelope-store',
      '/twotick.v1.EnvelopeStore/Drop',
    )
    expect(unknown).toBe(
      service === 'gateway' ? 'there is no /twotick.v1.EnvelopeStore/Drop' : `not for ${service}`,
    )
  })

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
