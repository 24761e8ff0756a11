// `npm run schema`: writes services/*/schema.sql anew.

import { ensureServersOrExit } from './install-servers.ts'
import { writeSchemas } from './schema-dump.ts'

ensureServersOrExit()
await writeSchemas()
