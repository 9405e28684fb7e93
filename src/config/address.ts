/**
 * Addresses as written in the config: `host:port`, `[v6]:port`, `unix:/path`, `fd:NAME`, and for nodes also a host alone
 * or the directory of a Unix socket. Pure: no name is resolved here.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { NodeAddress } from '../topology/observation.ts'
import type { AdminAddress, ListenerAddress } from './config.ts'
import type { Reading } from './reading.ts'

const DEFAULT_NODE_PORT = 5432
const DEFAULT_ADMIN_PORT = 8432
/** Underscores are no DNS, but Docker and Compose use them. */
const HOST_NAME_PATTERN = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i
/** A socket path longer than this does not fit `sun_path` (108 bytes with its NUL on Linux). */
const SOCKET_PATH_BYTES_MAX = 107

function bad(
  problem: string,
  suggestion: string | null = null,
): { ok: false; problem: string; suggestion: string | null } {
  return { ok: false, problem, suggestion }
}

/** A host's name, without a port; no address. Comes out in small letters, without the dot of an absolute name. */
export function readHostName(text: string): Reading<string> {
  if (isIPv4(text) || isIPv6(text)) return bad('is an address, which needs no permission')
  if (text.includes(':')) return bad('names more than a host')
  return isHost(text) ? { ok: true, value: text.toLowerCase().replace(/\.$/, '') } : bad('is no valid host name')
}

function isHost(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return isIPv4(text)
  return HOST_NAME_PATTERN.test(text)
}

function readPort(text: string, lowest: 0 | 1): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port >= lowest && port <= 65_535 ? port : null
}

/** What differs between the users of `readHostPort`: is a port needed, and which one is probably meant. */
interface PortRule {
  readonly lowest: 0 | 1
  readonly usual: number
  readonly optional: boolean
}

/** `host:port` or `[v6]:port`. The host comes out without brackets. */
function readHostPort(text: string, port: PortRule): Reading<NodeAddress> {
  if (isIPv6(text)) return bad('is an IPv6 address without brackets', `[${text}]:${port.usual}`)
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text)
  if (match === null) return bad('has too many colons (an IPv6 address needs brackets)')
  const [, v6, name = '', portText] = match
  const host = v6 ?? name
  if (host === '*' || (host === '' && portText !== undefined)) {
    return bad('names no host', `0.0.0.0:${portText ?? port.usual}`)
  }
  if (v6 === undefined ? !isHost(host) : !isIPv6(v6)) return bad('names no valid host')
  if (portText === undefined) {
    return port.optional
      ? { ok: true, value: { host, port: port.usual } }
      : bad('names no port', `${text}:${port.usual}`)
  }
  const number = readPort(portText, port.lowest)
  return number === null
    ? bad(`names no valid port (${port.lowest} to 65535)`)
    : { ok: true, value: { host, port: number } }
}

/** Where the admin server listens: `host:port` (port needed, 0 for any free one), or `unix:/absolute/path`. */
export function readAdminAddress(text: string): Reading<AdminAddress> {
  if (text.startsWith('unix:')) return readSocketPath(text.slice('unix:'.length))
  if (text.startsWith('/')) return bad('is a path without its kind', `unix:${text}`)
  if (/^\d{1,5}$/.test(text)) return bad('is a port without a host', `127.0.0.1:${text}`)
  const tcp = readHostPort(text, { lowest: 0, usual: DEFAULT_ADMIN_PORT, optional: false })
  return tcp.ok ? { ok: true, value: { kind: 'tcp', ...tcp.value } } : tcp
}

function readSocketPath(path: string): Reading<Extract<ListenerAddress, { readonly kind: 'unix' }>> {
  if (!path.startsWith('/')) return bad('names no absolute socket path')
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
    return bad(`is a socket path longer than ${SOCKET_PATH_BYTES_MAX} bytes`)
  return { ok: true, value: { kind: 'unix', path } }
}

/** Where a listener accepts: `host:port` (port needed, 0 for any free one), `unix:/absolute/path` or `fd:NAME`. */
export function readListenerAddress(text: string): Reading<ListenerAddress> {
  if (text.startsWith('unix:')) return readSocketPath(text.slice('unix:'.length))
  if (text.startsWith('/')) return bad('is a path without its kind', `unix:${text}`)
  if (text.startsWith('fd:')) {
    const name = text.slice('fd:'.length)
    // As sd_listen_fds_with_names(3) allows: printable ASCII without a colon, at most 255.
    return /^[!-9;-~]{1,255}$/.test(name)
      ? { ok: true, value: { kind: 'fd', name } }
      : bad('names no valid systemd socket')
  }
  if (/^\d{1,5}$/.test(text)) return bad('is a port without a host', `0.0.0.0:${text}`)
  const tcp = readHostPort(text, { lowest: 0, usual: DEFAULT_NODE_PORT, optional: false })
  return tcp.ok ? { ok: true, value: { kind: 'tcp', ...tcp.value } } : tcp
}

/** Where a node is dialled: `host[:port]` with port 5432 when left out, or `/directory[:port]` of its Unix socket. */
export function readNodeAddress(text: string): Reading<NodeAddress> {
  if (text.startsWith('/')) {
    const [, host = '', portText] = /^(.*?)(?::(\d+))?$/s.exec(text) ?? []
    const port = portText === undefined ? DEFAULT_NODE_PORT : readPort(portText, 1)
    return port === null ? bad('names no valid port (1 to 65535)') : { ok: true, value: { host, port } }
  }
  return readHostPort(text, { lowest: 1, usual: DEFAULT_NODE_PORT, optional: true })
}

/** Prints a node's address, or any host and port, so that it reads back as the same. */
export function formatNodeAddress({ host, port }: NodeAddress): string {
  return host.includes(':') && !host.startsWith('/') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Prints a listener's or the admin server's address so that it reads back as the same. */
export function formatListenerAddress(address: ListenerAddress): string {
  switch (address.kind) {
    case 'tcp':
      return formatNodeAddress(address)
    case 'unix':
      return `unix:${address.path}`
    case 'fd':
      return `fd:${address.name}`
    default: {
      const unreachable: never = address
      return unreachable
    }
  }
}
