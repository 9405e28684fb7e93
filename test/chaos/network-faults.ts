/**
 * Ways to break the Ethernet of a chaos run between its hosts: packets of one direction dropped, some of them lost, all of
 * them late. Test support. By iptables on the receiving host, so that the sender learns nothing; delay by a relay of frames.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { NetworkHost } from '../support/network-host.ts'
import { ADDRESSES, type HostName } from './hosts.ts'

const RELAY = join(import.meta.dirname, 'delay-frames.py')

/** One direction: what `from` sends does not arrive at `to`. */
export type Cut = readonly [from: HostName, to: HostName]

/** Both directions between each of `some` and each of `others`. */
export function between(some: readonly HostName[], others: readonly HostName[]): readonly Cut[] {
  return some.flatMap((one) =>
    others.flatMap((other): readonly Cut[] => [
      [one, other],
      [other, one],
    ]),
  )
}

/** Drops what comes from `from` at `to`; `share`: the part of the packets that is dropped, 1 all. */
export function dropAt(to: NetworkHost, from: HostName, share: number): void {
  iptables(to, '--append', from, share)
}

/** Takes back one `dropAt` with the same words. */
export function letThrough(to: NetworkHost, from: HostName, share: number): void {
  iptables(to, '--delete', from, share)
}

function iptables(to: NetworkHost, action: '--append' | '--delete', from: HostName, share: number): void {
  const random = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)]
  const rule = [action, 'INPUT', '--source', ADDRESSES[from], ...(share < 1 ? random : []), '--jump', 'DROP']
  const [program = '', ...args] = [...to.launcher, 'iptables', '--wait', ...rule]
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** A relay of frames between a host and the Ethernet that keeps each for a while. In place until `close`. */
export class SlowLink {
  readonly #host: NetworkHost
  readonly #relay: ChildProcess
  readonly #ended: Promise<void>

  private constructor(host: NetworkHost, relay: ChildProcess) {
    this.#host = host
    this.#relay = relay
    this.#ended = new Promise((resolve) => relay.once('close', () => resolve()))
  }

  /** Each frame is late by `delayMs` and up to `jitterMs` more, in either direction, and none overtakes another. */
  static async put(host: NetworkHost, delayMs: number, jitterMs: number): Promise<SlowLink> {
    const port = `${host.name}-slow`
    ip('link', 'add', `${host.name}-far`, 'type', 'veth', 'peer', 'name', port)
    ip('link', 'set', `${host.name}-far`, 'up')
    ip('link', 'set', port, 'master', BRIDGE, 'up')
    const args = [RELAY, host.name, `${host.name}-far`, String(delayMs), String(jitterMs)]
    const relay = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const link = new SlowLink(host, relay)
    for await (const line of createInterface({ input: relay.stdout })) {
      if (line !== 'relaying') continue
      ip('link', 'set', host.name, 'nomaster')
      return link
    }
    throw new Error('the relay of frames did not start')
  }

  /** The host is on the Ethernet itself again. */
  async close(): Promise<void> {
    ip('link', 'set', this.#host.name, 'master', BRIDGE)
    this.#relay.stdin?.end()
    await this.#ended
    ip('link', 'delete', `${this.#host.name}-far`)
  }
}

const BRIDGE = 'ethernet'

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
