/** Reads the configuration for a command and says all its faults at once. Command line layer. */
import { isShortToken, LONG_TOKEN } from '../config/admin-token.ts'
import type { Config } from '../config/config.ts'
import { type ConfigFault, formatFaults, formatPath } from '../config/fault.ts'
import { loadConfigFile } from '../config/load-file.ts'
import { readSecretFile } from '../config/secret-file.ts'
import { readTlsFiles } from '../config/tls-files.ts'
import type { Terminal } from './terminal.ts'

/** `null` when it is faulty: that was said on standard error. */
export async function readConfig(file: string, terminal: Terminal): Promise<Config | null> {
  const loaded = await loadConfigFile(file, terminal.environment)
  if (loaded.ok) {
    for (const warning of loaded.warnings) terminal.err(`${formatFaults([warning], file)}\n`)
    return loaded.config
  }
  terminal.err(`${formatFaults(loaded.faults, file)}\n`)
  return null
}

/**
 * What is wrong with the files of the listeners that terminate TLS: the daemon would not start either. Read by those
 * commands alone that need them, as nobody but the daemon has to be able to read a private key.
 */
export async function findTlsFileFaults(config: Config, now: Date): Promise<readonly ConfigFault[]> {
  const faults: ConfigFault[] = []
  for (const [index, { tls }] of config.listeners.entries()) {
    if (tls.mode !== 'terminate') continue
    const files = await readTlsFiles(tls, now)
    if (files.ok) continue
    for (const { setting, problem, expected } of files.faults) {
      const path = formatPath(['listeners', index, 'tls', setting])
      faults.push({ path, line: null, column: null, value: null, problem, expected, suggestion: null })
    }
  }
  return faults
}

/** What is to be said of a token out of a file, beyond what loading the configuration says: of itself, and of the file. */
export type AdminToken =
  | {
      readonly ok: true
      readonly token: string | null
      readonly warnings: readonly ConfigFault[]
      readonly fileWarnings: readonly ConfigFault[]
    }
  | { readonly ok: false; readonly problem: string }

/** The admin token, from the configuration or its file; `null` when there is none: orders are off then. */
export async function readAdminToken({ admin }: Config): Promise<AdminToken> {
  if (admin === null || admin.token !== null || admin.tokenFile === null) {
    return { ok: true, token: admin?.token ?? null, warnings: [], fileWarnings: [] }
  }
  const file = await readSecretFile(admin.tokenFile)
  if (!file.ok) return { ok: false, problem: `admin.token_file ${file.problem}` }
  const warning = (problem: string, expected: string): ConfigFault => {
    const place = { path: 'admin.token_file', line: null, column: null, value: null, suggestion: null }
    return { ...place, problem, expected }
  }
  const { tokenFile } = admin
  return {
    ok: true,
    token: file.secret,
    warnings: isShortToken(file.secret)
      ? [warning('holds a token that is short enough to be guessed', LONG_TOKEN)]
      : [],
    fileWarnings: file.isOpenToOthers
      ? [warning(`${tokenFile} can be read by every user of this machine`, `chmod o-rwx ${tokenFile}`)]
      : [],
  }
}
