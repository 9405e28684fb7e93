/**
 * The roles and databases that clusters under test have: who monitors, and a small application. Test support.
 */
import type { PostgresServer } from './postgres-server.ts'
import { quoteLiteral } from './server-settings.ts'

/** How somebody logs in, and where. */
export interface Login {
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The role that the proxy probes with. Its password is checked by SCRAM. */
export const MONITOR_LOGIN: Login = { user: 'pgha', password: 'pgha-monitor', database: 'postgres' }

/** The application's role; owns the database. */
export const APPLICATION_LOGIN: Login = { user: 'einvoice', password: 'einvoice-app', database: 'einvoice' }

/** Creates the monitoring role with the least that the probe needs: LOGIN and pg_read_all_stats. */
export async function createMonitorRole(primary: PostgresServer): Promise<void> {
  await createRole(primary, MONITOR_LOGIN)
  await primary.query(`GRANT pg_read_all_stats TO ${MONITOR_LOGIN.user}`)
}

/** Lets the monitoring role read repmgr's tables in `database`. A witness needs its own grants. */
export async function grantRepmgrToMonitor(server: PostgresServer, database: string): Promise<void> {
  const { user } = MONITOR_LOGIN
  await server.query(
    `GRANT USAGE ON SCHEMA repmgr TO ${user}; GRANT SELECT ON ALL TABLES IN SCHEMA repmgr TO ${user}`,
    {
      database,
    },
  )
}

/**
 * Creates the role and database `einvoice` with the table `invoices`
 * (id, number unique, customer, amount_cents, created_at).
 */
export async function createApplication(primary: PostgresServer): Promise<void> {
  const { user, database } = APPLICATION_LOGIN
  await createRole(primary, APPLICATION_LOGIN)
  await primary.query(`CREATE DATABASE ${database} OWNER ${user}`)
  await primary.query(
    `SET ROLE ${user};
     CREATE TABLE invoices (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       number text NOT NULL UNIQUE,
       customer text NOT NULL,
       amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
       created_at timestamptz NOT NULL DEFAULT now()
     )`,
    { database },
  )
}

async function createRole(primary: PostgresServer, login: Login): Promise<void> {
  await primary.query(`CREATE ROLE ${login.user} LOGIN PASSWORD ${quoteLiteral(login.password)}`)
}
