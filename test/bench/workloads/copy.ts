/**
 * COPY of 1 GB out and in by psql, which neither reads nor writes a disk: the rows are made as they are sent, and thrown
 * away as they are read. Benchmark.
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type CommandFigures, runClient } from '../command-run.ts'
import { comparisonTable, type Metric, ratioTarget, type Sample } from '../report/compare.ts'
import { takeTurns } from '../rounds.ts'
import type { Workload } from '../workload.ts'

const ROW_BYTES = 1_000
const FULL_ROWS = 1_000_000
const QUICK_ROWS = 20_000

const METRICS: readonly Metric[] = [
  { key: 'mbPerSecond', title: 'MB/s', digits: 0 },
  { key: 'cpuPerGb', title: 'CPU of the proxy, s per GB', digits: 2 },
]

export const copy: Workload = {
  id: 'copy',
  run: async ({ stage, options, report }) => {
    const { folder, contenders, node } = await stage().then((open) => ({
      folder: open.folder,
      node: open.node,
      contenders: [...open.fewContenders(options.isQuick), ...open.contenders('HAProxy 256 KiB')],
    }))
    const rowCount = options.isQuick ? QUICK_ROWS : FULL_ROWS
    const gigabytes = (rowCount * ROW_BYTES) / 1e9
    const asSample = (name: string, { elapsedMs, cpuMs }: CommandFigures): Sample => {
      const mbPerSecond = (gigabytes * 1e6) / elapsedMs
      const cpuPerGb = cpuMs === null ? null : cpuMs / 1_000 / gigabytes
      report(`${name}: ${mbPerSecond.toFixed(0)} MB/s, CPU ${cpuPerGb?.toFixed(2) ?? '-'} s per GB`)
      return { mbPerSecond, cpuPerGb }
    }

    report(`COPY out of ${gigabytes} GB`)
    const statement = `COPY (SELECT repeat('x', ${ROW_BYTES - 1}) FROM generate_series(1, ${rowCount})) TO STDOUT`
    const out = await takeTurns(contenders, options.rounds, async (contender) =>
      asSample(contender.name, await runClient('psql', ['-X', '-q', '-c', statement], contender)),
    )

    report(`COPY in of ${gigabytes} GB`)
    await node.query('CREATE TABLE IF NOT EXISTS bench_copy (line text); GRANT ALL ON bench_copy TO public', {
      database: 'einvoice',
    })
    const path = join(folder, 'rows')
    writeRows(path, rowCount)
    const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', 'COPY bench_copy FROM STDIN WHERE false']
    const into = await takeTurns(contenders, options.rounds, async (contender) => {
      const input = openSync(path, 'r')
      try {
        return asSample(contender.name, await runClient('psql', args, contender, { input }))
      } finally {
        closeSync(input)
      }
    })
    rmSync(path)

    const limit = { kind: 'at-least', value: 0.97 } as const
    return {
      id: 'copy',
      title: 'COPY of 1 GB',
      notes: [
        `psql, ${rowCount.toLocaleString('en-US')} rows of ${ROW_BYTES} bytes. Out: rows made by the server as it sends them.`,
        'In: `WHERE false`, so that the server reads and parses every row and stores none.',
      ],
      tables: [comparisonTable('out', out, METRICS), comparisonTable('in', into, METRICS)],
      targets: [
        ratioTarget('COPY out against HAProxy', out, 'mbPerSecond', limit),
        ratioTarget('COPY in against HAProxy', into, 'mbPerSecond', limit),
      ],
    }
  },
}

function writeRows(path: string, rowCount: number): void {
  const block = Buffer.from(`${'x'.repeat(ROW_BYTES - 1)}\n`.repeat(1_000))
  const file = openSync(path, 'w')
  for (let written = 0; written < rowCount; written += 1_000) writeSync(file, block)
  closeSync(file)
}
