import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createPaint } from '../../../src/cli/paint.ts'
import { parseStatus, type ShownStatus } from '../../../src/cli/status/parse-status.ts'
import { renderStatus } from '../../../src/cli/status/render-status.ts'
import { NOW, type StatusOptions, statusAfter } from './statuses.ts'

/** As the command sees it: through JSON. */
function shown(options: StatusOptions): ShownStatus {
  const parsed = parseStatus(JSON.parse(JSON.stringify(statusAfter(options))))
  if (parsed === null) throw new Error('the status cannot be read')
  return parsed
}

function screen(options: StatusOptions, layout: { explain?: boolean; columns?: number; color?: boolean } = {}): string {
  const { explain = false, columns = null, color = false } = layout
  return renderStatus(shown(options), { paint: createPaint(color), columns, explain, now: NOW })
}

const HEALTHY: StatusOptions = { epoch: '3 node1', turns: [['P3+', 'S3<node1', 'S3<node1']] }
const KILLED: StatusOptions = {
  epoch: '1 node1',
  held: 7,
  turns: [
    ['P1+', 'S1<node1'],
    ['R', 'S?'],
    ['R', 'S?'],
    ['R', 'S?'],
  ],
}
const RETURNED: StatusOptions = { epoch: '2 node2', turns: [['P1+', 'P2+', 'S2<node2']] }

describe('the screen of a status', () => {
  it('has the state with its reason, then the nodes', () => {
    expect(screen(HEALTHY)).toBe(
      [
        'serving  node1 is primary on timeline 3',
        '         for 120 ms, 4 sessions, 0 held, pgha-proxy 1.2.3, up 1 min',
        '',
        'NODE   ADDRESS         ROLE     TIMELINE  RECOVERY   LAG  SESSIONS        SEEN',
        'node1  127.0.0.1:5432  primary         3  no           -         4  119 ms ago',
        'node2  127.0.0.2:5432  standby         3  yes       96 B         0  119 ms ago',
        'node3  127.0.0.3:5432  standby         3  yes       96 B         0  119 ms ago',
      ].join('\n'),
    )
  })

  it('names each node’s problem in its row, and what is wrong with the whole below', () => {
    expect(screen(RETURNED)).toBe(
      [
        'serving  node2 is primary on timeline 2',
        '         for 120 ms, 4 sessions, 0 held, pgha-proxy 1.2.3, up 1 min',
        '',
        'NODE   ADDRESS         ROLE           TIMELINE  RECOVERY   LAG  SESSIONS        SEEN  PROBLEM',
        'node1  127.0.0.1:5432  stale-primary         1  no           -         0  119 ms ago  claims to be primary on timeline 1, below the accepted 2',
        'node2  127.0.0.2:5432  primary               2  no           -         4  119 ms ago  -',
        'node3  127.0.0.3:5432  standby               2  yes       96 B         0  119 ms ago  -',
        '',
        'warning  node1 claims to be primary on timeline 1, below the accepted 2: it is fenced, rejoin it',
      ].join('\n'),
    )
    const alone: StatusOptions = { epoch: '1 node1', turns: [['P1+', 'T']] }
    expect(screen({ ...alone, turns: Array.from({ length: 40 }, () => ['P1+', 'R']) })).toContain(
      'warning  no standby follows node1',
    )
  })

  it('tells in full below what the row has no room for, and does not tell it twice', () => {
    const fenced: StatusOptions = { epoch: '1 node1', fenced: ['node1'], turns: [['P1+', 'S1<node1']] }
    expect(screen(fenced)).not.toContain('warning')
    const [, narrow = ''] = screen(fenced, { columns: 90 }).split('SEEN  PROBLEM\n')
    expect(narrow).toMatch(/is fenced by an…\n(.|\n)*\n\nwarning {2}node1 is fenced by an operator$/)
  })

  it('counts the sessions that wait', () => {
    expect(screen(KILLED)).toContain('7 held')
  })

  it('is the same below its colours', () => {
    const colourful = screen(RETURNED, { color: true, explain: true })
    expect(colourful).toContain('\x1b[31mstale-primary\x1b[39m')
    expect(stripVTControlCharacters(colourful)).toBe(screen(RETURNED, { explain: true }))
  })

  it('fits a terminal of 80 columns, but for the table of a node with a long address', () => {
    const lines = screen(RETURNED, { columns: 80, explain: true }).split('\n')
    const tooLong = lines.filter((line) => line.length > 80 && !line.startsWith('node') && !line.startsWith('NODE'))
    expect(tooLong).toEqual([])
  })

  it('shows what is left in processes from before an upgrade', () => {
    const predecessors = [{ pid: 42, version: '0.9.0', startedAt: '2026-01-01T00:00:00.000Z', sessions: 3 }]
    expect(screen({ ...HEALTHY, predecessors })).toContain(
      '3 sessions more in the process before the upgrade (42, 0.9.0)',
    )
    expect(screen(HEALTHY)).not.toContain('upgrade')
  })

  it('shows each worker with its sessions, its memory, and how late its event loop was', () => {
    const worker = { worker: 2, pid: 42, sessions: 1, rssBytes: 61_400_000, cpuSeconds: 3, eventLoopDelayMs: 1.6 }
    expect(screen({ ...HEALTHY, workers: [worker] })).toContain('worker 2 (42): 1 session, 61 MB, late by 2 ms')
    expect(screen(HEALTHY)).not.toContain('worker')
  })

  it('says that the proxy is draining', () => {
    const text = screen({ ...HEALTHY, draining: true }, { explain: true })
    expect(text).toContain('0 held, draining, pgha-proxy')
    expect(text).toContain('it takes no new sessions, whatever the decision')
  })
})

