/**
 * The program of the client container: many writers, and an HTTP server that tells what they saw. `GET /progress` is
 * small and asked often; `POST /stop` ends the writers and answers with the whole ledger. The environment says how many
 * (`LONG`, `FRESH`), at what pace (`LONG_PACE_MS`, `FRESH_PACE_MS`), and, as libpq does, where to connect (`PGHOST` …).
 */
import { createServer } from 'node:http'
import process from 'node:process'
import type { Ledger, Progress } from './ledger.ts'
import { Writer } from './writer.ts'

const PORT = 8080

function numberFrom(name: string): number {
  const value = Number(process.env[name])
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} must be a whole number`)
  return value
}

// Where to connect and as whom comes from PGHOST and its like. A held connect waits for as long as the proxy lets it.
const login = { connectionTimeoutMillis: 0 }
const writers = (['long', 'fresh'] as const).flatMap((style) =>
  Array.from(
    { length: numberFrom(style.toUpperCase()) },
    (_, index) =>
      new Writer({
        name: `${process.env['NAME'] ?? ''}-${style}${index}`,
        style,
        paceMs: numberFrom(`${style.toUpperCase()}_PACE_MS`),
        login,
      }),
  ),
)

function progress(): Progress {
  return Object.fromEntries(
    writers.map(({ name, acknowledged, errors }) => {
      const counts: Record<string, number> = {}
      for (const { node } of acknowledged) counts[node] = (counts[node] ?? 0) + 1
      const last = errors.at(-1)
      return [
        name,
        { acknowledged: counts, lastError: last === undefined ? null : `${last.phase}: ${last.code} ${last.message}` },
      ]
    }),
  )
}

function ledger(): Ledger {
  const byTime = <T extends { readonly at: number }>(all: T[]): T[] => all.toSorted((a, b) => a.at - b.at)
  return {
    acknowledged: byTime(writers.flatMap((writer) => writer.acknowledged)),
    errors: byTime(writers.flatMap((writer) => writer.errors)),
  }
}

const server = createServer((request, response) => {
  const send = (body: unknown): void => {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(body))
  }
  if (request.method === 'GET' && request.url === '/progress') return send(progress())
  if (request.method === 'GET' && request.url === '/ledger') return send(ledger())
  if (request.method === 'POST' && request.url === '/stop') {
    void Promise.all(writers.map((writer) => writer.stop())).then(() => send(ledger()))
    return
  }
  response.statusCode = 404
  response.end()
})
server.listen(PORT)

process.once('SIGTERM', () => process.exit(0))
