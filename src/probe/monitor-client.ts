/** The `pg` client that asks a node, with nothing of our own environment in its StartupMessage. Effect layer. */
import pg from 'pg'
import type { MonitorAccess } from './monitor-access.ts'

/** The StartupMessage has these parameters and no others: not even PGOPTIONS of the operator's shell gets in. */
export class MonitorClient extends pg.Client {
  readonly #access: MonitorAccess
  readonly #applicationName: string

  constructor(config: pg.ClientConfig, access: MonitorAccess, applicationName: string) {
    super(config)
    this.#access = access
    this.#applicationName = applicationName
  }

  getStartupConf(): Record<string, string> {
    return { user: this.#access.user, database: this.#access.database, application_name: this.#applicationName }
  }
}
