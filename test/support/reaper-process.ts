/**
 * The process behind reaper.ts: reads the list from standard input until it ends, then clears up. Test support.
 * Says nothing and never fails: by then nobody listens.
 */
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { readPostmasterFile, removeSharedMemory } from './postmaster-file.ts'
import { killTree, waitUntilGone } from './process-tree.ts'
import type { ReaperEntry, ReaperMessage } from './reaper.ts'

const entries = new Map<string, ReaperEntry>()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, key, entry } = JSON.parse(line) as ReaperMessage
  if (kind === 'add') entries.set(key, entry)
  else entries.delete(key)
}

const left = [...entries.values()]
// Daemons first: repmgrd would start a server again that it finds dead.
const pids = left.flatMap((entry) => (entry.kind === 'process' ? killTree(entry.pid) : []))
await waitUntilGone(pids).catch(() => {})
for (const entry of left) {
  if (entry.kind !== 'data-directory') continue
  const postmaster = readPostmasterFile(entry.path)
  if (postmaster === null) continue
  await waitUntilGone(killTree(postmaster.pid)).catch(() => {})
  removeSharedMemory(postmaster)
}
for (const entry of left) {
  if (entry.kind === 'folder') rmSync(entry.path, { recursive: true, force: true, maxRetries: 5 })
}
