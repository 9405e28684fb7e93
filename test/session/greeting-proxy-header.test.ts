import { describe, expect, it } from 'vitest'
import { Greeting, type GreetingStep } from '../../src/session/greeting.ts'
import { TCP4, TCP4_V2, V2_LOCAL, version2 } from '../protocol/proxy-header-bytes.ts'
import { everyCut, firstPacket, PROTOCOL_3_0, parameters } from '../protocol/wire-bytes.ts'

const SSL = firstPacket(80_877_103)
const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app']))
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')

/** All steps of a greeting that awaits a header, fed with these chunks as a session does. */
function stepsOf(chunks: readonly Buffer[]): GreetingStep[] {
  const greeting = new Greeting({ tlsMode: 'passthrough', awaitsProxyHeader: true })
  const steps: GreetingStep[] = []
  for (const chunk of chunks) {
    let step = greeting.take(chunk)
    if (step.kind === 'introduced') {
      steps.push(step)
      step = greeting.take()
    }
    if (step.kind !== 'incomplete') steps.push(step)
  }
  return steps
}

describe('a greeting that awaits a PROXY header', () => {
  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_V2],
  ])('learns the client, and loses nothing of what is behind the header: %s', (_, header) => {
    for (const chunks of [[header, STARTUP], ...everyCut(Buffer.concat([header, STARTUP]))]) {
      expect(stepsOf(chunks)).toEqual([
        { kind: 'introduced', client: { address: '203.0.113.7', port: 56_324 } },
        { kind: 'request', request: { kind: 'startup-message', bytes: STARTUP } },
      ])
    }
  })

  it.each<[string, Buffer, string]>([
    ['direct TLS', CLIENT_HELLO, 'direct-tls'],
    ['an SSLRequest', SSL, 'ssl-request'],
  ])('takes %s behind it', (_, first, kind) => {
    expect(stepsOf([Buffer.concat([TCP4, first])])[1]).toEqual({ kind: 'request', request: { kind, bytes: first } })
  })

  it('takes a health check that ends there', () => {
    expect(stepsOf([version2(V2_LOCAL, 0)])).toEqual([{ kind: 'introduced', client: null }])
  })

  it('takes one header and no second', () => {
    expect(stepsOf([TCP4, TCP4])[1]).toMatchObject({ kind: 'refuse', reason: { kind: 'malformed-startup' } })
  })

  it('refuses a client that comes without', () => {
    expect(stepsOf([STARTUP])).toEqual([
      { kind: 'refuse', reason: { kind: 'no-proxy-header', problem: 'the connection does not begin with one' } },
    ])
  })

  it('says what was missing when the client goes no further', () => {
    const greeting = new Greeting({ tlsMode: 'passthrough', awaitsProxyHeader: true })
    expect(greeting.unfinished('end')).toEqual({ kind: 'client-left-early' })
    expect(greeting.unfinished('timeout')).toMatchObject({ kind: 'no-proxy-header' })
    greeting.take(TCP4.subarray(0, 9))
    expect(greeting.unfinished('end')).toEqual({ kind: 'no-proxy-header', problem: 'it was cut off' })
    greeting.take(TCP4.subarray(9))
    expect([greeting.unfinished('end'), greeting.unfinished('timeout')]).toEqual([
      { kind: 'client-left-early' },
      { kind: 'startup-timeout' },
    ])
  })
})

describe('a greeting that awaits none', () => {
  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_V2],
  ])('takes a header for the malformed startup packet that it is: %s', (_, header) => {
    const step = new Greeting({ tlsMode: 'passthrough' }).take(Buffer.concat([header, STARTUP]))
    expect(step).toEqual({ kind: 'refuse', reason: { kind: 'malformed-startup', problem: 'length out of bounds' } })
  })
})
