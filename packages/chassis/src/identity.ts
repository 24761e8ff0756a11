// Who calls, between the services. In development each service shows a token that only somebody who
// has the shared secret can make for its name; the server checks it and the table in callers.ts
// before a message is read. (With mutual TLS the name comes from the certificate instead.)

import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  InterceptingCall,
  type Interceptor,
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js'
import { isAllowed, type ServiceName } from './callers.ts'

const NAME_KEY = 'twotick-service'
const TOKEN_KEY = 'authorization'
const SECRET_CHARACTERS_MIN = 16

/** Reads the secret that all services share. */
export function readServiceSecret(file: string): string {
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

/** The caller's name, as it says; true once `checkIdentity` has let the call through. */
export function callerOf(metadata: Metadata): string {
  return String(metadata.get(NAME_KEY)[0] ?? '')
}

/** Refuses a call without a valid token, and one that the table does not allow its caller. */
export function checkIdentity(secret: string): ServerInterceptor {
  return (method, call) =>
    new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, nextMetadata) {
            const caller = callerOf(metadata)
            const token = String(metadata.get(TOKEN_KEY)[0] ?? '')
            if (!isEqual(token, tokenOf(secret, caller))) {
              call.sendStatus({ code: status.UNAUTHENTICATED, details: 'no valid token' })
            } else if (!isAllowed(method.path, caller)) {
              call.sendStatus({ code: status.PERMISSION_DENIED, details: `not for ${caller}` })
            } else {
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
