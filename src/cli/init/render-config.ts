/**
 * Writes a first `ha.yaml`: what is needed, commented, and the settings people change first. Pure. Everything it writes
 * loads without faults, whatever names it is given.
 */
import { stringify } from 'yaml'
import { formatListenerAddress, formatNodeAddress } from '../../config/address.ts'
import type { ListenerAddress, Route } from '../../config/config.ts'
import type { NodeIdentity } from '../../ports.ts'
import type { NodeAddress } from '../../topology/observation.ts'

export interface FirstConfig {
  /** At least one. */
  readonly listeners: readonly { readonly address: ListenerAddress; readonly route: Route }[]
  /** At least one. */
  readonly nodes: readonly NodeIdentity[]
  readonly monitorUser: string
  readonly database: string
  /** Sentences for the head of the file, such as what was not taken over from nginx. */
  readonly notes?: readonly string[]
}

/** One scalar on one line, quoted where YAML or placeholders need it. */
function scalar(text: string): string {
  // Loading turns $${ back into ${. Strings that only look like numbers are quoted by the library.
  // Only its own newline goes: a name may end in a space of Unicode's.
  return stringify(
    text.replaceAll('${', () => '$${'),
    {
      lineWidth: 0,
      defaultStringType: 'PLAIN',
      blockQuote: false,
    },
  ).replace(/\n$/, '')
}

/** A directory of sockets has its port after it, as host names have. */
function nodeAddress(address: NodeAddress): string {
  return scalar(formatNodeAddress(address))
}

function comment(text: string): string {
  return `# ${text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')}`
}

/** The file's text, with a newline at the end. */
export function renderConfig({ listeners, nodes, monitorUser, database, notes = [] }: FirstConfig): string {
  const lines = [
    '# Configuration of pgha-proxy. All other settings have defaults: see ha.example.yaml.',
    '# Check it with: pgha-proxy check --config ha.yaml',
    ...(notes.length > 0 ? ['#', ...notes.map(comment)] : []),
    '',
    '# The addresses that clients connect to.',
    'listeners:',
    ...listeners.flatMap(({ address, route }) => [
      `  - address: ${scalar(formatListenerAddress(address))}`,
      `    route: ${route}`,
    ]),
    '',
    "# The nodes as seeds, under repmgr's node names: others are learned from repmgr.nodes.",
    'nodes:',
    ...nodes.flatMap(({ name, address }) => [`  - name: ${scalar(name)}`, `    address: ${nodeAddress(address)}`]),
    '',
    '# The role that asks the nodes what they are. `pgha-proxy check` prints the GRANTs that it lacks.',
    'monitor:',
    `  user: ${scalar(monitorUser)}`,
    '  # From a file, from the environment, or else from PGPASSWORD or ~/.pgpass.',
    '  # password_file: /etc/pgha-proxy/monitor-password',
    `  # password: \${PGHA_MONITOR_PASSWORD}`,
    `  database: ${scalar(database)}`,
    '',
    '# How long new sessions wait while there is no primary. Longer than a failover takes.',
    'hold:',
    '  timeout: 30s',
  ]
  return `${lines.join('\n')}\n`
}
