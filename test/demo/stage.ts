/**
 * What the demo plays on: a primary and a standby, the proxy in front of them, and one folder that holds every file of
 * theirs. Effect layer of the demo; knows how to put all of it up and to take all of it away again, not what is played.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findBinaries, type PostgresBinaries } from '../support/postgres-binaries.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { reapOnExit } from '../support/reaper.ts'

export interface Stage {
  readonly binaries: PostgresBinaries
  /** Why these are not the ones that npm installs; `null` when they are. */
  readonly fallback: string | null
  readonly cluster: PostgresCluster
  readonly config: ProxyConfig
  readonly proxy: ProxyProcess
  /** Ends every process and removes every file. May be called again. */
  readonly strike: () => Promise<void>
}

/** Puts it up: resolves when the proxy has a primary. Leaves nothing when it fails, or `signal` ends it half-way. */
export async function raiseStage(signal: AbortSignal): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-demo-'))
  // Servers may run as another user than this process, and lie below.
  chmodSync(folder, 0o755)
  const release = reapOnExit({ kind: 'folder', path: folder })
  const temporaryBefore = process.env['TMPDIR']
  // What the harness keeps between runs of the tests goes with the folder as well.
  process.env['TMPDIR'] = folder
  let cluster: PostgresCluster | null = null
  let proxy: ProxyProcess | null = null
  const strike = async () => {
    await proxy?.stop(3_000).catch(() => {})
    await proxy?.destroy()
    await cluster?.destroy()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    release()
    if (temporaryBefore === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = temporaryBefore
  }
  try {
    const { binaries, fallback } = chooseBinaries()
    cluster = await createCluster({ nodes: 2, binaries, repmgrTables: true, application: true, freshInitdb: true })
    signal.throwIfAborted()
    const config = await writeProxyConfig(folder, cluster, { log: { level: 'info' }, shutdown: { grace: '1s' } })
    proxy = new ProxyProcess(config)
    await proxy.waitUntilReady()
    return { binaries, fallback, cluster, config, proxy, strike }
  } catch (error) {
    await strike()
    throw error
  }
}

/** Those of npm, so that the demo needs nothing but `npm ci`; the system's where npm has none for the platform. */
function chooseBinaries(): { readonly binaries: PostgresBinaries; readonly fallback: string | null } {
  const npm = findBinaries('npm')
  if (!('missing' in npm)) return { binaries: npm, fallback: null }
  const system = findBinaries('system')
  if ('missing' in system) throw new Error(`no PostgreSQL to show: ${npm.missing}; ${system.missing}`)
  return { binaries: system, fallback: npm.missing }
}
