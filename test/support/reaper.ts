/**
 * Makes sure that nothing tests start outlives them: a helper process that waits for this one to end, however it
 * ends (also SIGKILL, which no exit hook sees), then kills and removes whatever is still on its list. Test support.
 * It runs while something is on the list and ends with the last entry, so an orderly test leaves no process either.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Something that must not outlive this process. */
export type ReaperEntry =
  /** A process and its descendants. */
  | { readonly kind: 'process'; readonly pid: number }
  /** The PostgreSQL server, whoever started it, whose postmaster.pid lies in this folder. */
  | { readonly kind: 'data-directory'; readonly path: string }
  /** A folder, removed last. */
  | { readonly kind: 'folder'; readonly path: string }

/** What goes over the pipe, one JSON text a line. */
export type ReaperMessage = { readonly kind: 'add' | 'remove'; readonly key: string; readonly entry: ReaperEntry }

const entries = new Map<string, ReaperEntry>()
let reaper: ChildProcess | null = null

/** Puts the entry on the list, at once. The returned function takes it off and may be called again. */
export function reapOnExit(entry: ReaperEntry): () => void {
  const key = JSON.stringify(entry)
  entries.set(key, entry)
  reaper ??= startReaper()
  send({ kind: 'add', key, entry })
  return () => {
    if (!entries.delete(key)) return
    send({ kind: 'remove', key, entry })
    if (entries.size === 0) {
      reaper?.stdin?.end()
      reaper = null
    }
  }
}

function send(message: ReaperMessage): void {
  reaper?.stdin?.write(`${JSON.stringify(message)}\n`)
}

function startReaper(): ChildProcess {
  // In a session of its own: Ctrl-C in the terminal must reach us, not the one who cleans up after us.
  const child = spawn(process.execPath, [fileURLToPath(new URL('./reaper-process.ts', import.meta.url))], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  const { stdin } = child
  stdin.on('error', () => {})
  // Neither the process nor the pipe to it keeps this process from ending.
  ;(stdin as unknown as { unref(): void }).unref()
  return child
}
