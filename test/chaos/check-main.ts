/**
 * Checks a history that a chaos run has kept, once more: `node test/chaos/check-main.ts FOLDER`. Exit code 1 when a promise
 * is broken, 2 when there is nothing to check.
 */
import process from 'node:process'
import { checkHistory } from './check-history.ts'
import { loadFinalState, readHistory } from './history-file.ts'
import { formatReport } from './report.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  process.stderr.write('usage: node test/chaos/check-main.ts FOLDER\n')
  process.exitCode = 2
} else {
  const history = await readHistory(folder)
  const zeroAt = history.events[0]?.at ?? 0
  const result = checkHistory(history, loadFinalState(folder))
  for (const line of formatReport(result, zeroAt)) process.stdout.write(`${line}\n`)
  process.exitCode = history.events.length === 0 ? 2 : result.violations.length > 0 ? 1 : 0
}
