// Run in a container on the relay's network, with what is in /certificates: knocks at a service's gRPC
// port, NATS, Redis and Postgres by TLS, with the certificate in /certificates/own if that is named
// (`own`), else with none. Prints for each whether it was let in: it answers what only those inside hear.

/* global Buffer, console, process, setTimeout */

import { readFileSync } from 'node:fs'
import { connect as connectHttp } from 'node:http2'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

const LATE_MS = 5_000
const own = process.argv[2] === 'own' && {
  cert: readFileSync('/certificates/own/tls.crt'),
  key: readFileSync('/certificates/own/tls.key'),
}
const trusted = { ca: readFileSync('/certificates/ca.crt'), ...own }

const knocks = { grpc, nats, redis, postgres }
const answers = Object.entries(knocks).map(async ([name, knock]) => [name, await isIn(knock)])
console.log(JSON.stringify(Object.fromEntries(await Promise.all(answers))))
process.exit(0)

/** Whoever is not let in is cut off, or told so; a server that says nothing at all is a mistake. */
async function isIn(knock) {
  const late = new Promise((resolve) => setTimeout(() => resolve('no answer'), LATE_MS))
  return Promise.race([knock().catch(() => false), late])
}

/** By any answer: the certificate is asked for before the first. */
async function grpc() {
  const session = connectHttp('https://envelope-store:7400', {
    ...trusted,
    // A service is known by its identity, not by a host name.
    checkServerIdentity: () => undefined,
  })
  const headers = { ':method': 'POST', ':path': '/', 'content-type': 'application/grpc' }
  const [answer] = await happens(session, session.request(headers), 'response')
  return answer[':status'] !== undefined
}

async function nats() {
  const plain = connect(4222, 'nats')
  await happens(plain, plain, 'data') // INFO
  const socket = connectTls({ ...trusted, socket: plain, servername: 'nats' })
  socket.write('CONNECT {"verbose":false,"tls_required":true}\r\nPING\r\n')
  const [answer] = await happens(socket, socket, 'data')
  return String(answer).includes('PONG')
}

async function redis() {
  const socket = connectTls({ ...trusted, host: 'redis', port: 6379, servername: 'redis' })
  socket.write('PING\r\n')
  const [answer] = await happens(socket, socket, 'data')
  return String(answer).startsWith('-NOAUTH') // it has a certificate, and no password
}

/** As the store's role; `R` and 0 are "authenticated". */
async function postgres() {
  const plain = connect(5432, 'postgres')
  plain.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])) // asks for TLS
  const [says] = await happens(plain, plain, 'data')
  if (String(says) !== 'S') return false
  const socket = connectTls({ ...trusted, socket: plain, servername: 'postgres' })
  const names = Buffer.from('user\0twotick_store\0database\0twotick\0\0')
  const start = Buffer.alloc(8)
  start.writeInt32BE(8 + names.length)
  start.writeInt32BE(0x30000, 4)
  socket.write(Buffer.concat([start, names]))
  const [answer] = await happens(socket, socket, 'data')
  return answer[0] === 0x52 && answer.readInt32BE(5) === 0
}

/** What an emitter says; an error or the end of the connection before it is an error. */
function happens(connection, emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once(event, (...args) => resolve(args))
    for (const one of new Set([connection, emitter])) {
      one.once('error', reject)
      one.once('close', () => reject(new Error('closed')))
    }
  })
}
