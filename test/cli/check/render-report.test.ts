import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { inOrderOfSeverity } from '../../../src/cli/check/finding.ts'
import { findMissingGrants } from '../../../src/cli/check/grant-findings.ts'
import { findNodeFaults } from '../../../src/cli/check/node-findings.ts'
import { renderReport } from '../../../src/cli/check/render-report.ts'
import { buildReport } from '../../../src/cli/check/report.ts'
import { createPaint } from '../../../src/cli/paint.ts'
import { type ViewOptions, viewOf } from './views.ts'

function reportOf(options: ViewOptions) {
  const { view, config } = viewOf(options)
  const findings = inOrderOfSeverity([...findNodeFaults(view, config), ...findMissingGrants(view, config)])
  return buildReport('ha.yaml', config, view, findings)
}

const plain = { paint: createPaint(false), columns: null }
const FAULTY: ViewOptions = {
  says: ['P1+', 'S1<node1', 'R'],
  epoch: '1 node1',
  discovered: ['node3'],
  capabilities: { node2: { repmgr: { kind: 'readable', conninfo: false, localNodeId: true } } },
}

describe('the screen of a check', () => {
  it('is short when all is well', () => {
    expect(renderReport(reportOf({ says: ['P1+', 'S1<node1'], epoch: '1 node1' }), plain)).toBe(
      [
        'NODE   ADDRESS         ROLE     TIMELINE  RECOVERY   LAG  POSTGRESQL',
        'node1  127.0.0.1:5432  primary         1  no           -  15.18',
        'node2  127.0.0.2:5432  standby         1  yes       96 B  15.18',
        '',
        'serving  node1 is primary on timeline 1',
        '',
        'nothing to complain about',
      ].join('\n'),
    )
  })

  it('has every finding with its remedy, and lines to copy as they are', () => {
    expect(renderReport(reportOf(FAULTY), plain)).toBe(
      [
        'NODE   ADDRESS         ROLE         TIMELINE  RECOVERY   LAG  POSTGRESQL  PROBLEM',
        'node1  127.0.0.1:5432  primary             1  no           -  15.18       -',
        'node2  127.0.0.2:5432  standby             1  yes       96 B  15.18       -',
        'node3  127.0.0.3:5432  unreachable         -  -            -  -           refuses connections',
        '',
        'serving  node1 is primary on timeline 1',
        '         node3 is not in ha.yaml, but in repmgr.nodes',
        '',
        'problem  node3 was learned from repmgr.nodes, and at 127.0.0.3:5432, the address in its conninfo, it refuses connections: R',
        '         start it if it is down; if its address is another one from here, add it to nodes under that one:',
        '           - { name: node3, address: HOST:PORT }',
        '',
        'warning  the monitoring role pgha lacks grants on node2, so nodes are not discovered',
        '         run in database repmgr on node1, the primary (standbys get them by replication):',
        '           GRANT SELECT (conninfo) ON repmgr.nodes TO pgha;',
        '',
        '1 problem and 1 warning',
      ].join('\n'),
    )
  })

  it('is the same below its colours', () => {
    const colourful = renderReport(reportOf(FAULTY), { ...plain, paint: createPaint(true) })
    expect(colourful).toContain('\x1b[31mproblem')
    expect(stripVTControlCharacters(colourful)).toBe(renderReport(reportOf(FAULTY), plain))
  })

  it('breaks sentences on a narrow terminal, and no line that is to be copied', () => {
    const wide = renderReport(reportOf(FAULTY), plain).split('\n')
    const narrow = renderReport(reportOf(FAULTY), { ...plain, columns: 70 }).split('\n')
    expect(narrow.slice(5).filter((line) => line.length > 70)).toEqual([])
    expect(narrow).toContain(wide.find((line) => line.includes('GRANT SELECT')))
  })

  it('says that an upstream is hidden rather than missing', () => {
    const blind = { readsWalReceiver: false }
    const report = reportOf({ says: ['P1+', 'S?'], epoch: '1 node1', capabilities: { node1: blind, node2: blind } })
    expect(report.nodes[1]?.problem).toBe('does not let us see its upstream')
  })
})
