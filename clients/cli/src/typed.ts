// What a person types to get here, for every line that says what to type next: a checkout has no
// `twotick` on the PATH, only `npx twotick`.

export const TWOTICK = process.env['npm_command'] === 'exec' ? 'npx twotick' : 'twotick'
