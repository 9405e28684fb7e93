/**
 * Hosts on one Ethernet, each a network namespace of its own, and ways to take them off it. Test support.
 * Only for tests that run inside a network of their own (own-network.ts): the bridge is made in the namespace of the
 * caller, which is on the Ethernet itself. A host ends when its `close` is called or its owner ends.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { waitFor } from './condition.ts'
import { isInOwnNetwork } from './own-network.ts'

const BRIDGE = 'ethernet'

/** Makes the Ethernet, with these addresses (`10.77.0.1/24`) for the caller. */
export function makeEthernet(addresses: readonly string[]): void {
  if (!isInOwnNetwork()) throw new Error('the network of the machine is not for tests')
  ip('link', 'set', 'lo', 'up')
  ip('link', 'add', BRIDGE, 'type', 'bridge')
  for (const address of addresses) ip('address', 'add', address, 'dev', BRIDGE)
  ip('link', 'set', BRIDGE, 'up')
}

/** A host. Its interface is `eth0`. */
export class NetworkHost {
  readonly name: string
  readonly #holder: ChildProcess
  readonly #ended: Promise<void>

  private constructor(name: string, holder: ChildProcess) {
    this.name = name
    this.#holder = holder
    this.#ended = new Promise((resolve) => holder.once('close', () => resolve()))
  }

  /** Puts a host with this address (`10.77.0.21/24`) on the Ethernet. The name has at most 12 letters. */
  static async plugIn(name: string, address: string): Promise<NetworkHost> {
    // The namespace lives as long as this process does, and `cat` as long as we hold its input.
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const host = new NetworkHost(name, holder)
    const { pid } = holder
    if (pid === undefined) throw new Error('unshare does not start')
    const own = readlinkSync('/proc/self/ns/net')
    await waitFor(`the namespace of ${name}`, () => readlinkSync(`/proc/${pid}/ns/net`) !== own, { intervalMs: 2 })
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
    ip('link', 'set', name, 'master', BRIDGE, 'up')
    host.ip('link', 'set', 'lo', 'up')
    host.ip('address', 'add', address, 'dev', 'eth0')
    host.ip('link', 'set', 'eth0', 'up')
    return host
  }

  /** What has to stand before a command so that it runs on this host; it becomes the command by exec. */
  get launcher(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`, '--']
  }

  /** Runs `ip` on this host and gives what it prints. */
  ip(...args: readonly string[]): string {
    const [program = '', ...rest] = [...this.launcher, 'ip', ...args]
    return execFileSync(program, rest, { encoding: 'utf8' })
  }

  hasAddress(address: string): boolean {
    return this.ip('-brief', 'address', 'show', 'eth0').includes(` ${address}/`)
  }

  /** Takes an address away that it has or has not; the first one, by which it is known, stays. */
  dropAddress(address: string): void {
    if (this.hasAddress(address)) this.ip('address', 'delete', `${address}/24`, 'dev', 'eth0')
  }

  /** Has it send what is for `address` to this Ethernet address; `null`: to the one that ARP tells, as ever. */
  setNeighbour(address: string, ethernetAddress: string | null): void {
    if (ethernetAddress === null) this.ip('neighbour', 'delete', address, 'dev', 'eth0')
    else this.ip('neighbour', 'replace', address, 'lladdr', ethernetAddress, 'dev', 'eth0', 'nud', 'permanent')
  }

  /** Pulls its cable. Nobody is told anything: no FIN, no RST, no ICMP. */
  unplug(): void {
    ip('link', 'set', this.name, 'down')
  }

  plugInAgain(): void {
    ip('link', 'set', this.name, 'up')
  }

  /** Isolated hosts do not hear each other, and everybody else as before. */
  isolate(isOn: boolean): void {
    ip('link', 'set', this.name, 'type', 'bridge_slave', 'isolated', isOn ? 'on' : 'off')
  }

  /** Gives up the namespace; processes on the host that still run keep it. May be called again. */
  async close(): Promise<void> {
    this.#holder.stdin?.end()
    await this.#ended
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
