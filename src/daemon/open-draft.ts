/**
 * Opens the file that is about to take another's place: empty, and never through a link that somebody has put at its name,
 * which would empty a file elsewhere. Effect of the composition layer. Who may write to the folder is for the operator.
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Rejects with the error of the file system: ELOOP when there is a link. The caller closes it. */
export async function openDraft(path: string): Promise<FileHandle> {
  return await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o640)
}