describe('--explain', () => {
  it('says what each node last said, and the error of one that says nothing', () => {
    const text = screen(KILLED, { explain: true })
    expect(text).toContain(
      [
        'EVIDENCE',
        '  node1  unreachable at 127.0.0.1:5432, 0 sessions',
        '    419 ms ago it said: not in recovery, timeline 1, written up to 0/5000060',
        '    its repmgr rows name node1 as the primary',
        '    failing for 320 ms, the last 3 probes: refused',
        '    problem: refuses connections: R',
        '    sessions that could write are ended there: it no longer listens',
        '  node2  standby at 127.0.0.2:5432, 0 sessions',
        '    119 ms ago it said: in recovery, received up to 0/5000060',
      ].join('\n'),
    )
  })

  it('says so of a node that has never answered', () => {
    const text = screen({ turns: [['P1', 'R']] }, { explain: true })
    expect(text).toContain(
      '  node2  unreachable at 127.0.0.2:5432, 0 sessions\n    it has not answered since the proxy started',
    )
  })

  it('shows the identifier of a node of another cluster beside the right one', () => {
    const text = screen({ epoch: '1 node1', turns: [['P1+', 'X']] }, { explain: true })
    expect(text).toContain("system identifier 7999999999999999999, the cluster's is 7000000000000000001")
  })

  it('says what a claim rests on, whom the rows name, and since when a node fails', () => {
    const text = screen(
      {
        epoch: '1 node1',
        turns: [['P1+', 'S1<node1'], ...Array.from({ length: 4 }, () => ['T', 'P2-'])],
      },
      { explain: true },
    )
    expect(text).toContain(
      '    its repmgr rows name node1 as the primary\n    failing for 420 ms, the last 4 probes: timeout',
    )
    expect(text).toContain(
      '    claims to be primary on timeline 2, above the accepted one; no repmgr row of its own says so; 1.7 s of policy.grace left',
    )
    expect(screen(RETURNED, { explain: true })).toContain(
      '    sessions that could write are ended there: it is a stale primary on an older timeline',
    )
  })

  it('says what the decision rests on: rule, epoch, claimants, votes', () => {
    const [, basis = ''] = screen(RETURNED, { explain: true }).split('DECISION\n')
    expect(basis.split('\n\n')[0]).toBe(
      [
        '  rule       incumbent-serves',
        '  epoch      node2 on timeline 2 of 7000000000000000001, accepted 2025-12-31T00:00:00.000Z',
        '  claimants  node1 on timeline 1, node2 on timeline 2',
        '  votes      node1 by node1; node2 by node2',
      ].join('\n'),
    )
    expect(screen({ turns: [['S?', 'R']] }, { explain: true })).toContain(
      ['  epoch      none: nothing was accepted yet', '  claimants  none', '  votes      none: no repmgr rows'].join(
        '\n',
      ),
    )
  })

  it('tells what would change it, in the words of the proxy', () => {
    const [, outlook = ''] = screen(KILLED, { explain: true }).split('WHAT WOULD CHANGE THIS\n')
    expect(outlook.split('\n')[0]).toBe('  - node1 answering as primary on timeline 1 or above serves again at once.')
    const lost = { epoch: '2 node2', turns: [['P1+', 'R']] }
    expect(screen(lost, { explain: true })).toContain('`pgha-proxy accept node1`')
  })

  it('does not offer to accept a node that cannot be reached, whatever it said last', () => {
    const [, outlook = ''] = screen(KILLED, { explain: true }).split('WHAT WOULD CHANGE THIS\n')
    expect(outlook).not.toContain('pgha-proxy accept')
  })
})

describe('the answer of a proxy', () => {
  it('is taken from another version too, with what is missing left open', () => {
    const older = {
      state: 'serving',
      reason: 'r',
      since: NOW.toISOString(),
      nodes: [{ name: 'a', address: 'b', role: 'queen' }],
      sessions: { active: 0, held: 0 },
    }
    const parsed = parseStatus(older)
    expect(parsed).toMatchObject({
      primary: null,
      warnings: [],
      nodes: [{ role: 'unknown', problem: null, lastSeenMs: null }],
    })
    if (parsed === null) throw new Error('unreachable')
    expect(renderStatus(parsed, { paint: createPaint(false), columns: null, explain: true, now: NOW })).toContain(
      'a     b        unknown',
    )
  })

  it.each([undefined, null, 'x', [], {}, { state: 'fine', reason: 'x', since: '', nodes: [], sessions: {} }])(
    'is none when it is %j',
    (body) => expect(parseStatus(body)).toBeNull(),
  )

  it('cannot play tricks on the terminal', () => {
    const evil = shown(HEALTHY)
    const text = renderStatus(
      {
        ...evil,
        reason: 'a\x1b]0;owned\x07b',
        warnings: ['c\x1b[2Jd'],
        nodes: evil.nodes.map((node) => ({ ...node, name: 'e\rf', problem: 'g\x9bh' })),
      },
      { paint: createPaint(false), columns: null, explain: true, now: NOW },
    )
    expect(text).not.toMatch(/[^\P{Cc}\n]/u)
  })
})
