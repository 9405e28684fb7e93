/**
 * The file of a listening Unix socket. Effect layer.
 *
 * libuv removes the file that a socket was bound to when that socket is closed, also when another process listens on by
 * then. So a socket is bound beside its place and moved there: libuv then removes a name that is gone, and whoever has
 * the socket last removes the file. The kernel goes on showing the first name (`/run/pg/.s.PGSQL.5432~` in ss and lsof).
 */
import { chmodSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import process from 'node:process'
import { isAbandoned } from './abandoned-socket.ts'

/** As many bytes as the kernel takes for the path of a socket. */
const PATH_BYTES_MAX = 107

/** Removes the file, unless there is another one by now. Idempotent; never throws. */
export type RemoveFile = () => void

export interface SocketFileOptions {
  readonly path: string
  /** Permissions, from the first moment on; left out: what the umask leaves. */
  readonly mode: number | undefined
  /** Makes a server listen at this path, and makes the file before it returns; rejects with the error of the system. */
  readonly listen: (path: string) => Promise<void>
}

/**
 * Rejects with the error of the system; EADDRINUSE when somebody listens there. A socket that nobody listens on any
 * more, which a killed process leaves behind, is replaced.
 */
export async function listenAtPath({ path, mode, listen }: SocketFileOptions): Promise<RemoveFile> {
  const beside = pathBeside(path)
  const bind = async (): Promise<void> => await underMask(mode, () => listen(beside))
  try {
    await bind()
  } catch (error) {
    if (!(await isAbandoned(beside, error as NodeJS.ErrnoException))) throw error
    await unlink(beside)
    await bind()
  }
  // Whoever else wants this path has to bind beside it first, which nobody else can from here to the move.
  const taken = addressInUse(path)
  if (isThere(path) && !(await isAbandoned(path, taken))) throw taken
  if (mode !== undefined) chmodSync(beside, mode)
  renameSync(beside, path)
  return removerOf(path)
}

/** Removes the file that is there now, later. */
export function removerOf(path: string): RemoveFile {
  const made = lstatSync(path, { throwIfNoEntry: false })
  return () => {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (made === undefined || found === undefined || found.ino !== made.ino || found.dev !== made.dev) return
    try {
      unlinkSync(path)
    } catch {
      // Gone, or in a folder that was made read-only meanwhile: the next start replaces it.
    }
  }
}

function pathBeside(path: string): string {
  return Buffer.byteLength(path) < PATH_BYTES_MAX ? `${path}~` : `${path.slice(0, -1)}~`
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

async function underMask(mode: number | undefined, listen: () => Promise<void>): Promise<void> {
  if (mode === undefined) return await listen()
  const before = process.umask()
  process.umask(before | (0o777 & ~mode))
  let listening: Promise<void>
  try {
    // Nothing else runs under this mask: the file is there when this returns.
    listening = listen()
  } finally {
    process.umask(before)
  }
  await listening
}

function addressInUse(path: string): NodeJS.ErrnoException {
  const error = new Error(`listen EADDRINUSE: address already in use ${path}`)
  return Object.assign(error, { code: 'EADDRINUSE', syscall: 'listen', address: path })
}
