import eslint from '@eslint/js'
import tseslint from 'typescript-eslint'

const forbiddenNames = 'utils?|helpers?|common|managers?|misc|lib'

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
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Sources run unbuilt: no enums.' },
        { selector: 'CatchClause[body.body.length=0]', message: 'No empty catch.' },
      ],
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
  { files: ['*.config.ts', '*.config.js'], rules: { 'no-restricted-exports': 'off' } },
)
