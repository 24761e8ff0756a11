import eslint from '@eslint/js'
import tseslint from 'typescript-eslint'

const forbiddenNames = 'utils?|helpers?|common|managers?|misc|lib'

const forbiddenSyntax = [
  { selector: 'TSEnumDeclaration', message: 'Sources run unbuilt: no enums.' },
  { selector: 'CatchClause[body.body.length=0]', message: 'No empty catch.' },
]
const oldFunctions = ['right', 'right.expression'].map((at) => ({
  selector: `AssignmentExpression[left.type="MemberExpression"][${at}.type=/Function/]`,
  message: 'V8 makes such a function old at once (docs/performance.md): give it a name first.',
}))

export default tseslint.config(
  { ignores: ['**/node_modules', '**/dist', '**/generated', '.twotick'] },
  eslint.configs.recommended,
  tseslint.configs.strict,
  {
    rules: {
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 70, skipComments: true }],
      'max-params': ['error', 4],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
      'no-restricted-syntax': ['error', ...forbiddenSyntax],
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: `(^|/)(${forbiddenNames})(\\.ts)?$`, message: 'Name the idea.' }] },
      ],
      eqeqeq: 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.test.ts', 'test/**', '**/test/**', 'bench/**'],
    rules: { 'max-lines-per-function': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['{services,packages,clients}/*/src/**'],
    rules: { 'no-restricted-syntax': ['error', ...forbiddenSyntax, ...oldFunctions] },
  },
  { files: ['*.config.ts', '*.config.js'], rules: { 'no-restricted-exports': 'off' } },
)
