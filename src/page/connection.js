/**
 * Listens to /api/events and says how that goes. Part of the live page. A browser connects again by itself after most
 * losses, but not after every one, and notices nothing when the other side says nothing: both are seen to here.
 */

/** The proxy says something every second. */
const SILENT_MS = 3_500
const GIVE_UP_MS = 10_000
const PAUSE_MS = 2_000

/**
 * @typedef {object} Listener
 * @property {Readonly<Record<string, (data: unknown) => void>>} events by name
 * @property {(silentMs: number | null) => void} onLink once a second; `null`: all is well
 */

/** @param {Listener} listener */
export function listen({ events, onLink }) {
  let heardAt = performance.now()
  let source = open()
  let openedAt = heardAt

  function open() {
    const opened = new EventSource('api/events')
    for (const [name, take] of Object.entries(events)) {
      opened.addEventListener(name, ({ data }) => {
        heardAt = performance.now()
        take(JSON.parse(data))
        onLink(null)
      })
    }
    return opened
  }

  setInterval(() => {
    const now = performance.now()
    const silentMs = now - heardAt
    onLink(silentMs > SILENT_MS || source.readyState !== EventSource.OPEN ? silentMs : null)
    const isOver = source.readyState === EventSource.CLOSED
    if (now - openedAt > (isOver ? PAUSE_MS : GIVE_UP_MS) && (isOver || silentMs > GIVE_UP_MS)) {
      source.close()
      source = open()
      openedAt = now
    }
  }, 1_000)
}
