/**
 * An nginx `stream` configuration to listeners and nodes for `ha.yaml`, with notes on everything that was not taken over
 * and why. Pure: `include` is not followed, no name is resolved, and which node is primary is not asked here.
 *
 * @see https://nginx.org/en/docs/stream/ngx_stream_upstream_module.html#server
 */
import { formatListenerAddress, readNodeAddress } from '../../config/address.ts'
import type { ListenerAddress } from '../../config/config.ts'
import type { NodeIdentity } from '../../ports.ts'
import type { NodeAddress } from '../../topology/observation.ts'
import { noteServerSettings, noteUnknown, noteUpstreamSettings, readListen } from './nginx-listen.ts'
import { type NginxDirective, parseNginx } from './nginx-tokens.ts'

/** A listener and the nodes, as `init` writes them. All listeners get `route: primary`: nginx knew no other. */
export interface ImportedListener {
  readonly address: ListenerAddress
  readonly route: 'primary'
}

export type NginxImport =
  | {
      readonly ok: true
      readonly listeners: readonly ImportedListener[]
      readonly nodes: readonly NodeIdentity[]
      /** Full sentences for the user: what became of each directive, in file order, then what else is to be known. */
      readonly notes: readonly string[]
    }
  | {
      readonly ok: false
      /** A full sentence. */
      readonly problem: string
      /** `null` when it is of the file as a whole. */
      readonly line: number | null
      /** The upstreams (or addresses) to choose from with `upstream`; empty when that is not the problem. */
      readonly choices: readonly string[]
    }

interface ProxyingServer {
  readonly directive: NginxDirective
  readonly target: string
}

function failed(problem: string, line: number | null = null, choices: readonly string[] = []): NginxImport {
  return { ok: false, problem, line, choices }
}

/**
 * Reads a whole `nginx.conf` or a file that is included inside of `stream { }`. `upstream` says which upstream is the
 * PostgreSQL cluster when there are several: its name, or the address that `proxy_pass` names directly.
 */
