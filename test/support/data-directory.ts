/**
 * Makes data directories: by initdb, or much faster by copying one that initdb made earlier. Test support.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type PostgresBinaries, requireTool } from './postgres-binaries.ts'
import { runCommand } from './run-command.ts'
import { serverUser } from './server-user.ts'
import { cachedFolder } from './temp-folder.ts'

const INITDB_OPTIONS = ['--no-sync', '--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C']

/**
 * Makes `dataDirectory` (which must not exist; its parent belongs to the server user). All that come from the cache
 * share one system identifier, as nodes of one cluster do; `fresh` gives one that no other server has (0.5 to 1 s).
 */
export async function makeDataDirectory(
  dataDirectory: string,
  binaries: PostgresBinaries,
  options: { readonly fresh: boolean },
): Promise<void> {
  if (options.fresh) {
    await initdb(dataDirectory, binaries)
    return
  }
  const key = [binaries.folder, binaries.version, serverUser()?.name ?? '', ...INITDB_OPTIONS].join('\n')
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 12)
  const template = await cachedFolder(`data-${binaries.version}-${hash}`, async (folder) => {
    await initdb(join(folder, 'data'), binaries)
  })
  await runCommand('cp', ['-Rp', join(template, 'data'), dataDirectory], { folder: join(dataDirectory, '..') })
}

async function initdb(dataDirectory: string, binaries: PostgresBinaries): Promise<void> {
  await runCommand(requireTool(binaries, 'initdb'), [...INITDB_OPTIONS, `--pgdata=${dataDirectory}`], {
    folder: join(dataDirectory, '..'),
  })
}
