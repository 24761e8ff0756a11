import { test, expect } from 'vitest'
import pg from 'pg'
import { testDatabase, startNats, startRedis, startPostgres } from '../servers.ts'
test('x', async () => {
  let t = performance.now(); const lap = (l: string) => { console.log(l, (performance.now() - t).toFixed(0)); t = performance.now() }
  const d = await testDatabase(); lap('db')
  const d2 = await testDatabase(); lap('db2')
  const [a,b,c] = await Promise.all([testDatabase(), testDatabase(), testDatabase()]); lap('db x3')
  const n = await startNats(); lap('nats'); const r = await startRedis(); lap('redis')
  console.log(d, n.url, r.url)
  const pool = new pg.Pool({ connectionString: d.storeUrl })
  expect((await pool.query("select current_user as u, has_schema_privilege('mailbox','usage') a, has_schema_privilege('directory','usage') b, has_schema_privilege('public','create') c")).rows).toEqual([{ u: 'twotick_store', a: true, b: false, c: false }])
  await pool.end(); lap('query')
  const p = await startPostgres(); lap('own pg'); console.log(p.url, p.database)
  await p.kill(); await p.restart(); lap('kill restart')
  await p.stop(); await n.stop(); await r.stop(); lap('stop')
  for (const x of [d, d2, a, b, c]) await x!.drop(); lap('drops')
})
