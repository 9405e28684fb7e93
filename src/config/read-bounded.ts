/** Reads a small file whole, never more than a bound: also when it is a device that never ends. */
import { type FileHandle, open } from 'node:fs/promises'

export type BoundedRead =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly ok: false; readonly code: string; readonly problem: string }

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of the path is not a directory',
}

/**
 * At most `bytesMax` bytes of a regular file, with its mode bits. Never rejects. The bytes are the caller's.
 * `code` is the system's, or `ENOTREG` (pipe, device, directory) or `EFBIG`.
 */
export async function readBounded(path: string, bytesMax: number): Promise<BoundedRead> {
  let file: FileHandle | null = null
  try {
    file = await open(path, 'r')
    const stats = await file.stat()
    if (!stats.isFile()) return { ok: false, code: 'ENOTREG', problem: 'it is not a regular file' }
    // One byte more than allowed tells a file that is too large, also when it grew since.
    const buffer = new Uint8Array(bytesMax + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.byteLength - length, length)
      length += bytesRead
      if (length > bytesMax) return { ok: false, code: 'EFBIG', problem: `it is larger than ${bytesMax} bytes` }
      if (bytesRead === 0) return { ok: true, bytes: buffer.slice(0, length), mode: stats.mode }
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
    return { ok: false, code, problem: PROBLEMS[code] ?? code }
  } finally {
    await file?.close()
  }
}
