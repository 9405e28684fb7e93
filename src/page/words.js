/** Durations, sizes, counts, states and roles as people say them. Part of the live page; pure. */

/** @import { IconName } from './elements.js' */
/** @import { NodeRole, TopologyKind } from '../topology/topology-state.ts' */

/** @typedef {'good' | 'wait' | 'bad' | 'plain' | 'faint'} Tone */
/** @typedef {{ readonly word: string, readonly tone: Tone, readonly icon: IconName }} Look */

/** @type {Readonly<Record<TopologyKind, Look>>} */
export const STATES = {
  serving: { word: 'serving', tone: 'good', icon: 'check' },
  uncertain: { word: 'uncertain', tone: 'wait', icon: 'question' },
  'no-primary': { word: 'no primary', tone: 'bad', icon: 'pause' },
  'split-brain': { word: 'split brain', tone: 'bad', icon: 'fork' },
}

/** @type {Readonly<Record<NodeRole, Look>>} */
export const ROLES = {
  primary: { word: 'primary', tone: 'good', icon: 'check' },
  standby: { word: 'standby', tone: 'plain', icon: 'copy' },
  witness: { word: 'witness', tone: 'faint', icon: 'eye' },
  'stale-primary': { word: 'stale primary', tone: 'bad', icon: 'alarm' },
  impostor: { word: 'impostor', tone: 'bad', icon: 'alarm' },
  foreign: { word: 'foreign', tone: 'bad', icon: 'alarm' },
  fenced: { word: 'fenced', tone: 'wait', icon: 'bar' },
  unreachable: { word: 'unreachable', tone: 'bad', icon: 'cross' },
  unknown: { word: 'unknown', tone: 'faint', icon: 'question' },
}

/**
 * `0.4 ms`, `34 ms`, `1.59 s`, `42 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 10) return `${Math.max(0, Math.round(ms * 10) / 10)} ms`
  if (ms < 1_000) return `${Math.floor(ms)} ms`
  if (ms < 10_000) return `${(Math.floor(ms / 10) / 100).toFixed(2)} s`
  return age(ms)
}

/**
 * The same without fractions, for what goes on: `0 s`, `42 s`, `3 min 12 s`.
 * @param {number} ms
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/**
 * `0 B`, `1.5 KiB`, `16 MiB`: at most one decimal, none from 100 on.
 * @param {number} count
 */
export function bytes(count) {
  let [amount, index] = [count, 0]
  while (amount >= 1024 && index < UNITS.length - 1) {
    amount /= 1024
    index += 1
  }
  return `${amount < 100 ? Math.floor(amount * 10) / 10 : Math.floor(amount)} ${UNITS[index]}`
}

/**
 * `1 session`, `1,200 sessions`.
 * @param {number} amount
 * @param {string} one
 */
export function count(amount, one, many = `${one}s`) {
  return `${figure(amount)} ${amount === 1 ? one : many}`
}

/** @param {number} amount */
export function figure(amount) {
  return amount.toLocaleString('en')
}

/**
 * The time of day, UTC; with the date when it was not on the day of `now`.
 * @param {number} at milliseconds since 1970
 * @param {number} now the same
 */
export function timeOfDay(at, now) {
  const [date = '', time = ''] = new Date(at).toISOString().split('T')
  const clock = time.slice(0, 8)
  return date === new Date(now).toISOString().slice(0, 10) ? clock : `${date} ${clock}`
}
