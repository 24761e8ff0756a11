// The command line: every command, its arguments and options, and what `--help` says.

import { Command, InvalidArgumentError, Option } from 'commander'
import { CommandError, EXIT } from './command-error.ts'
import { block, unblock } from './commands/block.ts'
import { chat } from './commands/chat.ts'
import { deleteAccount } from './commands/delete-account.ts'
import { listDevices, unlink } from './commands/devices.ts'
import {
  addToGroup,
  createGroup,
  leaveGroup,
  listGroups,
  removeFromGroup,
} from './commands/group.ts'
import { link } from './commands/link.ts'
import { listen } from './commands/listen.ts'
import { register } from './commands/register.ts'
import { send } from './commands/send.ts'
import { status } from './commands/status.ts'
import { trace } from './commands/trace.ts'
import { DEFAULT_JAEGER_URL } from './jaeger.ts'
import { DEFAULT_URL, type GlobalOptions } from './open.ts'
import { TWOTICK } from './typed.ts'

const EPILOGUE = `
A first conversation, with a relay running (npm start):
  ${TWOTICK} register alice
  ${TWOTICK} register bob
  ${TWOTICK} --as alice send bob "Hello, Bob"
  ${TWOTICK} --as bob listen
  ${TWOTICK} --as alice chat bob

Ticks:  ✓  the relay has it, durably    ✓✓  a device of the recipient has it, durably
Exit:   0 done   1 refused, not there, or output closed or full   2 wrong command line
        3 no relay, or no answer   4 the profile: not registered, unlinked, in use, unusable

twotick does not encrypt yet: whoever runs the relay can read what you send.`

export function createProgram(): Command {
  const program = new Command('twotick')
    .description('Sends and receives messages through a twotick relay.')
    .option('--as <name>', 'the profile to use (env TWOTICK_PROFILE); the only one by itself')
    .addOption(new Option('--profile <name>', 'the same').hideHelp())
    .option('--url <url>', `the relay (env TWOTICK_URL, default ${DEFAULT_URL})`)
    .option('--json', 'print JSON, one object a line', false)
    .addHelpText('after', EPILOGUE)
    .showHelpAfterError(`Type ${TWOTICK} --help, or ${TWOTICK} <command> --help.`)
    .exitOverride()
  addPeople(program)
  addMessages(program)
  addGroups(program)
  for (const command of program.commands) inherit(command, program)
  return program
}

function inherit(command: Command, from: Command): void {
  command.copyInheritedSettings(from)
  for (const inner of command.commands) inherit(inner, command)
}

function globals(command: Command): GlobalOptions {
  const { as, profile, url, json } = command.optsWithGlobals<{
    as?: string
    profile?: string
    url?: string
    json: boolean
  }>()
  const name = as ?? profile ?? process.env['TWOTICK_PROFILE']
  const where = url ?? process.env['TWOTICK_URL']
  return { json, ...(name && { as: name }), ...(where && { url: checkUrl(where) }) }
}

function checkUrl(url: string): string {
  if (!/^wss?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new CommandError(EXIT.usage, `"${url}" is no address of a relay.`, [
      `like ${DEFAULT_URL}`,
    ])
  }
  return url
}

