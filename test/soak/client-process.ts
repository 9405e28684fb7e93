/**
 * The process in which one kind of clients of the soak lives, so that their work is not taken for the coordinator's. It
 * takes orders over IPC and ends when nobody gives any more. Test support; client-fleet.ts is its other end.
 */
import process from 'node:process'
import { PassingClients, type PassingOrder } from './passing-clients.ts'
import { RudeClients, type RudeOrder } from './rude-clients.ts'
import { StandingClients, type StandingOrder } from './standing-clients.ts'

/** What the coordinator says. One fleet at a time: `start`, any number of `report`, then `finished` or `close`. */
export type FleetCommand =
  | { readonly id: number; readonly kind: 'start'; readonly order: FleetOrder }
  | { readonly id: number; readonly kind: 'report' | 'finished' | 'close' }

export type FleetOrder =
  | { readonly kind: 'standing'; readonly order: StandingOrder }
  | { readonly kind: 'passing'; readonly order: PassingOrder }
  | { readonly kind: 'rude'; readonly order: RudeOrder }

/** The answer to the command of that number. */
export interface FleetAnswer {
  readonly id: number
  readonly report: unknown
  readonly error: string | null
}

type Fleet = StandingClients | PassingClients | RudeClients
let fleet: Fleet | null = null

process.on('message', (command: FleetCommand) => {
  carryOut(command).then(
    (report) => answer({ id: command.id, report, error: null }),
    (error: unknown) => answer({ id: command.id, report: null, error: String((error as Error).stack) }),
  )
})
process.on('disconnect', () => process.exit())

async function carryOut(command: FleetCommand): Promise<unknown> {
  if (command.kind === 'start') {
    if (fleet !== null) throw new Error('there are clients already')
    fleet = start(command.order)
    return null
  }
  if (fleet === null) return null
  if (command.kind === 'report') return fleet.report()
  const report = command.kind === 'finished' && 'finished' in fleet ? await fleet.finished() : await fleet.close()
  fleet = null
  return report
}

function start({ kind, order }: FleetOrder): Fleet {
  switch (kind) {
    case 'standing':
      return new StandingClients(order)
    case 'passing':
      return new PassingClients(order)
    case 'rude':
      return new RudeClients(order)
  }
}

function answer(message: FleetAnswer): void {
  process.send?.(message)
}
