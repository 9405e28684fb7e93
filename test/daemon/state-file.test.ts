import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { StateFile } from '../../src/daemon/state-file.ts'
import type { PersistentState } from '../../src/ports.ts'

const STATE: PersistentState = {
  epoch: { systemIdentifier: '7311111111111111111', timelineId: 3, node: 'node2', at: '2026-01-01T00:00:00.000Z' },
  fenced: ['node1'],
}
const atTimeline = (timelineId: number): PersistentState => ({
  epoch: STATE.epoch === null ? null : { ...STATE.epoch, timelineId },
  fenced: [],
})

const folders: string[] = []
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-state-'))
  folders.push(folder)
  return folder
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

describe('StateFile', () => {
  it('gives back what was saved, to another process as well', async () => {
    const folder = makeFolder()
    await new StateFile(folder).save(STATE)

    expect(await new StateFile(folder).load()).toEqual({ kind: 'loaded', state: STATE })
  })

  it('is absent before the first start, and makes its directory then', async () => {
    const file = new StateFile(join(makeFolder(), 'var', 'lib'))
    const loaded = await file.load()
    expect(loaded).toEqual({ kind: 'absent' })
    await file.proveWritable(loaded)

    expect(await file.load()).toEqual({ kind: 'loaded', state: { epoch: null, fenced: [] } })
  })

  it('is not readable for everybody', async () => {
    const file = new StateFile(makeFolder())
    await file.save(STATE)

    expect(statSync(file.path).mode & 0o007).toBe(0)
  })

  it('keeps what it says when it is proved to be writable', async () => {
    const file = new StateFile(makeFolder())
    await file.save(STATE)
    await file.proveWritable(await file.load())

    expect(await file.load()).toEqual({ kind: 'loaded', state: STATE })
  })

  it('is unreadable wherever it is cut off', async () => {
    const file = new StateFile(makeFolder())
    await file.save(STATE)
    const whole = readFileSync(file.path)
    // The last byte is the end of the line.
    for (let length = 0; length < whole.length - 1; length += 1) {
      writeFileSync(file.path, whole.subarray(0, length))
      expect((await file.load()).kind, `${length} bytes`).toBe('unreadable')
    }
  })

  it.each<[string, unknown]>([
    ['another version', { version: 2, ...STATE }],
    ['no version', STATE],
    ['a timeline of 0', { version: 1, ...STATE, epoch: { ...STATE.epoch, timelineId: 0 } }],
    ['a timeline beyond 32 bits', { version: 1, ...STATE, epoch: { ...STATE.epoch, timelineId: 2 ** 32 } }],
    ['an identifier that is none', { version: 1, ...STATE, epoch: { ...STATE.epoch, systemIdentifier: '7x' } }],
    ['an identifier as a number', { version: 1, ...STATE, epoch: { ...STATE.epoch, systemIdentifier: 7 } }],
    ['no node', { version: 1, ...STATE, epoch: { ...STATE.epoch, node: '' } }],
    ['no fences', { version: 1, epoch: STATE.epoch }],
    ['a list', [1]],
    ['null', null],
  ])('is unreadable with %s', async (_, content) => {
    const file = new StateFile(makeFolder())
    writeFileSync(file.path, JSON.stringify(content))

    expect((await file.load()).kind).toBe('unreadable')
  })

  it('never rejects and believes nothing, whatever bytes it holds', async () => {
    const file = new StateFile(makeFolder())
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from)), async (bytes) => {
        writeFileSync(file.path, bytes)
        expect((await file.load()).kind).toBe('unreadable')
      }),
      { numRuns: 50 },
    )
  })

  it('is unreadable when something else stands in its place', async () => {
    const folder = makeFolder()
    const file = new StateFile(folder)
    const { mkdirSync } = await import('node:fs')
    mkdirSync(file.path)

    expect((await file.load()).kind).toBe('unreadable')
  })

  it('stays as it was for the operator to look at when it is unreadable, until there is something better', async () => {
    const file = new StateFile(makeFolder())
    writeFileSync(file.path, 'garbage')
    await file.proveWritable(await file.load())
    expect(readFileSync(file.path, 'utf8')).toBe('garbage')

    await file.save(STATE)
    expect(await file.load()).toEqual({ kind: 'loaded', state: STATE })
  })

  it('ends with the last of many saves at once, each on disk when its promise says so', async () => {
    const file = new StateFile(makeFolder())
    const seen: number[] = []
    const saves = Array.from({ length: 20 }, (_, index) =>
      file.save(atTimeline(index + 1)).then(() => seen.push(index + 1)),
    )
    await Promise.all(saves)

    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(await file.load()).toEqual({ kind: 'loaded', state: atTimeline(20) })
  })

  it('is whole at any moment: a reader sees one of the states, never half of one', async () => {
    const file = new StateFile(makeFolder())
    await file.save(atTimeline(1))
    let isSaving = true
    const saving = (async () => {
      for (let timelineId = 2; timelineId <= 30; timelineId += 1) await file.save(atTimeline(timelineId))
      isSaving = false
    })()
    let last = 0
    while (isSaving) {
      const loaded = await file.load()
      const timelineId = loaded.kind === 'loaded' ? (loaded.state.epoch?.timelineId ?? 0) : 0
      expect(timelineId).toBeGreaterThanOrEqual(Math.max(1, last))
      last = timelineId
    }
    await saving
  })

  it('leaves nothing beside itself', async () => {
    const folder = makeFolder()
    await new StateFile(folder).save(STATE)

    expect(readdirSync(folder)).toEqual(['state.json'])
  })

  it('rejects when a file stands in the place of its directory, and at a save as well as at the start', async () => {
    const place = join(makeFolder(), 'state')
    writeFileSync(place, '')
    const file = new StateFile(place)

    await expect(file.proveWritable({ kind: 'absent' })).rejects.toThrow(/EEXIST|ENOTDIR/)
    await expect(file.save(STATE)).rejects.toThrow(/ENOTDIR/)
  })

  it('saves again after a save has failed', async () => {
    const folder = makeFolder()
    const place = join(folder, 'state')
    const file = new StateFile(place)
    await expect(file.save(STATE)).rejects.toThrow(/ENOENT/)
    await file.proveWritable({ kind: 'absent' })
    await file.save(STATE)

    expect(await file.load()).toEqual({ kind: 'loaded', state: STATE })
  })
})
