// What `npm start` and `npm test` run first. It may meet a machine with any Node from 18 and nothing
// installed, so it is plain JavaScript without dependencies. It installs the dependencies where they
// are missing or out of date (Node 24 comes with them, as the npm package `node`), and then hands
// over to scripts/<command>.ts under that Node.

/* global console, process, setInterval */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const NODE_24 = join(ROOT, 'node_modules/.bin/node')

// Here, so that asking costs no installation.
const HELP = {
  start: `npm start [-- --port <port>]

Runs the whole relay on this machine: Postgres, NATS and Redis as private instances, the five
services as processes. Data, secrets and logs are in .twotick/; remove that folder to start afresh.
(Where Postgres' user cannot reach it, as in root's home, the data is in /var/lib/twotick/; the first
start says where.)

  --port <port>    where devices connect (env TWOTICK_PORT, default 8700), on 127.0.0.1

DATABASE_URL, NATS_URL, REDIS_URL   servers to use instead of private ones. The database gets roles,
schemas and migrations, so its URL must be its owner's, with the right to make roles.`,
  migrate: `npm run migrate [-- <options>]

Brings a database of your own up to date, as its owner: roles, schemas, migrations.

  --citus           it is the coordinator of a Citus cluster: spreads the mailboxes over its workers,
                    by account. Once is enough, and each time does no harm.
  --restored        it came from a backup: raises its epoch too, so that devices send again what the
                    backup does not have. Before any service is started on it, and each time.

TWOTICK_POSTGRES_URL   postgres://owner:password@host/database`,
  'test-citus': `npm run test:citus

The tests of the whole relay, and a minute of chaos judged by its ledger, on a private Citus cluster of
a coordinator and two workers. Skipped, which it says, where there is no Citus.

TWOTICK_TEST_CITUS   the folder of the programs of a Postgres that has Citus, if that is not the
                     newest one that is installed`,
  bench: `npm run bench [-- <workloads> <options>]

Measures the relay through its gateway, everything durable: messages/s, both ticks' latency, CPU
seconds for 100,000 messages by process. Leaves a page with plots and the figures as JSON.

  online rate-500 rate-2000 drain group large devices idle      (default: all)
  scale             instead: what a message costs with more replicas, accounts, depth, members;
                    with names of these axes: replicas accounts depth group

  --rounds <n>      of each workload, in turn; the median is shown (default 3)
  --seconds <n>     measured in each (default 10)
  --warm-up <n>     seconds before that (default 20)
  --accounts <n>    pairs, members, connections: instead of the workload's number
  --bytes <n>       of a payload, instead of the workload's
  --waiting <n>     messages that wait to be drained
  --citus           on a Citus of a coordinator and two workers, where that is installed
  --traced <share>  0 to 1: so many of the messages are traced (0: tracing is set up, and traces none);
                    of a relay of its own
  --url <ws(s)://>  a relay that is there already, which must be without rates for its senders;
                    CPU is then not seen
  --token <token>   its registration token
  --out <folder>    for report.html and result.json (default .twotick/bench)`,
  'bench-cost': `npm run bench:cost [-- <options>] [<workload>]

Where the microseconds of one message go: one of the workloads of npm run bench (default: online), each
service with a CPU profile.

  --seconds <n>     measured (default 20)
  --warm-up <n>     seconds before that (default 20)
  --places <n>      shown of each service (default 12)`,
  'bench-peers': `npm run bench:peers [-- <workloads> <options>]

The same workloads on the relay, on JetStream and on mosquitto, in turn in one run; what each of them
keeps when it has said so is in the result.

  online rate-500 rate-2000 drain group idle      (default: all)

  --rounds <n>      of each workload, in turn; the median is shown (default 3)
  --seconds <n>     measured in each (default 10)
  --warm-up <n>     seconds before that (default 20)
  --accounts <n>    pairs, members, connections: instead of the workload's number
  --waiting <n>     messages that wait to be drained
  --only <names>    some of twotick,jetstream,mosquitto
  --out <file>      for the figures as JSON (default .twotick/bench/peers.json)`,
  promise: `npm run promise [-- <options>]

What proves the promise, a step after another: for every change (about ten minutes), or the rest. What
this machine cannot do is skipped and said so. Exit code 0: all passed.

  --nightly         the rest: hours
  --only <step>     this step (more than once: these)
  --list            the steps of the tier, with the command of each`,
  neighbours: `npm run neighbours [-- <options>]

Whether trouble in one mailbox, or a storm of reconnecting devices, slows the others down: their p99 from
a send to its arrival must stay within twice that of the quiet minute before. Exit code 0: it does.

  --seconds <n>     measured in each (default 60)
  --devices <n>     that reconnect at once (default 5000)
  --only <text>     troubles with this in their name`,
  soak: `npm run soak [-- <options>]

Whether memory, files, connections and tables stay flat while devices come and go under traffic, and
whether a transaction held open slows the relay down. Exit code 0: flat (a tenth more at most), and at
least 80 % of the throughput.

  --minutes <n>       of churn (default 5; 0: none)
  --hold-minutes <n>  that a transaction is held open (default 2; 0: none)
  --rate <n>          messages a second while devices come and go (default 200)`,
  chaos: `npm run chaos [-- <options>]

Runs the whole relay, two replicas of each service, under traffic and a seeded random schedule of
faults, and judges what the devices have seen. Exit code 0: the promise held; 1: it did not; 2: there
is no verdict.

  --seed <n>        of the schedule (default: a random one)
  --seeds <a-b>     all of these, one run after another; a line of JSON for each goes to --json (default
                    chaos.jsonl), a table of them to --table (default beside it)
  --minutes <n>     with traffic (default 3); then it drains, a minute and a quarter at most
  --rate <n>        messages a second that the devices try for (default 600)
  --accounts <n>    of proper devices (default 60)
  --crashers <n>    devices whose processes die now and then (default 4)
  --unruly <n>      devices that break the protocol (default 3)
  --no-churn        no accounts and devices that come and go
  --replicas <n>    of each service (default 2)
  --citus           on a Citus of a coordinator and two workers, where that is installed
  --faults <names>  between commas, * at the end of one; none; default: all
  --base <commit>   of the release before, for the fault "rolling upgrade" (default: the newest tag of a
                    version, or the commit before the wire or the schema has last changed)
  --each            each fault once, alone, however long that takes; then a table of what each cost
  --table <file>    that table, as a file
  --list            the names of all faults
  --json <file>     appends the verdict as one line
  --report <file>   where the HTML report goes (default: in a temp folder)
  --judge <folder>  the verdict once more, over what a run has left
  --keep            keeps histories and logs although it is green`,
}

