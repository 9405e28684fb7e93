/**
 * The TCP connections of a process's network and the timer that runs on each, as the kernel tells them. Test support.
 * Linux only.
 *
 * @see https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt
 */
import { readFileSync } from 'node:fs'

/** Ticks a second of what /proc tells: USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const ESTABLISHED = '01'
const KEEPALIVE = '02'

export interface TcpConnection {
  readonly localPort: number
  readonly remotePort: number
  /** Until keepalive looks again; `null` when that is not what the connection waits for. */
  readonly keepAliveMs: number | null
}

/** Every established IPv4 connection, each end of its own. */
export function tcpConnections(pid: number | undefined): readonly TcpConnection[] {
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === ESTABLISHED)
    .map((fields) => {
      const [timer, ticks = ''] = (fields[5] ?? '').split(':')
      return {
        localPort: portOf(fields[1]),
        remotePort: portOf(fields[2]),
        keepAliveMs: timer === KEEPALIVE ? (Number.parseInt(ticks, 16) * 1000) / TICKS_PER_SECOND : null,
      }
    })
}

function portOf(address = ''): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16)
}
