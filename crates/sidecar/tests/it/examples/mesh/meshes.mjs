// Prints as JSON what is wrong with objects of Istio's and Linkerd's, each `KIND NAME: FAULT`.
//
// meshes.mjs FILE
//
// Validators look at values. They let members pass that they do not know, so each object is also a literal of its type,
// of which the compiler takes none too many.

import { readFileSync } from 'node:fs'
import ts from 'typescript'

const PACKAGES = [
  [/\bistio\.io\//, '@kubernetes-models/istio'],
  [/^gateway\.networking\.k8s\.io\//, '@kubernetes-models/gateway-api'],
]
// Linkerd's own have neither types nor validators anywhere; this is what its definition of the resource has.
const TYPES = `
interface Resource { metadata: { name: string; namespace?: string } }
export interface EgressNetwork extends Resource {
  apiVersion: 'policy.linkerd.io/v1alpha1'
  kind: 'EgressNetwork'
  spec: { trafficPolicy: 'Allow' | 'Deny'; networks?: { cidr: string; except?: string[] }[] }
}
`
const faults = []
const sources = new Map([['linkerd.ts', TYPES]])
const shown = new Map()

for (const [nth, object] of JSON.parse(readFileSync(process.argv[2], 'utf8')).entries()) {
  const { apiVersion, kind, metadata } = object
  const name = `${kind} ${metadata.name}`
  const models = PACKAGES.find(([group]) => group.test(apiVersion))?.[1]
  if (!models && !/\blinkerd\.io\//.test(apiVersion)) continue
  const from = models ? `${models}/${apiVersion}` : './linkerd.ts'
  if (models) {
    const Model = (await import(from))[kind]
    try {
      new Model(object).validate()
    } catch (fault) {
      faults.push(`${name}: ${fault.message}`)
    }
  }
  const type = models ? `I${kind}` : kind
  const literal = JSON.stringify(object, null, 1)
  sources.set(`${nth}.ts`, `import type { ${type} } from '${from}'\nexport const object: ${type} = ${literal}\n`)
  shown.set(`${nth}.ts`, name)
}

const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  module: ts.ModuleKind.NodeNext,
  types: [],
}
const host = ts.createCompilerHost(options)
const { getSourceFile, fileExists, readFile } = host
host.fileExists = (file) => sources.has(local(file)) || fileExists(file)
host.readFile = (file) => sources.get(local(file)) ?? readFile(file)
host.getSourceFile = (file, language) => {
  const text = sources.get(local(file))
  return text === undefined ? getSourceFile(file, language) : ts.createSourceFile(file, text, language)
}
const program = ts.createProgram([...sources.keys()], options, host)
for (const { file, messageText } of ts.getPreEmitDiagnostics(program)) {
  const what = file && shown.get(local(file.fileName))
  faults.push(`${what ?? 'the types'}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
}
console.log(JSON.stringify(faults))

function local(file) {
  const here = host.getCurrentDirectory() + '/'
  return file.startsWith(here) ? file.slice(here.length) : file
}
