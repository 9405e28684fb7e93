/** The Clock of the real world. Composition layer. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../ports.ts'

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
