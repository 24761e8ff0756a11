// `npm run simulate`: test/simulation/main.ts says how.

await import('../test/simulation/main.ts')
