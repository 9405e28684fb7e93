/**
 * Keeps the process from running out of file descriptors: knows the limit of open files, what fits into it, and closes
 * the door before it is reached. Composition layer. Says what an operator has to know, each thing once.
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { Door } from '../net/door.ts'
import type { SessionRegistry } from '../net/session-registry.ts'
import { type DescriptorBudget, descriptorBudget, descriptorsFor } from '../session/descriptor-budget.ts'

export interface DescriptorGuardOptions {
  /** How many files this process may have open now; `null` when that is not known. */
  readonly readLimit: () => number | null
  readonly registry: Pick<SessionRegistry, 'descriptorCount' | 'turnAway' | 'size'>
  readonly logger: Logger
}

export class DescriptorGuard {
  readonly #options: DescriptorGuardOptions
  readonly #door: Door
  #budget: DescriptorBudget = descriptorBudget(null)

  constructor(options: DescriptorGuardOptions) {
    const { registry, logger } = options
    this.#options = options
    this.#door = new Door({
      registry,
      budget: () => this.#budget,
      onShut: (descriptorCount) =>
        logger.error(
          { descriptors: descriptorCount, sessions: registry.size, hint: 'raise the limit of open files' },
          'file descriptors run out: new connections are closed at once, running sessions go on',
        ),
      onOpened: (turnedAway) =>
        logger.info({ turnedAway }, 'file descriptors are free again: new connections are taken'),
    })
  }

  /** Sessions that fit. */
  get sessionsMax(): number {
    return this.#budget.sessionsMax
  }

  /** For each connection once. `false`: it is counted, and to be closed. */
  admits(socket: Socket): boolean {
    return this.#door.admits(socket)
  }

  /** Reads the limit anew, and says when not all the sessions that the configuration allows fit into it. */
  check(maxSessions: number): void {
    const limit = this.#options.readLimit()
    this.#budget = descriptorBudget(limit)
    const { sessionsMax } = this.#budget
    if (limit === null || sessionsMax >= maxSessions) return
    const needed = descriptorsFor(maxSessions)
    // Where only our own reserve is missing, nearly all fit: worth a line, and no alarm.
    const level = 2 * maxSessions > limit ? 'warn' : 'info'
    this.#options.logger[level](
      {
        openFiles: limit,
        problem: `limits.max_sessions is ${maxSessions}, but only ${sessionsMax} sessions fit into ${limit} open files`,
        hint: `allow ${needed}: LimitNOFILE=${needed} (systemd), --ulimit nofile=${needed} (Docker), ulimit -n ${needed}`,
      },
      'the limit of open files is too low',
    )
  }
}

/** Node has raised it to the hard limit at its start. `null` where the system does not say so (no Linux). */
export function readDescriptorLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
