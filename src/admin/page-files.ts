/**
 * The files of the live page, from `src/page` or, in the package, `dist/page`: read once, when somebody first asks. Part
 * of the admin server. Only what is listed here can be asked for.
 */
import { readFile } from 'node:fs/promises'
import type { Answer } from './answer.ts'

const FOLDER = new URL('../page/', import.meta.url)

/** What each is served as, by its ending. */
const CONTENT_TYPES = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
} as const

/** By path. */
export const PAGE_FILES: Readonly<Record<string, `${string}.${keyof typeof CONTENT_TYPES}`>> = {
  '/': 'index.html',
  '/page/style.css': 'style.css',
  '/page/main.js': 'main.js',
  '/page/cluster.js': 'cluster.js',
  '/page/cluster-layout.js': 'cluster-layout.js',
  '/page/connection.js': 'connection.js',
  '/page/elements.js': 'elements.js',
  '/page/headline.js': 'headline.js',
  '/page/journal.js': 'journal.js',
  '/page/plots.js': 'plots.js',
  '/page/words.js': 'words.js',
}

/** The page loads from here and from nowhere else, runs no inline script, and stands in no frame. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const read = new Map<string, string>()

/** Rejects when the file is not there: the program is not installed as it was packed. */
export async function pageFile(name: string): Promise<Answer> {
  const body = read.get(name) ?? (await readFile(new URL(name, FOLDER), 'utf8'))
  read.set(name, body)
  const contentType = CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1) as keyof typeof CONTENT_TYPES]
  const headers = { 'Content-Security-Policy': CONTENT_SECURITY_POLICY }
  return { kind: 'whole', statusCode: 200, contentType, body, headers }
}
