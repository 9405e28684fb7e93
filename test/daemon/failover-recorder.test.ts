import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FailoverRecorder, type JournalStore } from '../../src/daemon/failover-recorder.ts'
import { JournalFile } from '../../src/daemon/journal-file.ts'
import { Admission } from '../../src/net/admission.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import { initialState } from '../../src/topology/topology-state.ts'
import { decide } from '../net/decision-builder.ts'
import { epochOf } from '../observability/journal-rig.ts'
import { waitFor } from '../support/condition.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-journal-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const EPOCH = epochOf('node1', 1)

/** A recorder as the daemon has it, over this store. */
async function startRecorder(file: JournalStore = new JournalFile(folder)) {
  const clock = new FakeClock(1000)
  const log = createMemoryLog()
  const registry = new SessionRegistry()
  const settings = { holdSessionsMax: 10, releaseRate: 100, decisionTtlMs: 5000 }
  const admission = new Admission({ clock, registry, settings })
  const changes: [number | null, number][] = []
  const onChange = (before: FailoverRecord | null, after: FailoverRecord) => {
    changes.push([before?.id ?? null, after.id])
  }
  const recorder = new FailoverRecorder({
    clock,
    logger: log.logger,
    file,
    sessions: () => ({
      size: registry.size,
      heldCount: admission.heldCount,
      totals: admission.totals,
      acceptedCount: registry.acceptedCount,
      endedCounts: registry.endedCounts,
      countOn: (node) => registry.countOn(node),
    }),
    onChange,
  })
  await recorder.restore(EPOCH)
  const state = { ...initialState(EPOCH, [], 0), settled: true }
  return {
    recorder,
    clock,
    log,
    changes,
    serve: () => recorder.takeDecision(decide({ primary: 'node1', at: clock.now() }), state),
    lose: () => recorder.takeDecision(decide({ primary: null, at: 0, reason: 'gone' }), state),
    records: () => recorder.list({ limit: 100 }).failovers,
  }
}

/** A disk that is told of. `failure` is what it says to every save. */
function fakeStore(records: readonly FailoverRecord[] = []) {
  const store = {
    path: '/failovers.json',
    failure: null as Error | null,
    saves: 0,
    saved: records,
    load: async () => ({ kind: 'loaded' as const, records: store.saved }),
    save: async (given: readonly FailoverRecord[]) => {
      store.saves += 1
      if (store.failure !== null) throw store.failure
      store.saved = given
    },
  }
  return store
}

function onDisk(): unknown {
  return JSON.parse(readFileSync(join(folder, 'failovers.json'), 'utf8'))
}

describe('the journal of the running proxy', () => {
  it('is on disk a moment after it has changed, and not before: routing does not wait for it', async () => {
    const store = fakeStore()
    const { clock, serve, lose, recorder } = await startRecorder(store)
    serve()
    expect(clock.pendingCount).toBe(0)
    lose()
    expect(store.saves).toBe(0)
    await clock.advanceSettled(300)
    expect(store.saved).toMatchObject([{ id: 1, state: 'in-progress', reason: 'gone' }])
    await recorder.close()
  })

  it('tells of each change, with what the record was before', async () => {
    const { serve, lose, changes, recorder } = await startRecorder(fakeStore())
    serve()
    lose()
    serve()
    serve()
    lose()
    expect(changes).toEqual([
      [null, 1],
      [1, 1],
      [null, 2],
    ])
    await recorder.close()
  })

  it('is written once for many changes, one save at a time', async () => {
    const store = fakeStore()
    const { clock, serve, lose, recorder } = await startRecorder(store)
    for (let turn = 0; turn < 10; turn += 1) {
      serve()
      lose()
      clock.advance(20)
    }
    await clock.advanceSettled(300)
    expect([store.saves, store.saved.length]).toEqual([1, 10])
    await recorder.close()
  })

  it('goes on after a restart, with what was in progress interrupted', async () => {
    const first = await startRecorder()
    first.serve()
    first.lose()
    await first.clock.advanceSettled(300)
    await waitFor('the file', () => readdirSync(folder).includes('failovers.json'))
    // Killed here: nobody closes it.
    const second = await startRecorder()
    expect(second.records()).toMatchObject([{ id: 1, state: 'interrupted' }])
    second.lose()
    await second.recorder.close()
    expect(onDisk()).toMatchObject({
      version: 1,
      failovers: [
        { id: 1, state: 'interrupted' },
        { id: 2, state: 'interrupted' },
      ],
    })
  })

  it('says once that it cannot be written, keeps what it knows, and writes it when it can', async () => {
    const store = fakeStore()
    store.failure = new Error('ENOSPC: no space left on device')
    const { clock, log, serve, lose, records, recorder } = await startRecorder(store)
    for (let turn = 0; turn < 3; turn += 1) {
      serve()
      lose()
      await clock.advanceSettled(300)
    }
    expect(store.saves).toBe(3)
    expect(log.news()).toEqual([
      'warn the failover journal cannot be written: it is kept in memory, and tried again when it changes',
    ])
    expect(records().length).toBe(3)
    store.failure = null
    serve()
    await clock.advanceSettled(300)
    expect(store.saved.length).toBe(3)
    store.failure = new Error('ENOSPC')
    lose()
    await clock.advanceSettled(300)
    expect(log.news().length).toBe(1)
    await recorder.close()
  })
})

describe('the journal file', () => {
  it.each([
    ['{"version":1,"failovers":[{"id"', 'it is not JSON'],
    ['{"version":2,"failovers":[]}', 'it is not a failover journal of this version'],
    ['{"version":1,"failovers":[{"id":1}]}', 'it is not a failover journal of this version'],
  ])('that holds %s is moved aside with a warning, and a new one begins', async (text, problem) => {
    writeFileSync(join(folder, 'failovers.json'), text)
    const { log, lose, recorder } = await startRecorder()
    const keptAs = join(folder, 'failovers.json.unreadable')
    expect(log.lines).toMatchObject([{ msg: expect.stringContaining('was moved aside'), problem, keptAs }])
    expect(readFileSync(keptAs, 'utf8')).toBe(text)
    lose()
    await recorder.close()
    expect(onDisk()).toMatchObject({ failovers: [{ id: 1 }] })
  })

  it('that can be neither read nor moved is never written over', async () => {
    const store = fakeStore()
    const unreadable = { kind: 'unreadable' as const, problem: 'EACCES', keptAs: null }
    const { log, clock, lose, recorder } = await startRecorder({ ...store, load: async () => unreadable })
    expect(log.news()).toEqual([
      'warn the failover journal is unreadable and cannot be moved aside: this run is not recorded on disk',
    ])
    lose()
    await clock.advanceSettled(10_000)
    await recorder.close()
    expect([store.saves, clock.pendingCount]).toEqual([0, 0])
  })

  it('is whole at any moment, readable for the owner and its group alone', async () => {
    const file = new JournalFile(folder)
    await file.save([])
    expect(statSync(file.path).mode & 0o007).toBe(0)
    expect(readdirSync(folder)).toEqual(['failovers.json'])
    expect(await file.load()).toEqual({ kind: 'loaded', records: [] })
  })

  it('in a folder that is gone is absent, and a save says so', async () => {
    const store = new JournalFile(join(folder, 'missing'))
    expect(await store.load()).toEqual({ kind: 'absent' })
    await expect(store.save([])).rejects.toThrow('ENOENT')
  })
})
