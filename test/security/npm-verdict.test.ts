import { describe, expect, it } from 'vitest'
import { readAdvisories, readSignatures } from './npm-verdict.ts'

const METADATA = { dependencies: { total: 48 } }

const report = (vulnerabilities: object): string =>
  JSON.stringify({ auditReportVersion: 2, vulnerabilities, metadata: METADATA })

const ADVISED = report({
  yaml: {
    severity: 'moderate',
    range: '<2.9.0',
    via: [{ title: 'Deep nesting exhausts the stack', url: 'https://example.test/1' }],
  },
  outer: { severity: 'low', range: '*', via: ['yaml'] },
})

/** As a registry answers that takes no questions: what npm prints then. */
const REFUSED = JSON.stringify({
  message: '405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk',
  error: { summary: '', detail: '' },
})
const UNREACHABLE = JSON.stringify({
  error: { code: 'ENOTFOUND', summary: 'request failed, reason: getaddrinfo ENOTFOUND\nmore', detail: 'a network' },
})

describe('the answer of npm audit', () => {
  it('is clean when packages were looked at and nothing is known of them', () => {
    expect(readAdvisories(report({}), 'low')).toEqual({ kind: 'clean' })
  })

  it('names what is known, at the level asked for and above', () => {
    expect(readAdvisories(ADVISED, 'low')).toEqual({
      kind: 'found',
      lines: ['yaml <2.9.0: moderate: Deep nesting exhausts the stack https://example.test/1', 'outer *: low: by yaml'],
    })
    expect(readAdvisories(ADVISED, 'moderate')).toMatchObject({ lines: { length: 1 } })
    expect(readAdvisories(ADVISED, 'high')).toEqual({ kind: 'clean' })
  })

  it.each([
    ['a registry that takes no such question', REFUSED, '405 Method Not Allowed'],
    ['a registry that is not reached', UNREACHABLE, 'ENOTFOUND'],
    ['nothing at all', '', 'no report'],
    ['something else', '{"vulnerabilities":{}}', 'no report'],
    ['another version of the report', '{"auditReportVersion":3,"vulnerabilities":{}}', 'no report'],
    ['a severity that is not known', report({ yaml: { severity: 'dire', via: [] } }), 'no report'],
    [
      'a look at no package',
      JSON.stringify({ auditReportVersion: 2, vulnerabilities: {}, metadata: { dependencies: { total: 0 } } }),
      'no package',
    ],
  ])('is never taken for clean when it is %s', (_, text, problem) => {
    expect(readAdvisories(text, 'low')).toEqual({ kind: 'unasked', problem: expect.stringContaining(problem) })
  })
})

describe('the answer of npm audit signatures', () => {
  it('is clean when every package is signed', () => {
    expect(readSignatures('{"invalid":[],"missing":[]}')).toEqual({ kind: 'clean' })
  })

  it('names a signature that is wrong, and one that is missing', () => {
    const invalid = [{ name: 'pg', version: '8.0.0', code: 'EINTEGRITYSIGNATURE' }]
    const missing = [{ name: 'yaml', version: '2.0.0' }]
    expect(readSignatures(JSON.stringify({ invalid, missing }))).toEqual({
      kind: 'found',
      lines: ['pg@8.0.0: the signature is wrong (EINTEGRITYSIGNATURE)', 'yaml@2.0.0: not signed by the registry'],
    })
  })

  it('is never taken for clean when nobody has looked', () => {
    expect(readSignatures(UNREACHABLE)).toMatchObject({ kind: 'unasked' })
    expect(readSignatures('')).toMatchObject({ kind: 'unasked' })
  })
})
