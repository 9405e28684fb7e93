/**
 * Refuses requests that a web page could make in an operator's browser: those with an `Origin`, those that the browser
 * itself says another page has made (images, frames), and those under a host name that is not ours (DNS rebinding). Part
 * of the admin server. A request without `Host` is HTTP/1.0, as HAProxy's
 * checks are and no browser's: it passes. Who may give orders is not asked here.
 */
import { isIP } from 'node:net'

export interface RequestOrigin {
  readonly origin: string | undefined
  readonly host: string | undefined
  /**
   * `Sec-Fetch-Site`, `-Mode` and `-Dest`: whose page makes the request, how, and what for. Browsers send them to
   * loopback addresses and by https, others never.
   * @see https://www.w3.org/TR/fetch-metadata/
   */
  readonly site?: string | undefined
  readonly mode?: string | undefined
  readonly destination?: string | undefined
  /** It is a GET for something that ends at once: a link to it does no harm. */
  readonly isLinkable: boolean
}

/** What is ours. */
export interface OwnHosts {
  /** The host that the server listens on; `null` for a Unix socket, where no browser gets to: all names are fine. */
  readonly host: string | null
  /** Names in small letters that it answers to, besides `localhost`, its own and every address. */
  readonly hosts: readonly string[]
}

/** Why the request is refused; `null` when it is not. */
export function findForeign(request: RequestOrigin, own: OwnHosts): string | null {
  const { origin, host } = request
  if (origin !== undefined || isOfAnotherPage(request)) return 'requests from web pages of any origin are refused'
  if (host === undefined || own.host === null || isOwnHost(host, own.host, own.hosts)) return null
  return 'requests for this host name are refused: see admin.hosts'
}

/** Such a request has no `Origin`, and its page learns nothing of the answer; but the answer takes a place. */
function isOfAnotherPage({ site, mode, destination, isLinkable }: RequestOrigin): boolean {
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  return !isLinkable || mode !== 'navigate' || destination !== 'document'
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
