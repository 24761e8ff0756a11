#!/usr/bin/env node
// The entry of `npx twotick`: starts src/main.ts, which needs Node 24. Under an older Node it hands
// over to the one that the npm package `node` brings. Plain JavaScript, so that any Node reads it.

/* global console, process, URL */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MIN = 24
const main = new URL('../src/main.ts', import.meta.url)

if (Number(process.versions.node.split('.')[0]) >= NODE_MIN) await import(main.href)
else handOver(pinnedNode(dirname(fileURLToPath(import.meta.url))))

/** The first node_modules/node above: there lies the pinned one. */
function pinnedNode(folder) {
  const candidate = join(folder, 'node_modules', 'node', 'bin', 'node')
  if (existsSync(candidate)) return candidate
  return dirname(folder) === folder ? undefined : pinnedNode(dirname(folder))
}

function handOver(node) {
  if (node === undefined) {
    console.error(`twotick needs Node ${NODE_MIN}; this is ${process.version}. Run: npm install`)
    process.exit(1)
  }
  const argv = [fileURLToPath(main), ...process.argv.slice(2)]
  const child = spawn(node, argv, { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both of us, `kill` to us alone. Which it was nobody tells us, so the
  // child may get a Ctrl-C twice, and counts it once (src/interrupt.ts). It says when it is done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
  })
}
