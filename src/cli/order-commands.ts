/** How the operators' orders are written on the command line, and their help. Command line layer. */
import { Argument, type Command, type OptionValues } from 'commander'
import { LOG_LEVEL_MS_MAX, NODE_ORDERS, type Order } from '../admin/order.ts'
import { LOG_LEVELS, type LogLevel } from '../config/config.ts'
import { formatDuration, readDuration } from '../config/duration.ts'
import { CliError } from './cli-error.ts'
import { EXIT_CODES } from './exit-codes.ts'

export interface OrderCommands {
  /** Adds the options that say which proxy is meant. */
  readonly add: (command: Command) => Command
  readonly helpOfExitCodes: string
  readonly give: (order: Order, options: OptionValues) => Promise<void>
}

interface Words {
  readonly summary: string
  readonly explanation: readonly string[]
}

const NODE_ORDER_WORDS: Readonly<Record<(typeof NODE_ORDERS)[number], Words>> = {
  accept: {
    summary: 'take a node for the primary, whatever was accepted before',
    explanation: [
      'The proxy never goes back to an older timeline by itself: this orders it to.',
      'What other nodes have written since is not on that node. The node must be up,',
      'and must not be a standby.',
    ],
  },
  fence: {
    summary: 'send no session to a node, and end those that are there',
    explanation: [
      'A fenced node is not used until it is unfenced, also after a restart of the',
      'proxy. If it is the primary, new sessions wait until another node is primary,',
      'or it is unfenced.',
    ],
  },
  unfence: { summary: 'take a fence away', explanation: [] },
}

const DRAIN: Words = {
  summary: 'take no new sessions; running ones go on',
  explanation: [
    'The proxy closes its listeners, so that clients and load balancers turn to',
    'another proxy at once; those who wait for a primary are refused. Probes and',
    'fencing go on. --off takes it back, and so does a restart; a reload does not.',
  ],
}

const PROBE: Words = {
  summary: 'ask a node, or all, what it is, now',
  explanation: ['Each is asked by a new connection. It waits until they have answered, or 4 s.'],
}

const LOG_LEVEL: Words = {
  summary: 'write more into its log, or less',
  explanation: [
    'After the time of --for the configured level comes back by itself; without it,',
    'at the next reload. debug tells of every session, trace of nothing more.',
  ],
}

/** Adds accept, fence, unfence, drain, probe and log-level. */
export function addOrders(program: Command, commands: OrderCommands): void {
  for (const kind of NODE_ORDERS) {
    addOrder(program, commands, kind, NODE_ORDER_WORDS[kind], `${kind} node1`)
      .argument('<node>', 'its name, as `pgha-proxy status` shows it')
      .action(async (node: string, options: OptionValues) => await commands.give({ kind, node }, options))
  }
  addOrder(program, commands, 'drain', DRAIN, 'drain')
    .option('--off', 'take new sessions again')
    .action(
      async (options: OptionValues) => await commands.give({ kind: 'drain', isOn: options['off'] !== true }, options),
    )
  addOrder(program, commands, 'probe', PROBE, 'probe node2')
    .argument('[node]', 'its name; all nodes without it')
    .action(
      async (node: string | undefined, options: OptionValues) =>
        await commands.give({ kind: 'probe', node: node ?? null }, options),
    )
  addOrder(program, commands, 'log-level', LOG_LEVEL, 'log-level debug --for 10m')
    .addArgument(new Argument('<level>', 'the least important lines that are written').choices(LOG_LEVELS))
    .option('--for <duration>', 'for how long: 30s, 10m, 2h')
    .action(async (level: LogLevel, options: OptionValues) => {
      await commands.give({ kind: 'log-level', level, forMs: readFor(options['for']) }, options)
    })
}

function readFor(text: unknown): number | null {
  if (typeof text !== 'string') return null
  const duration = readDuration(text)
  if (duration.ok && duration.value > 0 && duration.value <= LOG_LEVEL_MS_MAX) return duration.value
  throw new CliError(
    `--for ${JSON.stringify(text)} is no time`,
    `write it as 30s, 10m or 2h, at most ${formatDuration(LOG_LEVEL_MS_MAX)}`,
    EXIT_CODES.usage,
  )
}

function addOrder(
  program: Command,
  { add, helpOfExitCodes }: OrderCommands,
  name: string,
  { summary, explanation }: Words,
  example: string,
): Command {
  const described = program.command(name).summary(summary).description(`Orders the running proxy to ${summary}.`)
  return add(described)
    .option('--token-file <file>', 'the file with the admin token (default: as the configuration says)')
    .option('--reason <text>', 'why, for the log of the proxy')
    .addHelpText(
      'after',
      `
${explanation.map((line) => `${line}\n`).join('')}${explanation.length === 0 ? '' : '\n'}Example:
  pgha-proxy ${example} --config ha.yaml

${helpOfExitCodes}`,
    )
}
