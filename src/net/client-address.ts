/** The address of who has connected, as it stands in the log and is counted. Effect layer. */
import { BlockList } from 'node:net'

/** Whoever comes by a Unix socket has no address. PostgreSQL's own word for it. */
export const LOCAL_CLIENT = '[local]'

/** The addresses of a socket, as Node tells them; a Unix socket has none. */
export interface Ends {
  readonly remoteAddress?: string | undefined
  readonly localAddress?: string | undefined
}

/**
 * Whether the client has reset its connection before it was accepted, as health checks do. Then its address cannot be
 * known any more, and it must not pass for one without.
 */
export function isGone({ remoteAddress, localAddress }: Ends): boolean {
  return remoteAddress === undefined && localAddress !== undefined
}

/** The far end of the socket: IPv4, IPv6, or `[local]`. An IPv4 client of an IPv6 socket is an IPv4 client. */
export function peerAddress(socket: Ends): string {
  return socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '') ?? LOCAL_CLIENT
}

/**
 * From whom a PROXY header is due, and nothing without one: `from` has addresses, networks such as `10.0.0.0/8`, and
 * `unix` for whoever comes by a Unix socket, each valid.
 */
export function createProxyTrust(from: readonly string[]): (peer: string) => boolean {
  const networks = new BlockList()
  for (const text of from) {
    if (text === 'unix') continue
    const [address = '', prefixBits] = text.split('/')
    const family = familyOf(address)
    if (prefixBits === undefined) networks.addAddress(address, family)
    else networks.addSubnet(address, Number(prefixBits), family)
  }
  const trustsLocal = from.includes('unix')
  // Most have none, and every new session asks.
  if (networks.rules.length === 0) return (peer) => trustsLocal && peer === LOCAL_CLIENT
  return (peer) => (peer === LOCAL_CLIENT ? trustsLocal : networks.check(peer, familyOf(peer)))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
