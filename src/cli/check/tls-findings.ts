/**
 * What cannot work where TLS ends at the proxy: asks each node for its TLS, and compares its certificate with the
 * listener's. Effect layer of `check`; it logs in nowhere.
 */
import { X509Certificate } from 'node:crypto'
import { createSecureContext, TLSSocket } from 'node:tls'
import { formatListenerAddress } from '../../config/address.ts'
import type { Config, TerminatedTls } from '../../config/config.ts'
import { isLoopback } from '../../config/loopback.ts'
import { readTlsFiles, type TlsMaterial } from '../../config/tls-files.ts'
import { connectNode } from '../../net/node-connector.ts'
import type { ServerTls } from '../../net/server-tls.ts'
import { createSharedLookup } from '../../net/shared-lookup.ts'
import type { Clock, NodeIdentity } from '../../ports.ts'
import { addNames } from '../../topology/describe.ts'
import type { Finding } from './finding.ts'
import type { ClusterView } from './probe-cluster.ts'

/** A certificate that expires within this time should have been renewed by now. */
const RENEWAL_MS = 14 * 24 * 60 * 60 * 1000

/** What a node shows to whoever asks it for TLS. */
type NodeTls =
  | { readonly kind: 'certificate'; readonly fingerprint: string }
  | { readonly kind: 'plain' }
  /** It does TLS, and not as wanted; completes "NODE …". */
  | { readonly kind: 'untrusted'; readonly why: string }
  /** It could not be asked, which others tell of. */
  | { readonly kind: 'unknown' }

export async function findTlsFindings(config: Config, view: ClusterView, clock: Clock): Promise<Finding[]> {
  const findings: Finding[] = []
  // Sessions go where data is.
  const nodes = view.members.filter(({ name }) => view.decision.nodes.get(name)?.role !== 'witness')
  for (const { address, tls } of config.listeners) {
    if (tls.mode !== 'terminate') continue
    const files = await readTlsFiles(tls, clock.wallTime())
    if (!files.ok) continue
    const listener = formatListenerAddress(address)
    findings.push(...describeFiles(listener, files.material, clock), ...describeClientCa(listener, tls))
    const serverTls = serverTlsOf(tls, files.material)
    if (serverTls === null) {
      findings.push(...describePlainServers(listener, nodes))
      continue
    }
    const shown = new Map<string, NodeTls>()
    for (const node of nodes) shown.set(node.name, await askNode(node, serverTls, config, clock))
    findings.push(...describeNodes(listener, tls, files.material, shown))
  }
  return findings
}

function describeFiles(listener: string, { warnings, notAfter }: TlsMaterial, clock: Clock): Finding[] {
  const findings = warnings.map(
    ({ setting, problem, expected }): Finding => ({
      severity: 'warning',
      code: setting === 'key' ? 'secret-readable' : 'certificate-dates',
      nodes: [],
      message: `tls.${setting} of ${listener}: ${problem}`,
      remedy: setting === 'key' ? 'take that away:' : `use ${expected}`,
      statements: setting === 'key' ? [expected] : [],
    }),
  )
  const leftMs = notAfter.getTime() - clock.wallTime().getTime()
  if (leftMs <= 0 || leftMs > RENEWAL_MS) return findings
  findings.push({
    severity: 'warning',
    code: 'certificate-dates',
    nodes: [],
    message: `the certificate of ${listener} expires on ${notAfter.toISOString().slice(0, 10)}`,
    remedy: 'renew it; the proxy takes the new files over by itself',
    statements: [],
  })
  return findings
}

function describeClientCa(listener: string, { clientCa }: TerminatedTls): Finding[] {
  if (clientCa === null) return []
  return [
    {
      severity: 'note',
      code: 'client-certificate-ends-here',
      nodes: [],
      message: `the certificates of clients of ${listener} are checked by the proxy and do not reach the nodes: pg_hba.conf cannot ask for one, by cert or clientcert`,
      remedy: 'let pg_hba.conf ask for scram-sha-256, or use tls.mode: passthrough',
      statements: [],
    },
  ]
}

function describePlainServers(listener: string, nodes: readonly NodeIdentity[]): Finding[] {
  const beyond = nodes.filter(({ address }) => !address.host.startsWith('/') && !isLoopback(address.host))
  if (beyond.length === 0) return []
  const names = beyond.map(({ name }) => name)
  return [
    {
      severity: 'note',
      code: 'plain-towards-nodes',
      nodes: names,
      message: `sessions of ${listener} go on to ${addNames(names)} without encryption (server_sslmode: disable), and clients with channel_binding=require are refused`,
      remedy: 'that is right on a network that is trusted; otherwise docs/tls.md says what works with server_sslmode',
      statements: [],
    },
  ]
}

function serverTlsOf(tls: TerminatedTls, { serverCa }: TlsMaterial): ServerTls | null {
  const { serverSslmode: sslmode } = tls
  if (sslmode === 'disable') return null
  const context = createSecureContext(serverCa === null ? {} : { ca: serverCa })
  return { sslmode, context: () => context }
}

async function askNode(node: NodeIdentity, tls: ServerTls, config: Config, clock: Clock): Promise<NodeTls> {
  return await new Promise((resolve) => {
    connectNode({
      address: node.address,
      tls,
      timeoutMs: config.limits.connectTimeoutMs,
      keepAliveMs: 0,
      clock,
      lookup: createSharedLookup(),
      onDialed: () => undefined,
      onFailed: () => resolve({ kind: 'unknown' }),
      onUntrusted: (why) => resolve({ kind: 'untrusted', why }),
      onConnected: (socket) => {
        socket.on('error', () => undefined)
        const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
        socket.destroy()
        resolve(
          certificate === undefined
            ? { kind: 'plain' }
            : { kind: 'certificate', fingerprint: certificate.fingerprint256 },
        )
      },
    })
  })
}

function describeNodes(
  listener: string,
  tls: TerminatedTls,
  material: TlsMaterial,
  shown: ReadonlyMap<string, NodeTls>,
): Finding[] {
  const findings: Finding[] = []
  const own = new X509Certificate(material.cert).fingerprint256
  const others: string[] = []
  for (const [name, node] of shown) {
    if (node.kind === 'certificate' && node.fingerprint !== own) others.push(name)
    if (node.kind !== 'untrusted') continue
    findings.push({
      severity: 'problem',
      code: 'server-tls',
      nodes: [name],
      message: `${name} ${node.why}: sessions of ${listener} are refused there`,
      remedy: 'put the TLS of the node right, or change tls.server_sslmode and tls.server_sslrootcert',
      statements: [],
    })
  }
  if (others.length > 0) {
    findings.push({
      severity: 'warning',
      code: 'channel-binding',
      nodes: others,
      message: `${addNames(others)} ${others.length === 1 ? 'shows' : 'show'} another certificate than ${listener}: clients within TLS that log in by SCRAM with channel binding, as libpq does where it can, are refused there (server_sslmode: ${tls.serverSslmode})`,
      remedy:
        'give the proxy and the nodes the same certificate, or use server_sslmode: disable on a network that is trusted, or channel_binding=disable in every client',
      statements: [],
    })
  }
  return findings
}
