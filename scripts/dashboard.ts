// `npm run dashboard`: writes the dashboard's file anew.

import { writeDashboard } from './dashboard-file.ts'

await writeDashboard()
