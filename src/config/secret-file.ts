/** Reads a file that holds one secret and nothing else: `password_file`, `token_file`. */
import { readBounded } from './read-bounded.ts'

const SECRET_BYTES_MAX = 4_096
/** A group is somebody's decision; everybody is nobody's. */
const OTHERS = 0o007

export type SecretFile =
  | { readonly ok: true; readonly secret: string; readonly isOpenToOthers: boolean }
  | { readonly ok: false; readonly problem: string }

/**
 * The secret in the file at `path` and whether every user of this machine may read it, without the newline that an editor puts at its end. Never rejects; `problem` names
 * the file and never holds its content. Not cached: read it again at every use, and a changed secret works at once.
 */
export async function readSecretFile(path: string): Promise<SecretFile> {
  const read = await readBounded(path, SECRET_BYTES_MAX)
  if (!read.ok) return { ok: false, problem: `${path} cannot be read: ${read.problem}` }
  const secret = new TextDecoder().decode(read.bytes).replace(/\r?\n$/, '')
  if (secret === '') return { ok: false, problem: `${path} is empty` }
  if (/[\r\n\0]/.test(secret)) return { ok: false, problem: `${path} holds more than one line` }
  return { ok: true, secret, isOpenToOthers: (read.mode & OTHERS) !== 0 }
}
