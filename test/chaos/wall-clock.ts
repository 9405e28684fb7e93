/**
 * A wall clock of its own for a process of a chaos run, which can be stepped while it runs, by libfaketime. Test support.
 * The monotonic clock stays the machine's: no program can be given another one that jumps, but by standing still.
 */
import { globSync, writeFileSync } from 'node:fs'

const LIBRARY = globSync('/usr/{lib,lib64}/{*/,}faketime/libfaketimeMT.so.1')[0]

/** `true`, or what is missing. */
export function wallClocksAvailable(): true | string {
  return LIBRARY === undefined ? 'install the package faketime' : true
}

/** The environment of a process that lives by the clock in `file`. */
export function livingBy(file: string): NodeJS.ProcessEnv {
  if (LIBRARY === undefined) throw new Error('no wall clock can be stepped here: install the package faketime')
  return {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Seconds between two looks at the file: else every look at the clock would read it.
    FAKETIME_CACHE_DURATION: '1',
  }
}

/** The clock is so far off from now on, give or take the second until it is looked at; 0: right again. */
export function stepWallClock(file: string, offsetSeconds: number): void {
  writeFileSync(file, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`)
}
