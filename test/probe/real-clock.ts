/**
 * The Clock of tests that wait for real sockets and servers. Test support.
 */
import type { Clock } from '../../src/ports.ts'

export const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
