#!/usr/bin/env node
// What `npm run proto` generates with: ts-proto, and its code made to read and write with
// packages/protocol/src/wire.ts, for which it has no option.

import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import process from 'node:process'

const require = createRequire(import.meta.url)
const fromTsProto = createRequire(require.resolve('ts-proto/package.json'))
const { CodeGeneratorResponse } = fromTsProto('ts-proto-descriptors')

const plugin = require.resolve('ts-proto/protoc-gen-ts_proto')
const generated = execFileSync(process.execPath, [plugin], {
  stdio: ['inherit', 'pipe', 'inherit'],
  maxBuffer: 64 * 1024 * 1024,
})
const response = CodeGeneratorResponse.decode(generated)
for (const file of response.file) {
  const up = '../'.repeat(file.name.split('/').length)
  const hasBytes = file.content.includes('new Uint8Array(0)')
  file.content = file.content
    .replace('/* eslint-disable */\n', '') // eslint.config.js leaves the folder out
    .replaceAll('"@bufbuild/protobuf/wire"', `"${up}wire.ts"`)
    .replaceAll('longToNumber(reader.uint64())', 'reader.uint64()')
    // An array of its own for each empty field costs more than the rest of a small message.
    .replaceAll('new Uint8Array(0)', 'NO_BYTES')
    .replace(
      'BinaryWriter } from',
      hasBytes ? 'BinaryWriter, NO_BYTES } from' : 'BinaryWriter } from',
    )
    // Which would copy the message once more.
    .replaceAll(/Buffer\.from\((\w+\.encode\(value\)\.finish\(\))\)/g, 'asBuffer($1)')
    .replace(/\nfunction longToNumber[^]*?\n}\n/, '')
  if (file.content.includes('asBuffer(')) {
    file.content = file.content.replace(
      '\nimport ',
      `\nimport { asBuffer } from "${up}as-buffer.ts";\nimport `,
    )
  }
}
process.stdout.write(CodeGeneratorResponse.encode(response).finish())
