/** The pictures of docs/page.md: taken in passing by the tests, and written only when UPDATE_DOCS=1 asks for it. Test support. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tab, TabView } from '../support/browser.ts'
import { shrinkPng } from './small-png.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'pictures')
const BYTES_MAX = 150_000

export const KEEPS_PICTURES = process.env['UPDATE_DOCS'] === '1'

export const DESK: TabView = { width: 1280, height: 900, scheme: 'light' }
export const DESK_DARK: TabView = { ...DESK, scheme: 'dark' }
export const PHONE: TabView = { width: 390, height: 844, scheme: 'light' }
export const PHONE_DARK: TabView = { ...PHONE, scheme: 'dark' }

/** Writes `docs/pictures/NAME.png` of the whole page as it is now. Rejects when that is more than a document should hold. */
export async function keepPicture(tab: Tab, name: string): Promise<void> {
  if (!KEEPS_PICTURES) return
  const picture = shrinkPng(await tab.screenshot())
  if (picture.length > BYTES_MAX) throw new Error(`${name}.png has ${picture.length} bytes, at most ${BYTES_MAX}`)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(join(FOLDER, `${name}.png`), picture)
}
