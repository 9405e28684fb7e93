/**
 * The unprivileged user that servers run as when the tests run as root, which PostgreSQL and repmgr refuse.
 * Test support. Does not create users: it takes one that every system has.
 */
import { execFileSync } from 'node:child_process'
import { chownSync } from 'node:fs'

/** A user of this machine. `null` in place of one means: the user who runs the tests. */
export interface ServerUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

let cached: ServerUser | null | undefined

/** `null` unless run as root; then `postgres` where it exists, else `nobody`. Throws when neither does. */
export function serverUser(): ServerUser | null {
  if (cached === undefined) cached = process.getuid?.() === 0 ? (lookUp('postgres') ?? lookUp('nobody')) : null
  if (cached === null && process.getuid?.() === 0) {
    throw new Error('run as root, and there is neither a user "postgres" nor "nobody" to run servers as')
  }
  return cached
}

/** What `spawn` needs to start a program as the server user; nothing when that is who we are. */
export function asServerUser(): { readonly uid?: number; readonly gid?: number } {
  const user = serverUser()
  return user === null ? {} : { uid: user.uid, gid: user.gid }
}

/** Gives a file or folder that we made to the server user. Does nothing when not root. */
export function giveToServerUser(path: string): void {
  const user = serverUser()
  if (user !== null) chownSync(path, user.uid, user.gid)
}

/** The environment of servers and their tools: nothing of ours that changes what they do (PGPORT, LANG …). */
export function serverEnvironment(home: string): NodeJS.ProcessEnv {
  const user = serverUser()
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: home,
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(user === null ? {} : { USER: user.name, LOGNAME: user.name }),
  }
}

function lookUp(name: string): ServerUser | null {
  try {
    const ask = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }))
    return { name, uid: ask('-u'), gid: ask('-g') }
  } catch {
    return null
  }
}
