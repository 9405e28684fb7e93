import { describe, expect, it } from 'vitest'
import { LOGIN } from './fake-server.ts'
import { STARTUP, useRigs } from './session-rig.ts'

const startRig = useRigs()

describe('a dial for a session', () => {
  it('is told of when it is connected, once', async () => {
    const rig = await startRig()
    rig.decide({ primary: 'node1' })
    await rig.logIn('node1')

    expect(rig.dials).toEqual(['node1 connected'])
  })

  it('is told of with its error when it fails, and the next one as well', async () => {
    const rig = await startRig()
    await rig.server('node1').close()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    expect(rig.dials).toEqual(['node1 ECONNREFUSED'])
    rig.decide({ primary: 'node2' })
    const server = await rig.server('node2').connection(1)
    await server.got(STARTUP)
    server.send(LOGIN)
    await client.got(LOGIN)

    expect(rig.dials).toEqual(['node1 ECONNREFUSED', 'node2 connected'])
  })
})
