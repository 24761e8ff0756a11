// `npm run schema`: writes services/*/schema.sql anew.

import { ensureServers } from './install-servers.ts'
import { writeSchemas } from './schema-dump.ts'

ensureServers()
await writeSchemas()