function addPeople(program: Command): void {
  program
    .command('register')
    .description('make an account, with this as its primary device')
    .argument('<handle>', '1 to 32 of a-z 0-9 . _ -')
    .option('--token <token>', "the operator's, where registration is not open")
    .addHelpText('after', '\nThe profile gets the name of the handle, unless --as names another.')
    .action((handle, options, command) => register(globals(command), handle, options))

  program
    .command('link')
    .description('link another device to your account')
    .argument('[code]', 'what the new device shows')
    .option('--name <name>', 'what to call the new device')
    .option('--evict <device>', 'with five devices already: the one that goes', parseNumber)
    .addHelpText(
      'after',
      `
On the new device:      ${TWOTICK} --as laptop link   shows a code, and waits
On the primary device:  ${TWOTICK} --as alice link <code>`,
    )
    .action((code, options, command) => link(globals(command), code, options))

  program
    .command('devices')
    .description('list the devices of your account')
    .action((_options, command) => listDevices(globals(command)))

  program
    .command('unlink')
    .description('unlink a device: it gets nothing more')
    .argument('<device>', `its number, as ${TWOTICK} devices lists it`, parseNumber)
    .action((device, _options, command) => unlink(globals(command), device))

  program
    .command('delete-account')
    .description('delete your account, for good: all its devices, and what waits for them')
    .argument('<handle>', 'yours, against accidents')
    .addHelpText('after', '\nOnly the primary device may do that.')
    .action((handle, _options, command) => deleteAccount(globals(command), handle))

  program
    .command('block')
    .description('no longer hear from somebody; they are not told')
    .argument('<handle>')
    .action((handle, _options, command) => block(globals(command), handle))

  program
    .command('unblock')
    .description('hear from them again')
    .argument('<handle>')
    .action((handle, _options, command) => unblock(globals(command), handle))
}

function addMessages(program: Command): void {
  program
    .command('send')
    .description('send a message, and wait for its first tick')
    .argument('<to>', 'a handle, or a group (g:1a2b3c4d)')
    .argument('<text...>', 'the message; - reads it from standard input')
    .option('--wait', 'wait for the second tick too', false)
    .option('--timeout <seconds>', 'how long to wait; without --wait 30', parseNumber)
    .option('--trace', 'ask for a trace of its way, where the operator allows it', false)
    .addOption(jaegerOption())
    .addHelpText(
      'after',
      `
Examples:
  ${TWOTICK} --as alice send bob "Hello, Bob"
  date | ${TWOTICK} --as alice send bob -
  ${TWOTICK} --as alice send --wait bob "Are you there?"`,
    )
    .action((to, text, options, command) => send(globals(command), { to, text, ...options }))

  program
    .command('trace')
    .description('show the way of a message through the relay, hop by hop')
    .argument('<message>', 'its number, as send --trace says it, or a trace id')
    .addOption(jaegerOption())
    .action((message, options, command) => trace(globals(command), { message, ...options }))

  program
    .command('listen')
    .description('print messages as they come, until Ctrl-C')
    .option('--drain', 'print what waits, then end', false)
    .option('--count <n>', 'end after so many messages', parseNumber)
    .action((options, command) => listen(globals(command), options))

  program
    .command('chat')
    .description('talk to somebody, or a group, in this terminal')
    .argument('<to>', 'a handle, or a group (g:1a2b3c4d)')
    .action((to, _options, command) => chat(globals(command), to))

  program
    .command('status')
    .description('who and where this device is, and what waits')
    .action((_options, command) => status(globals(command)))
}

function jaegerOption(): Option {
  return new Option('--jaeger <url>', 'where Jaeger shows traces')
    .env('TWOTICK_JAEGER_URL')
    .default(DEFAULT_JAEGER_URL)
}

function addGroups(program: Command): void {
  const group = program.command('group').description('make groups, change them, list yours')

  group
    .command('create')
    .description('make a group of you and others')
    .argument('<handle...>')
    .action((handles, _options, command) => createGroup(globals(command), handles))

  group
    .command('add')
    .description('add people to a group')
    .argument('<group>', `as ${TWOTICK} group list has it`)
    .argument('<handle...>')
    .action((id, handles, _options, command) => addToGroup(globals(command), id, handles))

  group
    .command('remove')
    .description('remove people from a group that you have made')
    .argument('<group>', `as ${TWOTICK} group list has it`)
    .argument('<handle...>')
    .action((id, handles, _options, command) => removeFromGroup(globals(command), id, handles))

  group
    .command('leave')
    .description('leave a group')
    .argument('<group>', `as ${TWOTICK} group list has it`)
    .action((id, _options, command) => leaveGroup(globals(command), id))

  group
    .command('list')
    .description('list your groups, with their members')
    .action((_options, command) => listGroups(globals(command)))
}

function parseNumber(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}
