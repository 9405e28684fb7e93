/**
 * Coverage in lines of source, for people: which lines hold code, and which of them were run. Test support. Node strips
 * types by putting spaces in their place, so V8's offsets are those of the file.
 */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CoveredScript } from './coverage.ts'

/** Numbers of lines, counted from 1. */
interface FileLines {
  readonly all: Set<number>
  readonly run: Set<number>
}

export class LineCoverage {
  readonly #root: string
  readonly #files = new Map<string, FileLines>()

  /** `root`: the folder that names of files are shown relative to. */
  constructor(root: string) {
    this.#root = root
  }

  add(scripts: readonly CoveredScript[]): void {
    for (const script of scripts) {
      if (!script.url.startsWith('file:')) continue
      const path = fileURLToPath(script.url)
      const text = stripTypeScriptTypes(readFileSync(path, 'utf8'))
      const name = relative(this.#root, path)
      const file = this.#files.get(name) ?? { all: codeLines(text), run: new Set() }
      this.#files.set(name, file)
      for (const line of linesRun(text, script)) file.run.add(line)
    }
  }

  /** Of the files whose name begins with `folder`. `missing`: lines that were not run, as `name:line`. */
  of(folder: string): { readonly run: number; readonly all: number; readonly missing: readonly string[] } {
    const missing: string[] = []
    let all = 0
    for (const [name, file] of [...this.#files].sort(([a], [b]) => a.localeCompare(b))) {
      if (!name.startsWith(folder)) continue
      all += file.all.size
      missing.push(...[...file.all].filter((line) => !file.run.has(line)).map((line) => `${name}:${line}`))
    }
    return { run: all - missing.length, all, missing }
  }
}

/** Lines with more on them than comments and closing brackets. */
function codeLines(text: string): Set<number> {
  const bare = text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1')
  const found = new Set<number>()
  bare.split('\n').forEach((line, index) => {
    if (/[^\s{}()[\],;]/.test(line)) found.add(index + 1)
  })
  return found
}

/** A line was run when the innermost stretch around its first character was. */
function linesRun(text: string, { functions }: CoveredScript): number[] {
  const ranges = functions.flatMap((each) => each.ranges)
  const run: number[] = []
  let offset = 0
  text.split('\n').forEach((line, index) => {
    const at = offset + Math.max(0, line.search(/\S/))
    let innermost: (typeof ranges)[number] | null = null
    for (const range of ranges) {
      if (range.startOffset > at || range.endOffset <= at) continue
      const isInner =
        innermost === null || range.endOffset - range.startOffset <= innermost.endOffset - innermost.startOffset
      if (isInner) innermost = range
    }
    if (innermost !== null && innermost.count > 0) run.push(index + 1)
    offset += line.length + 1
  })
  return run
}
