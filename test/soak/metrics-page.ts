/**
 * Reads the page of `GET /metrics` as far as the soak looks at it. Pure.
 */

/** Values by name, and by name with labels: those of several series of one name are added up under the bare name. */
export type MetricsPage = ReadonlyMap<string, number>

/** Every sample line of the text format. */
export function parseMetrics(text: string): MetricsPage {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line)
    const [, name, labels, value] = found ?? []
    if (name === undefined) continue
    values.set(name, (values.get(name) ?? 0) + Number(value))
    if (labels !== undefined) values.set(`${name}${labels}`, Number(value))
  }
  return values
}
