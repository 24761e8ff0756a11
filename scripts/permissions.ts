// `npm run permissions`: writes the permission files of NATS and Redis anew.

import { writePermissions } from './permission-files.ts'

await writePermissions()
