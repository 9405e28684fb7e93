/**
 * What a process leaves to the one that takes over from it: listening sockets, what is on disk, where to report. Composition
 * layer. The sockets are inherited as descriptors, the rest stands in one variable of the environment, which is removed
 * once read, so that no other child takes it for its own. systemd's own variables would not do: they name a process that
 * is not known before it is there.
 */
import type { StdioOptions } from 'node:child_process'
import { z } from 'zod'
import { StartError } from './start-error.ts'
import { PERSISTENT_STATE_SCHEMA } from './state-file.ts'
import type { SystemdEnvironment } from './systemd-environment.ts'

const VARIABLE = 'PGHA_PROXY_INHERITANCE'
/** After standard input, output and error: by which whoever starts the heir says what its pid is. Closed for the heir. */
export const PID_FD = 3
const FIRST_FD = 4

const FD_SCHEMA = z.int().min(FIRST_FD)
const ADDRESSED_SCHEMA = z.object({ address: z.string(), fd: FD_SCHEMA })

const SCHEMA = z.object({
  format: z.literal(1),
  pid: z.int(),
  version: z.string(),
  /** ISO 8601. */
  startedAt: z.string(),
  listeners: z.array(ADDRESSED_SCHEMA).readonly(),
  passed: z.array(z.object({ name: z.string(), fd: FD_SCHEMA })).readonly(),
  admin: ADDRESSED_SCHEMA.nullable(),
  notifySocket: z.string().nullable(),
  watchdogMs: z.number().positive().nullable(),
  state: PERSISTENT_STATE_SCHEMA,
})

export type Inheritance = Omit<z.infer<typeof SCHEMA>, 'format'>

/** How to start the heir. */
export interface Legacy {
  readonly environment: Readonly<Record<string, string>>
  readonly stdio: StdioOptions
}

/** The descriptors in it are those of this process; the heir has them under numbers of its own. */
export function bequeath(inheritance: Inheritance): Legacy {
  const fds: number[] = []
  const numbered = <T extends { readonly fd: number }>(socket: T): T => {
    fds.push(socket.fd)
    return { ...socket, fd: FIRST_FD + fds.length - 1 }
  }
  const left = {
    format: 1,
    ...inheritance,
    listeners: inheritance.listeners.map(numbered),
    passed: inheritance.passed.map(numbered),
    admin: inheritance.admin === null ? null : numbered(inheritance.admin),
  }
  return {
    environment: { [VARIABLE]: JSON.stringify(left) },
    stdio: ['inherit', 'inherit', 'inherit', 'pipe', ...fds, 'ipc'],
  }
}

/**
 * Reads the variable and removes it; `null` for a process that takes over from nobody. Throws a StartError when it was
 * written by a version that is too different.
 */
export function takeInheritance(environment: Record<string, string | undefined>): Inheritance | null {
  const text = environment[VARIABLE]
  delete environment[VARIABLE]
  if (text === undefined) return null
  const parsed = SCHEMA.safeParse(parseJson(text))
  if (parsed.success) {
    const { format: _, ...inheritance } = parsed.data
    return inheritance
  }
  throw new StartError(
    'what the running proxy hands over is not understood: the versions are too different',
    'restart the proxy for this upgrade',
    parsed.error,
  )
}

/** As if systemd had said it to this process. */
export function inheritedSystemd({ notifySocket, watchdogMs, passed }: Inheritance): SystemdEnvironment {
  return { notifySocket, watchdogMs, sockets: passed, socketsOfPid: null }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
