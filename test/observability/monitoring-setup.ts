/** What we ship for Prometheus and Grafana, as the tests look at it. Test support. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const ROOT = join(import.meta.dirname, '..', '..')

export const ALERTS_FILE = join(ROOT, 'config', 'prometheus-alerts.yaml')
export const ALERTS_TEST_FILE = join(ROOT, 'config', 'prometheus-alerts.test.yaml')
export const DASHBOARD_FILE = join(ROOT, 'config', 'grafana-dashboard.json')
export const PROMETHEUS_FILE = join(ROOT, 'docker', 'monitoring', 'prometheus.yml')
export const GRAFANA_FOLDER = join(ROOT, 'docker', 'monitoring', 'grafana', 'provisioning')

export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string }
}

export interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

export interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] }
}

export function readAlerts(): readonly Alert[] {
  const { groups } = parse(readFileSync(ALERTS_FILE, 'utf8')) as { groups: readonly { rules: readonly Alert[] }[] }
  return groups.flatMap(({ rules }) => rules)
}

/** Names of alerts that the tests of the rules expect to fire at least once. */
export function readTestedAlerts(): ReadonlySet<string> {
  interface Expectation {
    readonly alertname: string
    readonly exp_alerts: readonly unknown[]
  }
  const { tests } = parse(readFileSync(ALERTS_TEST_FILE, 'utf8')) as {
    tests: readonly { alert_rule_test: readonly Expectation[] }[]
  }
  const expectations = tests.flatMap(({ alert_rule_test }) => alert_rule_test)
  return new Set(expectations.filter((each) => each.exp_alerts.length > 0).map(({ alertname }) => alertname))
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(DASHBOARD_FILE, 'utf8')) as Dashboard
}

/** Every expression of the dashboard, with Grafana's variables filled in as it would. */
export function dashboardExpressions(): readonly string[] {
  const { panels, annotations } = readDashboard()
  return [...panels.flatMap(({ targets }) => targets), ...annotations.list].map(({ expr }) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h').replaceAll('$instance', '.*'),
  )
}

/** Names of metrics in expressions: ours, and those of the process. */
export function metricNames(expressions: readonly string[]): ReadonlySet<string> {
  return new Set(expressions.flatMap((expr) => expr.match(/\b(?:pgha|process|nodejs)_\w+/g) ?? []))
}

/** The settings of Grafana of one kind: datasources or dashboards. */
export function readGrafanaSettings(kind: 'datasources' | 'dashboards'): readonly unknown[] {
  const folder = join(GRAFANA_FOLDER, kind)
  return readdirSync(folder).map((file) => parse(readFileSync(join(folder, file), 'utf8')) as unknown)
}
