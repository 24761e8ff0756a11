// `npm run migrate`: the program that the images run, on a database of your own.
//
//   TWOTICK_POSTGRES_URL=postgres://owner:password@host/database npm run migrate [-- --citus --restored]

import '../deploy/programs/migrate.ts'
