/** A folder of one benchmark, which is gone afterwards, also when the benchmark is interrupted. Benchmark support. */
import { rmSync } from 'node:fs'
import { reapOnExit } from '../support/reaper.ts'
import { makeServerFolder } from '../support/temp-folder.ts'

export interface BenchFolder {
  /** Empty at first; the server user can write there. */
  readonly path: string
  readonly remove: () => void
}

/** `name` becomes a part of the folder's. */
export function makeBenchFolder(name: string): BenchFolder {
  const path = makeServerFolder(`bench-${name}`)
  const release = reapOnExit({ kind: 'folder', path })
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true })
      release()
    },
  }
}
