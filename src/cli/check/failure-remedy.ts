/** Why a probe failed -> what to do about it. Pure; one sentence and perhaps a line to copy for each class. */
import type { MonitorConfig } from '../../config/config.ts'
import { quoteIdentifier } from '../../probe/capabilities.ts'
import { CLEAR_TEXT_REFUSED } from '../../probe/login-guard.ts'
import type { FailureRun } from '../../topology/evidence.ts'
import type { Finding } from './finding.ts'

type Remedy = Pick<Finding, 'remedy' | 'statements'>

function only(remedy: string): Remedy {
  return { remedy, statements: [] }
}

export function remedyOfFailure({ failure, detail }: FailureRun, monitor: MonitorConfig): Remedy {
  switch (failure) {
    case 'refused':
      return only('start PostgreSQL there, or correct the address; a firewall that rejects looks the same')
    case 'reset':
      return only('the server log, or a firewall between, tells who broke the connection off')
    case 'timeout':
      return only(
        'is the host up, and does every firewall let this machine through? Far nodes need a longer monitor.timeout',
      )
    case 'dns':
      return only('correct the name in its address, or the resolver of this machine')
    case 'vanished':
      return only('start its container or machine again; its name went together with its connections')
    case 'starting-up':
    case 'recovering':
      return only('wait until it is up: it does not say before what it is')
    case 'shutting-down':
      return only('start it again when its stop is over; a smart stop waits for every session')
    case 'too-many-connections':
      return only(
        'end some sessions or raise max_connections; PostgreSQL 16 can reserve some (pg_use_reserved_connections)',
      )
    case 'auth':
      return remedyOfRefusedLogin(detail, monitor)
    case 'permission':
      return only('run there what it names, as a superuser')
    case 'protocol':
      return only("is that PostgreSQL's own port? It must be PostgreSQL 11 or newer")
    default: {
      const unhandled: never = failure
      return unhandled
    }
  }
}

/** By SQLSTATE, with which the detail begins; the server's words may be in any language. */
function remedyOfRefusedLogin(detail: string, { user, database, sslmode }: MonitorConfig): Remedy {
  const sqlState = /^[0-9A-Z]{5}(?=: )/.exec(detail)?.[0] ?? null
  switch (sqlState) {
    case '28P01':
      return {
        remedy: 'correct the password (monitor.password, password_file, PGPASSWORD or ~/.pgpass), or make the role:',
        statements: [`CREATE ROLE ${quoteIdentifier(user)} LOGIN PASSWORD '...';`],
      }
    case '28000':
      return {
        remedy: 'make the role if there is none, and let it in by a line in pg_hba.conf of that node:',
        statements: [`host  ${database}  ${user}  ADDRESS-OF-THE-PROXY/32  scram-sha-256`],
      }
    case '3D000':
      return only("set monitor.database to the one with repmgr's schema, or to postgres when there is no repmgr")
    case null:
      if (detail.includes(CLEAR_TEXT_REFUSED)) {
        return {
          remedy:
            'set monitor.sslmode to verify-full; or let the role in by scram-sha-256 in pg_hba.conf of that node:',
          statements: [`host  ${database}  ${user}  ADDRESS-OF-THE-PROXY/32  scram-sha-256`],
        }
      }
      if (detail.includes('asks for a password')) {
        return only('give it in monitor.password_file, in monitor.password, in PGPASSWORD or in ~/.pgpass')
      }
      return only(`it is about TLS: see monitor.sslmode (${sslmode}) and monitor.sslrootcert`)
    default:
      return only('the server log tells more')
  }
}
