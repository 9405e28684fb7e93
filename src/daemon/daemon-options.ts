/** What the daemon is made of that comes from outside: composition layer. */
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Clock } from '../ports.ts'
import type { Observer } from './observer.ts'
import type { Predecessor } from './predecessor.ts'
import type { Program } from './successor.ts'
import type { SystemdEnvironment } from './systemd-environment.ts'

export interface DaemonOptions {
  readonly config: Config
  /** The admin token, read from its file already; `null`: orders are off. */
  readonly adminToken: string | null
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  /** How many files this process may have open; left out: not known. */
  readonly readDescriptorLimit?: () => number | null
  /** What systemd has handed over, and wants to be told; left out: nothing. */
  readonly systemd?: SystemdEnvironment
  /** The running process that this one takes over from; left out: none. */
  readonly predecessor?: Predecessor | null
  /** What takes over from this one, at an order to upgrade; left out: the program that runs. */
  readonly program?: Program
  /** Is told of every decision, and answers for what it has added up; left out: nobody. */
  readonly observer?: Observer
}
