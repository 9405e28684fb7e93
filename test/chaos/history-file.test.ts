import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseLsn } from '../../src/topology/lsn.ts'
import type { HistoryEvent } from './history.ts'
import { HistoryWriter, loadFinalState, readHistory, writeFinalState } from './history-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgha-history-'))

afterAll(() => rmSync(folder, { recursive: true }))

function phase(at: number): HistoryEvent {
  return { kind: 'phase', at, episode: 1, phase: 'healed', detail: '' }
}

describe('history on disk', () => {
  it('is put together from all files by its times; a last line may be torn, another not', async () => {
    const [one, two] = [new HistoryWriter(folder, 'one'), new HistoryWriter(folder, 'two')]
    one.write(phase(3))
    two.write(phase(2))
    one.write(phase(4))
    two.write(phase(1))
    one.close()
    one.close()
    one.write(phase(5))
    two.close()
    appendFileSync(join(folder, 'one.jsonl'), '{"kind":"phase","at":')
    expect(await readHistory(folder)).toEqual({ events: [1, 2, 3, 4].map(phase), malformed: [] })
    appendFileSync(join(folder, 'one.jsonl'), '\n')
    const { events, malformed } = await readHistory(folder)
    expect(events).toHaveLength(4)
    expect(malformed).toEqual([expect.stringMatching(/^one\.jsonl:3: /)])
    appendFileSync(join(folder, 'one.jsonl'), `${JSON.stringify(phase(6))}\n`)
    expect((await readHistory(folder)).malformed).toHaveLength(1)
  })

  it('has the final state beside it, or none', () => {
    expect(loadFinalState(folder)).toBeNull()
    const endLsn = parseLsn('1/ABC')
    if (endLsn === null) throw new Error('an LSN')
    const final = { node: 'node2', timelineId: 2, forks: [{ timelineId: 1, endLsn }], rows: [] }
    writeFinalState(folder, final)
    expect(loadFinalState(folder)).toEqual(final)
  })
})
