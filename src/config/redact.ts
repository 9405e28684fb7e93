/** The configuration for logs, status and `check`: with every secret replaced. Pure. */
import type { Config } from './config.ts'

/** Stands for a secret that is set; one that is not set stays `null`. */
export const REDACTED = '[redacted]'

/** Where secrets stand in the file. The same as `writeOnly` in the schema, which a test checks. */
export const SECRET_PATHS = [
  ['monitor', 'password'],
  ['admin', 'token'],
] as const

/** A copy that may be shown to anybody. Names of files with secrets stay. */
export function redactConfig(config: Config): Config {
  const hide = (secret: string | null) => (secret === null ? null : REDACTED)
  return {
    ...config,
    monitor: { ...config.monitor, password: hide(config.monitor.password) },
    admin: config.admin === null ? null : { ...config.admin, token: hide(config.admin.token) },
  }
}
