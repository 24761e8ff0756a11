// What an overlay renders to, and whether each manifest is one that Kubernetes knows: checked by the
// compiler against Kubernetes' own types (the npm package kubernetes-types), as object literals, so
// that an unknown or misspelt field is an error as well as a missing one or one of a wrong type.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'

const ROOT = join(import.meta.dirname, '../../..')
const TYPED = join(import.meta.dirname, 'rendered.ts') // never written

/** Where the type of each kind is. */
const TYPES: Readonly<Record<string, string>> = {
  'apps/v1 Deployment': 'kubernetes-types/apps/v1.d.ts',
  'apps/v1 StatefulSet': 'kubernetes-types/apps/v1.d.ts',
  'autoscaling/v2 HorizontalPodAutoscaler': 'kubernetes-types/autoscaling/v2.d.ts',
  'batch/v1 Job': 'kubernetes-types/batch/v1.d.ts',
  'cert-manager.io/v1 Certificate': './custom-resources.ts',
  'cert-manager.io/v1 Issuer': './custom-resources.ts',
  'gateway.networking.k8s.io/v1 Gateway': './custom-resources.ts',
  'gateway.networking.k8s.io/v1 HTTPRoute': './custom-resources.ts',
  'networking.k8s.io/v1 NetworkPolicy': 'kubernetes-types/networking/v1.d.ts',
  'policy/v1 PodDisruptionBudget': 'kubernetes-types/policy/v1.d.ts',
  'postgresql.cnpg.io/v1 Cluster': './custom-resources.ts',
  'v1 ConfigMap': 'kubernetes-types/core/v1.d.ts',
  'v1 Namespace': 'kubernetes-types/core/v1.d.ts',
  'v1 Service': 'kubernetes-types/core/v1.d.ts',
}

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { name: string; namespace?: string }
}

/** A kubectl that renders what ours are written in (1.27 or newer); undefined: none is here. */
export function kubectlVersion(): string | undefined {
  try {
    const text = execFileSync('kubectl', ['version', '--client', '--output=json'])
    const { clientVersion } = JSON.parse(String(text)) as {
      clientVersion: { major: string; minor: string; gitVersion: string }
    }
    const minor = Number(clientVersion.minor.replace(/\D/g, ''))
    return clientVersion.major === '1' && minor >= 27 ? clientVersion.gitVersion : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const rendered = new Map<string, Manifest[]>()

/** `kubectl kustomize k8s/overlays/<name>`; the caller's to change. */
export function render(overlay: string): Manifest[] {
  const manifests = rendered.get(overlay) ?? kustomize(overlay)
  rendered.set(overlay, manifests)
  return structuredClone(manifests)
}

function kustomize(overlay: string): Manifest[] {
  const folder = join(ROOT, 'k8s/overlays', overlay)
  const yaml = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
  return parseAllDocuments(yaml).map((document) => document.toJS() as Manifest)
}

/** What Kubernetes does not know, by manifest. */
export function wrongTypes(manifests: readonly Manifest[]): string[] {
  const unknown = manifests.filter((manifest) => TYPES[kindOf(manifest)] === undefined)
  const known = manifests.filter((manifest) => TYPES[kindOf(manifest)] !== undefined)
  const lines = known.map((manifest, index) => {
    const type = `import('${TYPES[kindOf(manifest)]}').${manifest.kind}`
    return `export const m${index}: ${type} = ${JSON.stringify(manifest)}`
  })
  const messages = compile(lines.join('\n')).map(
    ({ line, text }) => `${nameOf(known[line])}: ${text}`,
  )
  return [...unknown.map((manifest) => `${nameOf(manifest)}: a kind without a type`), ...messages]
}

export function nameOf(manifest: Manifest | undefined): string {
  return `${manifest?.kind} ${manifest?.metadata.name}`
}

/** What is true of what is wrong, with the manifest that it is wrong in. */
export function say(about: object, wrong: Readonly<Record<string, boolean>>): string[] {
  const found = Object.entries(wrong).filter(([, isWrong]) => isWrong)
  return found.map(([what]) => `${nameOf(about as Manifest)}: ${what}`)
}

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
}

/** `448Mi` in bytes, `20k` as a count. */
export function quantity(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)(\w*)$/.exec(text) ?? []
  const factor = FACTORS[unit]
  if (digits === '' || factor === undefined) throw new Error(`${text} is no quantity known here`)
  return Number(digits) * factor
}

function kindOf({ apiVersion, kind }: Manifest): string {
  return `${apiVersion} ${kind}`
}

function compile(source: string): { line: number; text: string }[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (path) => path === TYPED || fileExists(path)
  host.getSourceFile = (path, target, ...rest) =>
    path === TYPED
      ? ts.createSourceFile(path, source, target)
      : getSourceFile.call(host, path, target, ...rest)
  const program = ts.createProgram([TYPED], options, host)
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => ({
    line: diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0,
    text: ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '),
  }))
}
