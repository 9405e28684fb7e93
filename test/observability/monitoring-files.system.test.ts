/** What we ship for Prometheus and Grafana: it is what they take, it fits together, and it says what to do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { promtool, promtoolAvailable } from '../support/promtool.ts'
import {
  ALERTS_FILE,
  ALERTS_TEST_FILE,
  dashboardExpressions,
  PROMETHEUS_FILE,
  readAlerts,
  readDashboard,
  readGrafanaSettings,
  readTestedAlerts,
} from './monitoring-setup.ts'

const ROOT = join(import.meta.dirname, '..', '..')

describe('an alert', () => {
  it.each(readAlerts())('$alert names a heading of our documentation, and says how bad it is', (alert) => {
    const { severity } = alert.labels
    const [, file = '', heading = ''] = /^(docs\/[\w/-]+\.md), "(.+)"$/.exec(alert.annotations.runbook) ?? []
    const headings = readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('## '))

    expect(headings).toContain(`## ${heading}`)
    expect(['critical', 'warning']).toContain(severity)
    expect(alert.annotations.summary).toContain('{{ $labels.')
  })

  it('has a test in which it fires', () => {
    expect([...readTestedAlerts()].sort()).toEqual(
      readAlerts()
        .map(({ alert }) => alert)
        .sort(),
    )
  })
})

describe('the dashboard', () => {
  it('has panels that have a title, ask something, and do not cover each other', () => {
    const { panels } = readDashboard()
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    )

    expect(panels.length).toBeGreaterThan(10)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(panels.filter(({ title, targets }) => title === '' || targets.length === 0)).toEqual([])
    expect(new Set(cells).size).toBe(cells.length)
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24)
  })

  it('uses the variables that it has, and no others', () => {
    const text = JSON.stringify(readDashboard())
    const used = new Set([...text.matchAll(/\$\{?([a-z]\w*)/g)].map((match) => match[1]))

    expect(used).toEqual(new Set(readDashboard().templating.list.map(({ name }) => name)))
  })

  it('is found by the Grafana of the demo, with the data source that it is given', () => {
    expect(readGrafanaSettings('dashboards')).toMatchObject([
      { apiVersion: 1, providers: [{ type: 'file', options: { path: '/var/lib/grafana/dashboards' } }] },
    ])
    expect(readGrafanaSettings('datasources')).toMatchObject([
      { apiVersion: 1, datasources: [{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }] },
    ])
  })
})

describe.skipIf(leftOut('promtool on rules and settings', promtoolAvailable()))('promtool', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-monitoring-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('finds nothing wrong with the alert rules', () => {
    const { code, said } = promtool(['check', 'rules', ALERTS_FILE])

    expect([code, said]).toEqual([0, expect.stringContaining(`SUCCESS: ${readAlerts().length} rules found`)])
  })

  it('sees each alert fire when it should, and none when all is well', () => {
    const { code, said } = promtool(['test', 'rules', ALERTS_TEST_FILE], { cwd: dirname(ALERTS_TEST_FILE) })

    expect([code, said]).toEqual([0, expect.stringContaining('SUCCESS')])
  })

  it('would see an alert that does not fire', () => {
    const rules = readFileSync(ALERTS_FILE, 'utf8').replace('pgha_node_up == 0', 'pgha_node_up == 2')
    writeFileSync(join(folder, 'prometheus-alerts.yaml'), rules)
    writeFileSync(join(folder, 'test.yaml'), readFileSync(ALERTS_TEST_FILE))
    const { code, said } = promtool(['test', 'rules', 'test.yaml'], { cwd: folder })

    expect([code, said]).toEqual([1, expect.stringContaining('PghaNodeUnreachable')])
  })

  it('takes every expression of the dashboard', () => {
    const rules = dashboardExpressions().map((expr, index) => ({ record: `dashboard:${index}`, expr }))
    const file = join(folder, 'dashboard.yaml')
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    const { code, said } = promtool(['check', 'rules', file])

    expect([code, said]).toEqual([0, expect.stringContaining(`SUCCESS: ${rules.length} rules found`)])
  })

  it('finds nothing wrong with the settings of the demo’s Prometheus, the rules included', () => {
    const mounted = '/etc/prometheus/prometheus-alerts.yaml'
    const settings = readFileSync(PROMETHEUS_FILE, 'utf8')
    expect(settings).toContain(`- ${mounted}`)
    const file = join(folder, 'prometheus.yml')
    writeFileSync(file, settings.replace(mounted, ALERTS_FILE))
    const { code, said } = promtool(['check', 'config', file])

    expect([code, said]).toEqual([0, expect.stringContaining('1 rule files found')])
  })
})