const [command, ...args] = process.argv.slice(2)

const oldest = 18
if (Number(process.versions.node.split('.')[0]) < oldest) {
  fail(`twotick needs Node ${oldest} or newer to start; this is ${process.version}.`)
}
if (args.includes('--help') && HELP[command]) {
  console.log(HELP[command])
  process.exit(0)
}
if (!isInstalled()) install()
handOver(join(ROOT, 'scripts', `${command}.ts`))

/** Whether node_modules holds what package-lock.json says. */
function isInstalled() {
  const wanted = readPackages(join(ROOT, 'package-lock.json'))
  const present = readPackages(join(ROOT, 'node_modules/.package-lock.json'))
  if (!runs(NODE_24)) return false
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (!path.includes('node_modules/') || optional) return true
    return link ? existsSync(join(ROOT, path)) : present[path]?.version === version
  })
}

/** The packages of a lock file by path; none if there is no such file. */
function readPackages(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {}
}

function runs(binary) {
  return existsSync(binary) && spawnSync(binary, ['--version']).status === 0
}

function install() {
  console.log('Installing the dependencies (npm ci) …')
  // npm ci empties node_modules first, so it must not run on the Node in there.
  const path = (process.env.PATH ?? '').split(delimiter)
  const outside = path.filter((folder) => !folder.endsWith(join('node_modules', '.bin')))
  const { status, error } = spawnSync('npm', ['ci', '--loglevel=error'], {
    cwd: ROOT,
    env: { ...process.env, PATH: outside.join(delimiter) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : '; see above.'}`)
  if (!runs(NODE_24)) {
    fail(
      'npm ci did not bring Node 24: the install script of the npm package `node` did not run.\n' +
        'Is `ignore-scripts` set (npm config get ignore-scripts)? Then: npm rebuild node --ignore-scripts=false',
    )
  }
}

function handOver(script) {
  const child = spawn(NODE_24, [script, ...args], {
    cwd: ROOT,
    // The channel tells the child should we be killed.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/node'),
      PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    },
  })
  // Ctrl-C reaches the child by itself, as all of the terminal's foreground; we only outlive it.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // npm has a shell between us and itself, which passes no signal on.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1_000).unref()
  child.on('error', (error) => fail(error.message))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
