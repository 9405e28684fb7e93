/**
 * Rows of `repmgr.nodes` -> members to probe, and the addresses out of their `conninfo`. Pure; nothing here throws,
 * whatever people wrote into that column. It reads neither files nor the environment, which libpq would for what
 * `conninfo` leaves out: where it names no host there is no address.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
 */
import { z } from 'zod'
import type { NodeIdentity } from '../ports.ts'
import type { NodeAddress, RepmgrNodeRow } from '../topology/observation.ts'
import { readConninfo } from './conninfo.ts'

const PORT_DEFAULT = 5432

/** More nodes than any cluster has. Each is dialled again and again: whoever writes the rows says to whom we talk. */
export const ROWS_MAX = 64
/** repmgr itself takes 63. A name is on every screen and in every line of the log. */
const NAME_LENGTH_MAX = 255
/** Of a name in DNS, and more than the kernel takes for the path of a socket. */
const HOST_LENGTH_MAX = 255

const RawRows = z.array(
  z.object({
    nodeId: z.number().int(),
    nodeName: z
      .string()
      .max(NAME_LENGTH_MAX)
      .regex(/^\P{Cc}+$/u),
    type: z.enum(['primary', 'standby', 'witness', 'bdr']),
    active: z.boolean(),
    upstreamNodeId: z.number().int().nullable(),
    conninfo: z.string().nullable(),
  }),
)

/** Reads the rows as the probe's statement gives them, by node id. `null` when they are anything else. */
export function parseRepmgrRows(raw: unknown): readonly RepmgrNodeRow[] | null {
  const parsed = RawRows.safeParse(raw)
  if (!parsed.success) return null
  return parsed.data.map(({ conninfo, ...row }) => ({
    ...row,
    address: conninfo === null ? null : parseConninfo(conninfo),
  }))
}

/** A member that repmgr knows: what to probe, and the id its rows use. A witness is one; it never gets sessions. */
export interface RepmgrMember extends NodeIdentity {
  readonly nodeId: number
  readonly type: RepmgrNodeRow['type']
}

/**
 * The members to probe, and the names of those whose row has no address. `active` does not count: repmgr last marked
 * it, and it does not mean that the node is dead.
 */
export function membersFromRows(rows: readonly RepmgrNodeRow[]): {
  readonly members: readonly RepmgrMember[]
  readonly withoutAddress: readonly string[]
} {
  const members: RepmgrMember[] = []
  const withoutAddress: string[] = []
  for (const { nodeId, nodeName, type, address } of rows) {
    if (address === null) withoutAddress.push(nodeName)
    else members.push({ name: nodeName, address, nodeId, type })
  }
  return { members, withoutAddress }
}

/**
 * Host and port of a libpq connection string, in either form. `hostaddr` beats `host`; of several hosts the first.
 * `null` when it names no host, or is not a connection string.
 */
export function parseConninfo(text: string): NodeAddress | null {
  const parameters = readConninfo(text)
  if (parameters === null) return null
  const host = firstOf(parameters.get('hostaddr')) ?? firstOf(parameters.get('host'))
  if (host === undefined || host.length > HOST_LENGTH_MAX || /\p{Cc}/u.test(host)) return null
  const portText = firstOf(parameters.get('port'))
  if (portText === undefined) return { host, port: PORT_DEFAULT }
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  return port >= 1 && port <= 65_535 ? { host, port } : null
}

/** The first of a comma-separated list; `undefined` when it is empty, which to libpq means "the default". */
function firstOf(list: string | undefined): string | undefined {
  const first = list?.split(',')[0]?.trim()
  return first === '' ? undefined : first
}
