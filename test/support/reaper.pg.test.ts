import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from './condition.ts'
import { leftOut } from './left-out.ts'
import { findBinaries } from './postgres-binaries.ts'
import { isAlive, killTree } from './process-tree.ts'

const PROGRAM = `
  const { createCluster } = await import(process.argv[1])
  const cluster = await createCluster({ nodes: 2 })
  console.log(JSON.stringify(cluster.nodes.map(({ pid, folder }) => ({ pid, folder }))))
  if (process.argv[2] === 'throw') throw new Error('as a test might')
  setInterval(() => {}, 1000)
`
const any = findBinaries('any')
let leftovers: readonly { readonly pid: number; readonly folder: string }[] = []

describe.skipIf(leftOut('reaper', 'missing' in any ? any.missing : true))('the reaper', () => {
  afterEach(() => {
    for (const { pid } of leftovers) if (isAlive(pid)) killTree(pid)
  })

  for (const end of ['SIGKILL', 'SIGINT', 'throw'] as const) {
    it(`removes servers and folders of a test run that ended by ${end}`, async () => {
      const module = new URL('./postgres-cluster.ts', import.meta.url).href
      const run = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, module, end], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [line] = await new Promise<string[]>((resolve) => {
        createInterface({ input: run.stdout }).once('line', (text) => resolve([text]))
      })
      leftovers = JSON.parse(line ?? '[]')
      expect(leftovers).toHaveLength(2)
      if (end !== 'throw') run.kill(end)
      await waitFor(
        'nothing to be left',
        () => leftovers.filter((each) => isAlive(each.pid) || existsSync(each.folder)),
        {
          until: (left) => left.length === 0,
        },
      )
    })
  }
})
