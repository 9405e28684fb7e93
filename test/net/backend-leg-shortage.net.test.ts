import type { LookupFunction } from 'node:net'
import { describe, expect, it } from 'vitest'
import { STARTUP, useRigs } from './session-rig.ts'

const startRig = useRigs()

/** Look-ups that fail as everything fails when no descriptor is left. */
const exhausted =
  (code: string): LookupFunction =>
  (_name, _options, callback) =>
    callback(Object.assign(new Error(`getaddrinfo ${code}`), { code }), [])

describe('a dial without a file descriptor', () => {
  it.each(['EMFILE', 'ENFILE'])(
    'ends the session as one too many and is no doubt about the node (%s)',
    async (code) => {
      const rig = await startRig({ lookup: exhausted(code) })
      rig.addresses.set('node1', { host: 'node1.example', port: 5432 })
      rig.decide({ primary: 'node1' })
      const { error } = await rig.connect(STARTUP).endedWith()

      expect(error).toBe('FATAL 53300 sorry, too many clients already')
      await rig.isEmpty()
      expect(rig.ended).toEqual({ 'out-of-descriptors': 1 })
      expect([rig.dials, rig.hints]).toEqual([[`node1 ${code}`], []])
      // No doubt: the next one is routed there at once.
      rig.addresses.delete('node1')
      await rig.logIn('node1')
    },
  )
})
