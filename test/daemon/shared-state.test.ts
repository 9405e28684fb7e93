import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SharedState } from '../../src/daemon/shared-state.ts'
import { StateFile } from '../../src/daemon/state-file.ts'
import type { PersistentState } from '../../src/ports.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-shared-state-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

function stateAt(timelineId: number, node = 'node1', fenced: readonly string[] = []): PersistentState {
  return { epoch: { systemIdentifier: '7', timelineId, node, at: '2026-01-01T00:00:00.000Z' }, fenced }
}

function setUp(position: 'leads' | 'follows', known = stateAt(1)) {
  const saved: PersistentState[] = []
  const told: PersistentState[] = []
  const file = new StateFile(folder)
  const state = new SharedState({
    file,
    position,
    onSaved: (each) => saved.push(each),
    onTold: (each) => told.push(each),
  })
  state.begin(known)
  return { state, saved, told, file }
}

const onDisk = () => JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as PersistentState

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const turns = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve('pending'))))
  return (await Promise.race([promise, turns])) === 'pending'
}

describe('the state of the process that leads', () => {
  it('is on disk before the others are told', async () => {
    const { state, saved } = setUp('leads')
    await state.save(stateAt(2, 'node2'))
    expect(onDisk()).toMatchObject(stateAt(2, 'node2'))
    expect([saved, state.known]).toEqual([[stateAt(2, 'node2')], stateAt(2, 'node2')])
  })

  it('is complete when it is handed over: what was being written is written', async () => {
    const { state } = setUp('leads')
    const saving = state.save(stateAt(2, 'node2'))
    expect(await state.follow()).toEqual(stateAt(2, 'node2'))
    await saving
  })
})

describe('the state of a process that follows', () => {
  it('is never written by it: a save waits for the word of the one that leads', async () => {
    const { state, saved, told } = setUp('follows')
    const saving = state.save(stateAt(2, 'node2'))
    state.take(stateAt(1, 'node1', ['node3']))
    expect(await isPending(saving)).toBe(true)
    state.take(stateAt(2, 'node2', ['node3']))
    await saving
    expect(told).toEqual([stateAt(1, 'node1', ['node3']), stateAt(2, 'node2', ['node3'])])
    expect(saved).toEqual([])
    expect(onDisk).toThrow('ENOENT')
  })

  it('is written by it when it leads, also what waited until then', async () => {
    const { state } = setUp('follows')
    const saving = state.save(stateAt(2, 'node2'))
    state.lead()
    await saving
    expect(onDisk()).toMatchObject(stateAt(2, 'node2'))
    state.take(stateAt(9))
    expect(state.known).toEqual(stateAt(2, 'node2'))
  })
})

describe('the state of a process whose leader is gone', () => {
  it('is raised, and fences are left as they are', async () => {
    const { state, file } = setUp('follows')
    await file.save(stateAt(1, 'node1', ['node3']))
    state.orphan()
    await state.save(stateAt(2, 'node2'))
    expect(onDisk()).toMatchObject(stateAt(2, 'node2', ['node3']))
  })

  it.each([stateAt(2, 'node3', ['node1']), stateAt(3, 'node3')])('is not lowered: %j on disk holds', async (found) => {
    const { state, told, saved, file } = setUp('follows')
    await file.save(found)
    state.orphan()
    await state.save(stateAt(2, 'node2'))
    expect(onDisk()).toMatchObject(found)
    expect([told, saved]).toEqual([[found], []])
  })
})
