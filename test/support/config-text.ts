/** Texts of `ha.yaml` for tests, and short ways to load them. */
import type { Config } from '../../src/config/config.ts'
import { formatFaults } from '../../src/config/fault.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Environment } from '../../src/config/substitute.ts'

/** The least that loads: three lines. */
export const MINIMAL = [
  'listeners: [{ address: "127.0.0.1:5432" }]',
  'nodes: [{ name: node1, address: pg-0 }]',
  'monitor: { user: pgha }',
].join('\n')

/** The configuration, or an error with all faults. */
export function mustLoad(text: string, environment: Environment = {}): Config {
  const result = loadConfig({ text, environment })
  if (!result.ok) throw new Error(formatFaults(result.faults, 'ha.yaml'))
  return result.config
}

/** All faults as a person sees them; fails when there are none. */
export function formatFaultsOf(text: string | Uint8Array, environment: Environment = {}): string {
  const result = loadConfig({ text, environment })
  if (result.ok) throw new Error('The file has no faults.')
  return formatFaults(result.faults, 'ha.yaml')
}