export function importNginxStream(text: string, { upstream = null }: { upstream?: string | null } = {}): NginxImport {
  const tree = parseNginx(text)
  if (!tree.ok) return failed(`The nginx configuration cannot be read: ${tree.problem}.`, tree.line)
  const stream = findStream(tree.directives)
  if (stream === null) return failed('There is no stream block: nginx proxies no TCP here.')

  const servers = stream.flatMap((directive): ProxyingServer[] => {
    const target = directive.name === 'server' ? findParameter(directive, 'proxy_pass') : null
    return target === null ? [] : [{ directive, target }]
  })
  const upstreams = new Map(
    stream.flatMap((directive) =>
      directive.name === 'upstream' ? [[directive.parameters[0] ?? '', directive] as const] : [],
    ),
  )
  const targets = new Set(servers.map(({ target }) => target))
  const named = [...targets].filter((target) => !target.includes('$'))
  // A variable may mean any upstream. Without any server, as when it stands in another file, upstreams still name nodes.
  const areAllNamed = named.length > 0 && named.length === targets.size
  const choices = areAllNamed ? named : [...new Set([...named, ...upstreams.keys()])]
  if (choices.length === 0) {
    const [variable] = targets
    if (variable !== undefined)
      return failed(`proxy_pass ${variable} goes by a variable, and no upstream names the nodes.`)
    const included = stream.filter(({ name }) => name === 'include').map(({ parameters }) => parameters.join(' '))
    const elsewhere = included.length === 0 ? '' : ` itself: import the file that it includes, ${included.join(' or ')}`
    return failed(`The stream block has no upstream and no proxy_pass${elsewhere}.`)
  }
  const [only] = choices
  const chosen = upstream ?? (choices.length === 1 ? only : undefined)
  if (chosen === undefined)
    return failed(`Which of these is the PostgreSQL cluster: ${choices.join(', ')}?`, null, choices)
  const known = choices.includes(chosen) || upstreams.has(chosen)
  if (!known) return failed(`There is no upstream ${chosen}; there is ${choices.join(', ')}.`, null, choices)

  const notes = noteOthers(stream, chosen)
  const nodes = nodesOf(chosen, upstreams.get(chosen), notes)
  if (!nodes.ok) return nodes.failure
  const listeners = listenersOf(
    servers.filter(({ target }) => target === chosen).map(({ directive }) => directive),
    notes,
  )
  if (listeners.length === 0) {
    notes.push('No server listens for this upstream: the listener is 0.0.0.0:5432.')
    listeners.push({ address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' })
  }
  notes.sort((a, b) => lineOf(a) - lineOf(b))
  notes.push('Node names are made from addresses: use the node_name of repmgr.nodes instead, where they differ.')
  notes.push('nginx keeps the listening ports until it is stopped or its server blocks are removed.')
  return { ok: true, listeners, nodes: nodes.nodes, notes }
}

/** Notes on what stands beside the cluster's own upstream and servers. */
function noteOthers(stream: readonly NginxDirective[], chosen: string): string[] {
  return stream.flatMap((directive) => {
    const { name, parameters, line } = directive
    const written = [name, ...parameters].join(' ')
    switch (name) {
      case 'include':
        return [`Line ${line}: ${written} was not followed; import that file as well if it has servers for PostgreSQL.`]
      case 'upstream':
        return parameters[0] === chosen ? [] : [`Line ${line}: ${written} is not this cluster and was left to nginx.`]
      case 'server': {
        const target = findParameter(directive, 'proxy_pass')
        if (target === chosen) return []
        const why = target === null ? 'passes nothing on' : `passes to ${target}`
        return [`Line ${line}: the server that ${why} was left to nginx.`]
      }
      default:
        return [noteUnknown(directive)]
    }
  })
}

/** The line that a note is about; those that are about none come last. */
function lineOf(note: string): number {
  const line = Number(/^Line (\d+):/.exec(note)?.[1] ?? Number.POSITIVE_INFINITY)
  // Of one line, what it has become comes before what of it was left behind.
  return TAKEN_NOTE.test(note) ? line - 0.5 : line
}

const TAKEN_NOTE = / is the (node|listener) /

/** What stands inside of `stream`; the file itself when it is written to be included there. */
function findStream(directives: readonly NginxDirective[]): readonly NginxDirective[] | null {
  const streams = directives.filter(({ name, block }) => name === 'stream' && block !== null)
  if (streams.length > 0) return streams.flatMap(({ block }) => block ?? [])
  const isFragment = directives.some(({ name }) => name === 'upstream' || name === 'server')
  return isFragment && !directives.some(({ name }) => name === 'http' || name === 'events') ? directives : null
}

function findParameter(directive: NginxDirective, name: string): string | null {
  return directive.block?.find((inner) => inner.name === name)?.parameters[0] ?? null
}

type NodesResult =
  | { readonly ok: true; readonly nodes: readonly NodeIdentity[] }
  | { readonly ok: false; readonly failure: NginxImport }

function nodesOf(target: string, upstream: NginxDirective | undefined, notes: string[]): NodesResult {
  const servers =
    upstream === undefined
      ? [{ name: 'server', parameters: [target], block: null, line: 0 }]
      : (upstream.block ?? []).filter(({ name }) => name === 'server')
  if (upstream !== undefined) {
    notes.push(
      `Line ${upstream.line}: the servers of upstream ${target} are the nodes.`,
      ...noteUpstreamSettings(upstream),
    )
  }
  const nodes: NodeIdentity[] = []
  const seen = new Set<string>()
  for (const { parameters, line } of servers) {
    const [written = '', ...options] = parameters
    if (options.includes('down')) {
      notes.push(`Line ${line}: ${written} is marked down and was left out.`)
      continue
    }
    const address = readServerAddress(written)
    if (address === null) return { ok: false, failure: failed(`"${written}" is no address of a server.`, line || null) }
    const key = `${address.host}\0${address.port}`
    if (seen.has(key)) continue
    seen.add(key)
    const name = nameFor(address, nodes)
    nodes.push({ name, address })
    if (line > 0) notes.push(`Line ${line}: server ${written} is the node ${name}.`)
  }
  if (nodes.length === 0)
    return { ok: false, failure: failed(`The upstream ${target} has no servers.`, upstream?.line ?? null) }
  return { ok: true, nodes }
}

function readServerAddress(text: string): NodeAddress | null {
  if (text.startsWith('unix:')) {
    // PostgreSQL's sockets are named by directory and port.
    const [, host, port] = /^unix:(\/.*)\/\.s\.PGSQL\.(\d{1,5})$/.exec(text) ?? []
    return host === undefined ? null : { host, port: Number(port) }
  }
  const reading = readNodeAddress(text)
  return reading.ok ? reading.value : null
}

/** The first label of the host's name, when it is one and still free; else node1, node2 and so on. */
function nameFor({ host }: NodeAddress, taken: readonly NodeIdentity[]): string {
  const isFree = (name: string) => taken.every((node) => node.name !== name)
  const [, label] = /^([A-Za-z][A-Za-z0-9_-]{0,62})(?:\.|$)/.exec(host) ?? []
  if (label !== undefined && label !== 'localhost' && isFree(label)) return label
  let number = taken.length + 1
  while (!isFree(`node${number}`)) number += 1
  return `node${number}`
}

function listenersOf(servers: readonly NginxDirective[], notes: string[]): ImportedListener[] {
  const listeners: ImportedListener[] = []
  const seen = new Set<string>()
  for (const server of servers) {
    for (const listen of (server.block ?? []).filter(({ name }) => name === 'listen')) {
      const { address, notes: listenNotes } = readListen(listen)
      notes.push(...listenNotes)
      const key = JSON.stringify(address)
      if (address === null || seen.has(key)) continue
      seen.add(key)
      listeners.push({ address, route: 'primary' })
      const shown = formatListenerAddress(address)
      notes.push(`Line ${listen.line}: listen ${listen.parameters[0]} is the listener ${shown}, with route: primary.`)
    }
    notes.push(...noteServerSettings(server))
  }
  return listeners
}
