/**
 * Refuses requests that a web page could make in an operator's browser: those with an `Origin`, and those under a host
 * name that is not ours (DNS rebinding). Part of the admin server. A request without `Host` is HTTP/1.0, as HAProxy's
 * checks are and no browser's: it passes. Who may give orders is not asked here.
 */
import { isIP } from 'node:net'

export interface RequestOrigin {
  readonly origin: string | undefined
  readonly host: string | undefined
}

/** What is ours. */
export interface OwnHosts {
  /** The host that the server listens on; `null` for a Unix socket, where no browser gets to: all names are fine. */
  readonly host: string | null
  /** Names in small letters that it answers to, besides `localhost`, its own and every address. */
  readonly hosts: readonly string[]
}

/** Why the request is refused; `null` when it is not. */
export function findForeign({ origin, host }: RequestOrigin, own: OwnHosts): string | null {
  if (origin !== undefined) return 'requests from web pages of any origin are refused'
  if (host === undefined || own.host === null || isOwnHost(host, own.host, own.hosts)) return null
  return 'requests for this host name are refused: see admin.hosts'
}

/** An address or localhost is nobody's to rebind; a name is taken when the server was told that it is its own. */
function isOwnHost(header: string, ownHost: string, hosts: readonly string[]): boolean {
  const host = header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase()
  return host === 'localhost' || host === ownHost.toLowerCase() || isIP(host) !== 0 || hosts.includes(host)
}
