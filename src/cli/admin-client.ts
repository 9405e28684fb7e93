/**
 * Asks the admin address of a running proxy: one request, one connection, five seconds. Effect layer. It goes there
 * directly, whatever HTTP proxy the environment names, and leaves no socket behind.
 */
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http'
import { printable } from '../observability/printable.ts'
import { socketPathOf } from './admin-url.ts'
import { CliError } from './cli-error.ts'
import { EXIT_CODES } from './exit-codes.ts'

export const ADMIN_TIMEOUT_MS = 5_000
/** The status of 64 nodes is far below this. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024

export interface AdminAnswer {
  readonly statusCode: number
  /** The parsed JSON; `undefined` when the body was none. */
  readonly body: unknown
}

export interface AdminRequest {
  readonly method: 'GET' | 'POST'
  /** Below the admin address: `api/status`. */
  readonly path: string
  /** For orders. */
  readonly token?: string
  readonly body?: unknown
  /** Left out: five seconds. */
  readonly timeoutMs?: number
  /** Gives the question up. */
  readonly signal?: AbortSignal
}

/** Asks once. Rejects with a CliError that names the address when nobody answers; any HTTP status is an answer. */
export async function askAdmin(url: URL, request: AdminRequest): Promise<AdminAnswer> {
  const { method, path, token, body, timeoutMs = ADMIN_TIMEOUT_MS, signal } = request
  const socketPath = socketPathOf(url)
  const base = socketPath === null ? url.href : 'http://localhost'
  const target = new URL(path, base.endsWith('/') ? base : `${base}/`)
  const text = body === undefined ? null : JSON.stringify(body)
  const options: RequestOptions = {
    method,
    ...(socketPath === null ? {} : { socketPath }),
    // An agent of its own for this one request: it knows neither keep-alive nor HTTP_PROXY.
    agent: false,
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]),
    headers: {
      accept: 'application/json',
      connection: 'close',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    },
  }
  try {
    // Most speak plainly to a near address, and a hook of repmgr's should not wait for TLS to be loaded.
    const send = target.protocol === 'https:' ? (await import('node:https')).request : requestPlain
    return await new Promise<AdminAnswer>((resolve, reject) => {
      const sent = send(target, options, (response) => {
        readAnswer(response).then(resolve, reject)
      })
      sent.once('error', reject)
      sent.end(text ?? undefined)
    })
  } catch (error) {
    throw new CliError(
      `no proxy answers at ${formatAdminUrl(url)}: ${describeFailure(error, timeoutMs)}`,
      'is it running there? Name its admin address with --url http://HOST:PORT, or its configuration with --config FILE',
      EXIT_CODES.failure,
      { cause: error },
    )
  }
}

/** As it is written for people: without the slash that URLs end with, and without a password. */
export function formatAdminUrl(url: URL): string {
  const socketPath = socketPathOf(url)
  if (socketPath !== null) return `unix:${printable(socketPath)}`
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`
}

/** What 403 to a question means: its host name is not one that the proxy answers to. */
export function refusedHostName(url: URL): CliError {
  return new CliError(
    `the proxy at ${formatAdminUrl(url)} refuses requests under that host name`,
    'give --url with its IP address, or name it under admin.hosts in its configuration',
    EXIT_CODES.failure,
  )
}

/** The `error` or `message` of an answer's JSON, on one line; `null` when it has none. */
export function textOf(body: unknown, key: 'error' | 'message'): string | null {
  if (typeof body !== 'object' || body === null) return null
  const text = (body as Partial<Record<string, unknown>>)[key]
  return typeof text === 'string' && text !== '' ? printable(text) : null
}

async function readAnswer(response: IncomingMessage): Promise<AdminAnswer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > ANSWER_BYTES_MAX) {
      response.destroy()
      throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    }
    pieces.push(piece)
  }
  return { statusCode: response.statusCode ?? 0, body: parseJson(Buffer.concat(pieces).toString('utf8')) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function describeFailure(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `silent for ${timeoutMs / 1_000} s`
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : []
  // One name, several addresses, one failure each: the first says enough.
  if (first instanceof Error) return describeFailure(first, timeoutMs)
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOENT':
      return 'there is no such socket'
    case 'EACCES':
      return 'permission denied: admin.socket_mode says who may'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name does not resolve'
    default:
      return printable(error.message)
  }
}
