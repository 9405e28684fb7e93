/**
 * What the monitoring role may read on one node, and the GRANTs that would let it read the rest. Pure: the catalogue
 * was asked by LEARN_STATEMENT in queries.ts, without raising one error in the server's log.
 *
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS-TABLE
 */
import { z } from 'zod'
import { ProbeError } from './classify-failure.ts'

/** Oldest server whose `pg_stat_wal_receiver` names the upstream's host. */
export const SERVER_VERSION_MIN = 110_000

/** The columns of `repmgr.nodes` without which the rows say nothing. */
export const REPMGR_COLUMNS = ['node_id', 'upstream_node_id', 'active', 'node_name', 'type'] as const

/** Learned once per connection; a grant given later counts from the next fresh connection on. */
export interface ProbeCapabilities {
  /** `current_user`. */
  readonly role: string
  /** `server_version_num`, e.g. 150018. */
  readonly serverVersion: number
  /** May see `pg_stat_wal_receiver` in full; else every column of it is NULL. */
  readonly readsWalReceiver: boolean
  /** Functions every probe needs and the role may not call, as `name(arguments)`. Empty unless somebody revoked. */
  readonly deniedFunctions: readonly string[]
  readonly repmgr:
    | { readonly kind: 'absent' }
    | { readonly kind: 'denied'; readonly missing: readonly string[] }
    | {
        readonly kind: 'readable'
        /** The column `conninfo` too: without it there are no addresses, hence no discovery. */
        readonly conninfo: boolean
        /** May call `repmgr.get_local_node_id()`. */
        readonly localNodeId: boolean
      }
}

const Learned = z.object({
  role: z.string(),
  serverVersion: z.coerce.number().int(),
  readsWalReceiver: z.boolean().nullable(),
  // It becomes a statement for a superuser to run: nothing but a function of the system's, with its types.
  deniedFunctions: z.array(z.string().regex(/^pg_catalog\.\w+\([\w ,]*\)$/)).nullable(),
  schemaUsage: z.boolean().nullable(),
  columns: z.record(z.string(), z.boolean().nullable()).nullable(),
  localNodeId: z.boolean().nullable(),
})

/** Reads the answer to LEARN_STATEMENT. Throws ProbeError `protocol` when it is not one, or the server is too old. */
export function parseCapabilities(text: string): ProbeCapabilities {
  const parsed = Learned.safeParse(parseJson(text))
  if (!parsed.success) throw new ProbeError('protocol', 'the server answered the catalogue query with something else')
  const learned = parsed.data
  if (learned.serverVersion < SERVER_VERSION_MIN) {
    throw new ProbeError('protocol', `server_version_num is ${learned.serverVersion}: PostgreSQL 11 or newer is needed`)
  }
  return {
    role: learned.role,
    serverVersion: learned.serverVersion,
    readsWalReceiver: learned.readsWalReceiver ?? false,
    deniedFunctions: learned.deniedFunctions ?? [],
    repmgr: repmgrCapability(learned),
  }
}

/**
 * The statements that would let the role read all a probe can use, in the order to run them: on the primary, and once
 * more on a witness, which is a cluster of its own. `discovery` asks for `conninfo` too, which may hold passwords.
 */
export function explainMissingGrants(
  capabilities: ProbeCapabilities,
  options: { readonly discovery: boolean },
): readonly string[] {
  const role = quoteIdentifier(capabilities.role)
  const statements = capabilities.deniedFunctions.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO ${role}`)
  if (!capabilities.readsWalReceiver) statements.push(`GRANT pg_read_all_stats TO ${role}`)
  const { repmgr } = capabilities
  if (repmgr.kind === 'denied') statements.push(...repmgr.missing)
  if (options.discovery && (repmgr.kind === 'denied' || (repmgr.kind === 'readable' && !repmgr.conninfo))) {
    statements.push(`GRANT SELECT (conninfo) ON repmgr.nodes TO ${role}`)
  }
  return statements
}

/** Quotes only where PostgreSQL would need it, so that the usual names read as people write them. */
export function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`
}

/** The words that GRANT … TO takes for something else than a role of that name. */
const RESERVED = new Set(['public', 'user', 'current_user', 'session_user', 'current_role', 'group', 'all', 'none'])

function repmgrCapability(learned: z.infer<typeof Learned>): ProbeCapabilities['repmgr'] {
  const { columns } = learned
  // Another table of that name, or a repmgr older than 4, is as good as none.
  if (columns === null || REPMGR_COLUMNS.some((column) => !(column in columns))) return { kind: 'absent' }
  const role = quoteIdentifier(learned.role)
  const missing: string[] = []
  if (learned.schemaUsage !== true) missing.push(`GRANT USAGE ON SCHEMA repmgr TO ${role}`)
  if (REPMGR_COLUMNS.some((column) => columns[column] !== true)) {
    missing.push(`GRANT SELECT (${REPMGR_COLUMNS.join(', ')}) ON repmgr.nodes TO ${role}`)
  }
  if (missing.length > 0) return { kind: 'denied', missing }
  const { conninfo } = columns
  return { kind: 'readable', conninfo: conninfo === true, localNodeId: learned.localNodeId === true }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
