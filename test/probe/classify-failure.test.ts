import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { asServerError, classifyFailure, ProbeError, timeoutFailure } from '../../src/probe/classify-failure.ts'
import { PROBE_STAGES } from '../../src/probe/monitor-access.ts'
import { FAILURE_CLASSES } from '../../src/topology/observation.ts'

function systemError(code: string, message = `connect ${code} 127.0.0.1:5432`): Error {
  return Object.assign(new Error(message), { code })
}

function serverError(code: string, message: string, severity = 'FATAL'): Error {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code, severity })
}

describe('classifyFailure', () => {
  it.each([
    ['ECONNREFUSED', 'refused'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['ETIMEDOUT', 'timeout'],
    ['EHOSTUNREACH', 'timeout'],
    ['ENETUNREACH', 'timeout'],
    ['EMFILE', 'timeout'],
    ['CERT_HAS_EXPIRED', 'auth'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'auth'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'auth'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'auth'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'protocol'],
  ])('takes %s of the socket for %s', (code, failure) => {
    expect(classifyFailure(systemError(code))).toEqual({ failure, detail: expect.stringContaining(code) })
  })

  it('takes a missing Unix socket for a postmaster that is gone, and a closed door for a missing permission', () => {
    expect(classifyFailure(systemError('ENOENT', 'connect ENOENT /run/.s.PGSQL.5432')).failure).toBe('refused')
    expect(classifyFailure(systemError('EACCES', 'connect EACCES /run/.s.PGSQL.5432')).failure).toBe('permission')
    expect(classifyFailure(systemError('EACCES')).failure).toBe('timeout')
  })

  it.each([
    ['57P03', 'the database system is shutting down', 'shutting-down'],
    ['57P03', 'the database system is starting up', 'starting-up'],
    ['57P03', 'the database system is in recovery mode', 'recovering'],
    ['57P03', 'the database system is not yet accepting connections', 'recovering'],
    ['57P03', 'the database system is not accepting connections', 'recovering'],
    ['57P01', 'terminating connection due to administrator command', 'reset'],
    ['57P02', 'terminating connection because of crash of another server process', 'reset'],
    ['57P05', 'terminating connection due to idle-session timeout', 'reset'],
    ['57014', 'canceling statement due to statement timeout', 'timeout'],
    ['53300', 'sorry, too many clients already', 'too-many-connections'],
    ['53200', 'out of memory', 'too-many-connections'],
    ['28P01', 'password authentication failed for user "pgha"', 'auth'],
    ['28000', 'no pg_hba.conf entry for host "127.0.0.1"', 'auth'],
    ['3D000', 'database "repmgr" does not exist', 'auth'],
    ['42501', 'permission denied for function pg_control_system', 'permission'],
    ['XX000', 'something went wrong', 'protocol'],
    ['08P01', 'invalid startup packet', 'protocol'],
  ])('takes %s "%s" for %s', (code, message, failure) => {
    expect(classifyFailure(serverError(code, message))).toEqual({
      failure,
      detail: expect.stringContaining(`${code}: ${message}`),
    })
  })

  it('takes 57P03 in another language for the neutral class', () => {
    expect(classifyFailure(serverError('57P03', 'das Datenbanksystem fährt herunter')).failure).toBe('recovering')
  })

  it('tells what to do about a monitoring database that does not exist', () => {
    expect(classifyFailure(serverError('3D000', 'database "x" does not exist')).detail).toContain('monitor.database')
  })

  it('is refused only when every address refused, else the vaguest of them', () => {
    const refused = systemError('ECONNREFUSED')
    const both = (other: Error) => classifyFailure(new AggregateError([refused, other], '')).failure
    expect(both(systemError('ECONNREFUSED'))).toBe('refused')
    expect(both(systemError('ETIMEDOUT'))).toBe('timeout')
    expect(both(systemError('ENETUNREACH'))).toBe('timeout')
    expect(both(systemError('ECONNRESET'))).toBe('reset')
  })

  it('does not take a code of Node for an SQLSTATE', () => {
    expect(asServerError(systemError('EPIPE'))).toBeNull()
  })

  it('keeps the class that an error brought along', () => {
    expect(classifyFailure(new ProbeError('auth', 'no password'))).toEqual({ failure: 'auth', detail: 'no password' })
  })

  it('takes the password out of the line, wherever it stands and however long the line is', () => {
    const tell = (text: string, secret: string | null) => classifyFailure(serverError('28P01', text), secret).detail
    expect(tell('no a$b, not a$b', 'a$b')).toBe('28P01: no ***, not ***')
    expect(tell('no a  b', 'a  b')).toBe('28P01: no ***')
    expect(tell(`${'x'.repeat(285)} secret`, 'secret')).not.toContain('sec')
    expect(tell('line', null)).toBe('28P01: line')
    expect(tell('line', '')).toBe('28P01: line')
  })

  it('gives one short line and one of the known classes for whatever is thrown', () => {
    const anyError = fc.oneof(
      fc.anything(),
      fc
        .tuple(fc.string(), fc.string({ unit: 'binary', maxLength: 2000 }))
        .map(([code, text]) => systemError(code, text)),
      fc
        .tuple(fc.string(), fc.string({ unit: 'binary', maxLength: 2000 }))
        .map(([code, text]) => serverError(code, text)),
      fc.array(fc.anything()).map((errors) => new AggregateError(errors)),
    )
    fc.assert(
      fc.property(anyError, (error) => {
        const { failure, detail } = classifyFailure(error)
        expect(FAILURE_CLASSES).toContain(failure)
        expect(detail).not.toMatch(/[\p{Cc}]/u)
        expect(detail.length).toBeLessThanOrEqual(300)
      }),
    )
  })
})

describe('timeoutFailure', () => {
  it('blames the resolver for a name that never resolved, and the node for every later silence', () => {
    const classes = PROBE_STAGES.map((stage) => timeoutFailure(stage, 1000).failure)
    expect(classes).toEqual(['dns', 'timeout', 'timeout', 'timeout', 'timeout'])
  })

  it('tells the stage and the limit', () => {
    expect(timeoutFailure('query', 250).detail).toBe('logged in, but no answer to the query within 250 ms')
  })
})
