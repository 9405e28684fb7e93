/** A Unix socket's file that a killed process has left behind: nobody listens on it, and it keeps others from doing so. */
import { lstat } from 'node:fs/promises'
import { connect } from 'node:net'

/** After `error` at opening a listener at `path`: true for a socket, and nothing else, that refuses to be connected to. */
export async function isAbandoned(path: string, error: NodeJS.ErrnoException): Promise<boolean> {
  if (error.code !== 'EADDRINUSE') return false
  const found = await lstat(path).catch(() => null)
  if (found?.isSocket() !== true) return false
  return await new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (refusal: NodeJS.ErrnoException) => resolve(refusal.code === 'ECONNREFUSED'))
  })
}
