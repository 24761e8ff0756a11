// Who calls, between the services: checked, with the table in callers.ts, before a message is read.
//
// With mutual TLS the caller's certificate says it. In development, without certificates, each service
// shows a token that only somebody who has the shared secret can make for its name.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  InterceptingCall,
  type Interceptor,
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js'
import { isAllowed, type ServiceName } from './callers.ts'
import { serviceIn } from './grpc-tls.ts'

const NAME_KEY = 'twotick-service'
const TOKEN_KEY = 'authorization'
const SECRET_CHARACTERS_MIN = 16

/** Reads the secret that all services share. */
export function readServiceSecret(file: string | undefined): string {
  if (file === undefined) throw new Error('neither certificates nor a secret to be known by')
  const secret = readFileSync(file, 'utf8').trim()
  if (secret.length < SECRET_CHARACTERS_MIN) {
    throw new Error(`${file} holds less than ${SECRET_CHARACTERS_MIN} characters`)
  }
  return secret
}

function tokenOf(secret: string, name: string): string {
  return `Bearer ${createHmac('sha256', secret).update(name).digest('hex')}`
}

/** Puts the caller's name and token on every call of a client. */
export function showIdentity(service: ServiceName, secret: string): Interceptor {
  const token = tokenOf(secret, service)
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set(NAME_KEY, service)
        metadata.set(TOKEN_KEY, token)
        next(metadata, listener)
      },
    })
}

/** The caller's name; only where `checkIdentity` has let the call through. */
export function callerOf(metadata: Metadata): string {
  return String(metadata.get(NAME_KEY)[0] ?? '')
}

/** Who calls, if that is proven. */
type Identify = (metadata: Metadata, call: ServerInterceptingCallInterface) => string | undefined

/** By the token that the secret's owners can make. */
export function bySecret(secret: string): Identify {
  return (metadata) => {
    const name = callerOf(metadata)
    const token = String(metadata.get(TOKEN_KEY)[0] ?? '')
    return isEqual(token, tokenOf(secret, name)) ? name : undefined
  }
}

/** By the certificate that the connection was opened with. */
export function byCertificate(identityPrefix: string): Identify {
  return (_metadata, call) => {
    const certificate = call.getAuthContext().sslPeerCertificate
    return certificate && serviceIn(certificate, identityPrefix)
  }
}

/** Refuses a call whose caller is not proven, and one that the table does not allow its caller. */
export function checkIdentity(identify: Identify): ServerInterceptor {
  return (method, call) =>
    new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, nextMetadata) {
            const caller = identify(metadata, call)
            if (caller === undefined) {
              call.sendStatus({ code: status.UNAUTHENTICATED, details: 'not a service of ours' })
            } else if (!isAllowed(method.path, caller)) {
              call.sendStatus({ code: status.PERMISSION_DENIED, details: `not for ${caller}` })
            } else {
              metadata.set(NAME_KEY, caller)
              nextMetadata(metadata)
            }
          },
        })
      },
    })
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
