/**
 * Looks at how a hostile session ended: the close reason in the log, its counter, and a neighbour that loses nothing.
 * Test support.
 */
import { expect } from 'vitest'
import { frameNaively } from '../protocol/wire-bytes.ts'
import type { HostileForm } from './hostile-forms.ts'
import type { StreamingNeighbour } from './neighbour.ts'
import type { ProxyScene } from './scene.ts'

export class HostileWatch {
  readonly #scene: ProxyScene
  readonly #neighbour: StreamingNeighbour
  #since = 0
  #before = 0

  constructor(scene: ProxyScene, neighbour: StreamingNeighbour) {
    this.#scene = scene
    this.#neighbour = neighbour
  }

  /** Call before the first byte is sent. */
  async begin({ counted }: HostileForm): Promise<void> {
    this.#since = this.#scene.proxy.log.length
    this.#before = await this.#scene.endedCount(counted)
  }

  /** The session is over: `words` is all that it was told, without letters and alerts. */
  async end({ told, counted }: HostileForm, words: Buffer, sessions = 1): Promise<void> {
    const { messages, rest } = frameNaively(words)
    const said = messages.filter(({ type }) => type === 'E').map(({ payload }) => wordsOf(payload))
    expect([said, rest.length]).toEqual([told === null ? [] : [told], 0])
    const isIt = ({ msg, reason }: Readonly<Record<string, unknown>>) => msg === 'session ended' && reason === counted
    await this.#scene.proxy.waitForLog(`a session that ended as ${counted}`, isIt, { since: this.#since })
    await this.#scene.waitForStatus('it to be counted', (status) => {
      return status.sessions.ended[counted] === this.#before + sessions
    })
    await this.#neighbour.waitForMore(100)
    expect(this.#neighbour.problems).toEqual([])
  }
}

/** `SQLSTATE message` of an ErrorResponse. */
function wordsOf(payload: Buffer): string {
  const fields = payload.toString().split('\0')
  return ['C', 'M'].map((type) => fields.find((each) => each.startsWith(type))?.slice(1)).join(' ')
}
