/**
 * Debian's Chromium without a window, driven over the pipe of its DevTools protocol. Test support. A tab keeps everything
 * that went wrong in it: what was said on the console as an error, exceptions, refused by a policy, asked of another host.
 * @see https://chromedevtools.github.io/devtools-protocol/
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { waitFor } from './condition.ts'
import { reapOnExit } from './reaper.ts'

const PROGRAM = 'chromium'

/** `true`, or why the tests that need it cannot run; for `leftOut`. */
export function browserAvailable(): true | string {
  return spawnSync(PROGRAM, ['--version']).error === undefined
    ? true
    : 'Chromium is missing: install the package chromium'
}

/** How a tab shows itself. */
export interface TabView {
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
  /** Pixels of the device for one of the page; default 1. */
  readonly scale?: number
}

type Fields = Readonly<Record<string, unknown>>
interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Fields
  readonly result?: Fields
  readonly error?: { readonly message: string }
  readonly sessionId?: string
}

/** Whoever opens one closes it. */
export class Browser {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #release: readonly (() => void)[]
  readonly #waiting = new Map<number, { resolve: (result: Fields) => void; reject: (error: Error) => void }>()
  readonly #tabs = new Map<string, Tab>()
  #lastId = 0
  #rest = ''

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'pgha-browser-'))
    const args = [
      '--headless',
      // Everything here is our own, and root, as in containers, cannot have the sandbox.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--no-first-run',
      '--hide-scrollbars',
      '--remote-debugging-pipe',
      `--user-data-dir=${this.#folder}`,
      'about:blank',
    ]
    this.#child = spawn(PROGRAM, args, {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: this.#folder },
    })
    const { pid } = this.#child
    this.#release = [
      reapOnExit({ kind: 'folder', path: this.#folder }),
      ...(pid === undefined ? [] : [reapOnExit({ kind: 'process', pid })]),
    ]
    const input = this.#child.stdio[3] as Writable
    const output = this.#child.stdio[4] as Readable
    input.on('error', () => {})
    output.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    this.#child.once('error', () => this.#fail())
    this.#child.once('exit', () => this.#fail())
  }

  /** Resolves when it answers. */
  static async open(): Promise<Browser> {
    const browser = new Browser()
    await browser.send('Browser.getVersion')
    return browser
  }

  /** A new tab with this address. Does not wait for what the page does. */
  async openTab(url: string, view: TabView): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const tab = new Tab(this, String(sessionId), url)
    this.#tabs.set(String(sessionId), tab)
    for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Audits']) await tab.send(`${domain}.enable`)
    await tab.show(view)
    await tab.send('Page.navigate', { url })
    return tab
  }

  /** One command of the protocol. Rejects with what the browser says against it. */
  async send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#lastId
    const message = JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })
    return await new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) return reject(new Error('the browser has ended'))
      this.#waiting.set(id, { resolve, reject })
      ;(this.#child.stdio[3] as Writable).write(`${message}\0`)
    })
  }

  /** Ends it and removes its folder. May be called again. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve))
      await this.send('Browser.close').catch(() => this.#child.kill('SIGKILL'))
      await ended
    }
    // Its helpers write for a moment longer.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    for (const release of this.#release) release()
  }

  #read(text: string): void {
    const messages = (this.#rest + text).split('\0')
    this.#rest = messages.pop() ?? ''
    for (const message of messages) this.#take(JSON.parse(message) as Message)
  }

  #take({ id, method, params = {}, result = {}, error, sessionId }: Message): void {
    if (id === undefined) {
      if (method !== undefined && sessionId !== undefined) this.#tabs.get(sessionId)?.take(method, params)
      return
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error.message))
  }

  #fail(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error('the browser has ended'))
    this.#waiting.clear()
  }
}

/** One page in the browser. */
export class Tab {
  /** What went wrong, one line each. */
  readonly problems: string[] = []
  /** Every address that was asked for. */
  readonly requests: string[] = []
  readonly #browser: Browser
  readonly #sessionId: string
  readonly #origin: string

  constructor(browser: Browser, sessionId: string, url: string) {
    this.#browser = browser
    this.#sessionId = sessionId
    this.#origin = new URL(url).origin
  }

  async send(method: string, params: Fields = {}): Promise<Fields> {
    return await this.#browser.send(method, params, this.#sessionId)
  }

  async show({ width, height, scheme, scale = 1 }: TabView): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: false })
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  /** What an expression is in the page, as JSON has it; a promise is waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    const { result, exceptionDetails } = answer as {
      readonly result: { readonly value?: unknown }
      readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } }
    }
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    }
    return result.value as T
  }

  /** The text of the first element that the selector finds, as it is seen; `null` when there is none. */
  async text(selector: string): Promise<string | null> {
    // SVG knows only the text itself.
    return await this.evaluate(
      `(({ innerText, textContent } = {}) => innerText ?? textContent ?? null)(document.querySelector(${JSON.stringify(selector)}) ?? undefined)`,
    )
  }

  /** Waits until that text is as wanted. */
  async waitForText(selector: string, until: (text: string) => boolean, timeoutMs = 15_000): Promise<string> {
    const look = () => this.text(selector)
    const text = await waitFor(`the page's ${selector}`, look, {
      until: (seen) => seen !== null && until(seen),
      timeoutMs,
    })
    return text ?? ''
  }

  /** A PNG of the whole page. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })
    return Buffer.from(String(data), 'base64')
  }

  /** An event of the protocol. */
  take(method: string, params: Fields): void {
    switch (method) {
      case 'Runtime.exceptionThrown': {
        const { exceptionDetails } = params as {
          exceptionDetails: { text: string; exception?: { description?: string } }
        }
        this.problems.push(`exception: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`)
        return
      }
      case 'Runtime.consoleAPICalled':
        if (params['type'] === 'error' || params['type'] === 'assert') {
          this.problems.push(`console: ${JSON.stringify(params['args'])}`)
        }
        return
      case 'Log.entryAdded': {
        const { entry } = params as { entry: { level: string; text: string; url?: string } }
        if (entry.level === 'error') this.problems.push(`log: ${entry.text} ${entry.url ?? ''}`)
        return
      }
      case 'Audits.issueAdded':
        this.problems.push(`issue: ${JSON.stringify(params['issue'])}`)
        return
      case 'Network.requestWillBeSent': {
        const { request } = params as { request: { url: string } }
        this.requests.push(request.url)
        const isOurs = request.url.startsWith(`${this.#origin}/`) || request.url.startsWith('data:')
        if (!isOurs) this.problems.push(`asked another host: ${request.url}`)
        return
      }
      default:
        return
    }
  }
}
