/** What the figures were measured on, in words. Benchmark support. */
import { readFileSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import { findBinaries } from '../support/postgres-binaries.ts'
import { PEERS, peerVersion } from './contenders/peers.ts'

/** Machine, kernel and versions, a line each. */
export function describeMachine(): readonly string[] {
  const postgres = findBinaries('any')
  const memory = (os.totalmem() / 2 ** 30).toFixed(0)
  const cpu = os.cpus()[0]?.model.trim() || (/model name\s*:\s*(.*)/.exec(cpuInfo())?.[1] ?? 'unknown')
  const peers = PEERS.filter((name) => name !== 'HAProxy 256 KiB').map((name) => peerVersion(name))
  return [
    `${os.availableParallelism()} cores (${cpu}), ${memory} GiB, ${os.type()} ${os.release()}`,
    `Node ${process.versions.node}; ${'missing' in postgres ? postgres.missing : `PostgreSQL ${postgres.version}`}`,
    ...peers.filter((version) => version !== null),
  ]
}

function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    return ''
  }
}
