/** What of a new configuration takes effect while the proxy runs, and what stays as it was until a restart. Pure. */
import type { AdminConfig, Config } from '../config/config.ts'

/** The configuration to go on with. describe-changes.ts tells the operator the same. */
export function liveConfig(before: Config, after: Config): Config {
  return {
    ...after,
    admin: liveAdmin(before.admin, after.admin),
    stateDir: before.stateDir,
    workers: before.workers,
    log: { ...after.log, format: before.log.format },
  }
}

/** Who may ask and order changes at once; where is for the next start, and so is whether at all. */
function liveAdmin(before: AdminConfig | null, after: AdminConfig | null): AdminConfig | null {
  if (before === null || after === null) return before
  return { ...after, address: before.address, socketMode: before.socketMode }
}
