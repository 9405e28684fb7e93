/** The Clock of the real world. Composition layer. */
import process from 'node:process'
import type { Clock } from '../ports.ts'

export const systemClock: Clock = {
  // The system's monotonic clock itself, which all processes of a machine share: decisions are sent to workers with their
  // times. performance.now() begins anew in each process.
  now: () => {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1e3 + nanoseconds / 1e6
  },
  wallTime: () => new Date(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
