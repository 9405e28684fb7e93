/**
 * The tables of docs/clients.md, made of what the tests saw and compared with what the document says. Test support.
 * With `PGHA_WRITE_CLIENT_TABLE=1` the document is written anew, which needs every client.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ClientTarget, ErrorLine } from './client-process.ts'
import { DRIVEN_CLIENTS, type DrivenClient } from './driven-clients.ts'
import { STANDBY_STEP, STEPS } from './steps.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/clients.md', import.meta.url))
const ALL_STEPS = [...STEPS, STANDBY_STEP, { name: 'failover', title: 'writes on after a failover' }]
const WRITE_ANEW = 'PGHA_WRITE_CLIENT_TABLE'

/**
 * The first error after the proxy ended a session: its node was fenced, its node's server was killed. `null`: the client
 * found that out between two statements, and connected again without a word.
 */
export interface EndOfSession {
  readonly afterFence: ErrorLine | null
  readonly afterKill: ErrorLine | null
}

/** Collects during a run, compares or writes at its end. */
export class ClientTable {
  readonly #versions = new Map<string, string>()
  readonly #seen = new Map<string, Set<string>>()
  readonly #errors = new Map<string, EndOfSession>()

  /** Steps that gave the same through the proxy as directly; `client` gives the version. */
  noteSteps(client: DrivenClient, values: ReadonlyMap<string, unknown>): void {
    const seen = this.#seen.get(client.name) ?? new Set()
    for (const [step, value] of values) {
      if (step === 'client') this.#versions.set(client.name, String(value))
      else seen.add(step)
    }
    this.#seen.set(client.name, seen)
  }

  /** It has written on after a failover, and this is what it was told when its sessions ended. */
  noteErrors(client: DrivenClient, sslmode: ClientTarget['sslmode'], errors: EndOfSession): void {
    this.#seen.get(client.name)?.add('failover')
    this.#errors.set(`${client.name} ${sslmode}`, errors)
  }

  /**
   * Cells of the document that say something else than was seen, of the clients that were driven. Nothing when some
   * tests did not run or failed: then they say so. Writes the document first when told to.
   */
  compareWithDocs(): readonly string[] {
    if (process.env[WRITE_ANEW] === '1') this.#write()
    const rows = readTable(readFileSync(DOCUMENT, 'utf8'), 'steps')
    const [header = []] = rows
    return DRIVEN_CLIENTS.filter(({ name }) => this.#seen.get(name)?.has('failover')).flatMap((client) => {
      const column = header.indexOf(client.name)
      return ALL_STEPS.flatMap(({ name, title }) => {
        const said = rows.find(([first]) => first === title)?.[column]
        const seen = this.#cell(client, name)
        return said === seen ? [] : [`${client.name}, ${title}: the document says ${said}, seen was ${seen}`]
      })
    })
  }

  #cell(client: DrivenClient, step: string): string {
    if (this.#seen.get(client.name)?.has(step)) return 'same'
    return client.notOffered.includes(step) ? '–' : 'not seen'
  }

  #write(): void {
    const missing = DRIVEN_CLIENTS.filter(({ name }) => !this.#seen.get(name)?.has('failover'))
    if (missing.length > 0) throw new Error(`not all were driven: ${missing.map(({ name }) => name).join(', ')}`)
    const isComplete = DRIVEN_CLIENTS.every((each) =>
      ALL_STEPS.every(({ name }) => this.#cell(each, name) !== 'not seen'),
    )
    if (!isComplete) throw new Error('not all steps were seen')
    const names = DRIVEN_CLIENTS.map(({ name }) => name)
    const steps = ALL_STEPS.map(({ name, title }) => [title, ...DRIVEN_CLIENTS.map((each) => this.#cell(each, name))])
    const versions = DRIVEN_CLIENTS.map(({ name, reconnects }) => [name, this.#versions.get(name) ?? '', reconnects])
    const errors = DRIVEN_CLIENTS.flatMap(({ name }) => {
      return (['disable', 'require'] as const).map((sslmode) => {
        const { afterFence = null, afterKill = null } = this.#errors.get(`${name} ${sslmode}`) ?? {}
        return [name, sslmode === 'disable' ? 'plain' : 'TLS', describeError(afterFence), describeError(afterKill)]
      })
    })
    let text = readFileSync(DOCUMENT, 'utf8')
    text = replaceTable(text, 'steps', [['', ...names], ...steps])
    text = replaceTable(text, 'versions', [['client', 'seen with', 'how it connects again'], ...versions])
    text = replaceTable(text, 'errors', [['client', '', 'the node is fenced', 'the server is killed'], ...errors])
    writeFileSync(DOCUMENT, text)
  }
}

/** `57P01 AdminShutdown: terminating …`, on one line, without what differs from run to run. */
function describeError(error: ErrorLine | null): string {
  if (error === null) return 'none'
  const text = error.text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/:\d+\b/g, ':…')
    .replaceAll('|', '\\|')
    .trim()
  return `${error.code === null || error.code === '' ? 'no code' : error.code}, ${error.kind}: ${text}`
}

function replaceTable(text: string, name: string, [header = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  const body = [line(header), `|${'---|'.repeat(header.length)}\n`, ...rows.map(line)].join('')
  return text.replace(section(name), (_all, start: string, end: string) => `${start}${body}${end}`)
}

function readTable(text: string, name: string): readonly (readonly string[])[] {
  const [all = ''] = section(name).exec(text) ?? []
  const lines = all.split('\n').filter((line) => line.startsWith('| '))
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

function section(name: string): RegExp {
  return new RegExp(`(<!-- table ${name} -->\\n)[^]*?(<!-- end -->)`)
}
