/**
 * `npm run bench`: prints the figures that the README and the release notes state. `--quick` runs each part once or
 * twice, to show that the scripts work.
 */
import os from 'node:os'
import process from 'node:process'
import { requireBinaries } from '../support/postgres-binaries.ts'
import { benchIdleSessions } from './idle-sessions.ts'
import { benchPromotions } from './promotions.ts'
import { benchSessionSetup } from './session-setup.ts'
import { percentile, summarize } from './statistics.ts'

const isQuick = process.argv.includes('--quick')
const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const { version } = requireBinaries('any')
print(`Node ${process.versions.node}, PostgreSQL ${version}, ${os.cpus().length} cores (${os.cpus()[0]?.model ?? '?'})`)

const promotions = await benchPromotions(isQuick ? 2 : 20, print)
print(`T3, recovery over -> first session routed: ${summarize(promotions.routedMs, 'ms')}`)
print(`    recovery over -> first client served:  ${summarize(promotions.clientMs, 'ms')}`)
print(`    new sessions refused: ${promotions.refused}`)

const setup = await benchSessionSetup(isQuick ? 20 : 500)
print(`session setup, direct:  ${summarize(setup.directMs, 'ms')}`)
print(`session setup, proxied: ${summarize(setup.proxiedMs, 'ms')}`)
const ratio = percentile(setup.proxiedMs, 0.5) / percentile(setup.directMs, 0.5)
print(`    ratio of the medians: ${ratio.toFixed(2)}`)

const idle = await benchIdleSessions(isQuick ? 100 : 2000)
const perSession = ((idle.rssMiB - idle.rssBeforeMiB) * 1024) / idle.sessions
print(
  `${idle.sessions} idle sessions: RSS ${idle.rssMiB.toFixed(0)} MiB (${idle.rssBeforeMiB.toFixed(0)} MiB before, ` +
    `${perSession.toFixed(1)} KiB each), PSS ${idle.pssMiB.toFixed(0)} MiB`,
)
