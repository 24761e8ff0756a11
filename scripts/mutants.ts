// `npm run mutants`: test/mutants/main.ts says how.

await import('../test/mutants/main.ts')
