// `npm run configuration`: writes docs/configuration.md anew.

import { writeConfiguration } from './configuration-page.ts'

await writeConfiguration()
