/**
 * The process in which the fronts of the soak live: one for each node, started, cut off and promoted by orders over IPC.
 * Test support.
 */
import process from 'node:process'
import { Front, type FrontOptions, type FrontRole } from './front.ts'

export type FrontCommand =
  | { readonly id: number; readonly kind: 'add'; readonly node: string; readonly options: FrontOptions }
  | { readonly id: number; readonly kind: 'down'; readonly node: string }
  | { readonly id: number; readonly kind: 'up'; readonly node: string; readonly role: FrontRole }
  | { readonly id: number; readonly kind: 'promote'; readonly node: string; readonly role: FrontRole }
  | { readonly id: number; readonly kind: 'open-count' }

const fronts = new Map<string, Front>()

process.on('message', (command: FrontCommand) => {
  carryOut(command).then(
    (report) => process.send?.({ id: command.id, report, error: null }),
    (error: unknown) => process.send?.({ id: command.id, report: null, error: String((error as Error).stack) }),
  )
})
process.on('disconnect', () => process.exit())

async function carryOut(command: FrontCommand): Promise<unknown> {
  switch (command.kind) {
    case 'add': {
      const front = new Front(command.options)
      fronts.set(command.node, front)
      return await front.up()
    }
    case 'down':
      return await named(command.node).down()
    case 'up':
      named(command.node).role = command.role
      return await named(command.node).up()
    case 'promote':
      named(command.node).role = command.role
      return null
    case 'open-count':
      return [...fronts.values()].reduce((sum, front) => sum + front.openCount, 0)
  }
}

function named(node: string): Front {
  const front = fronts.get(node)
  if (front === undefined) throw new Error(`there is no front of ${node}`)
  return front
}
