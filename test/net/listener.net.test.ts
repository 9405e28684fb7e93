import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Listener } from '../../src/net/listener.ts'

let folder: string
let path: string
const opened: Listener[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-listener-'))
  path = join(folder, '.s.PGSQL.5432')
})

afterEach(() => {
  for (const listener of opened.splice(0)) listener.close()
  rmSync(folder, { recursive: true, force: true })
})

function unixListener(onConnection: (socket: Socket) => void = (socket) => socket.destroy()): Listener {
  const listener = new Listener({ address: { kind: 'unix', path }, onConnection, onError: () => undefined })
  opened.push(listener)
  return listener
}

/** A process that listened on the path and was killed: the file stays. */
async function leaveSocketBehind(): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
}

describe('a listener on a Unix socket', () => {
  it('replaces a socket that a killed process has left behind', async () => {
    await leaveSocketBehind()
    const listener = unixListener()
    await listener.open()
    expect(listener.isOpen).toBe(true)
    expect(listener.address).toBe(`unix:${path}`)
    const client = connect({ path })
    await once(client, 'close')
  })

  it('does not take a socket away from a process that listens on it', async () => {
    await unixListener().open()
    await expect(unixListener().open()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const client = connect({ path })
    await once(client, 'connect')
    client.destroy()
  })

  it('has the permissions that it is to have, whatever the umask', async () => {
    const before = process.umask(0o077)
    try {
      const handlers = { onConnection: (socket: Socket) => socket.destroy(), onError: () => undefined }
      const listener = new Listener({ address: { kind: 'unix', path }, socketMode: 0o777, ...handlers })
      opened.push(listener)
      await listener.open()
      expect(statSync(path).mode & 0o777).toBe(0o777)
      await listener.permit(0o750)
      expect(statSync(path).mode & 0o777).toBe(0o750)
    } finally {
      process.umask(before)
    }
  })

  it('leaves a file alone that is no socket', async () => {
    writeFileSync(path, 'precious')
    await expect(unixListener().open()).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('a listener on TCP', () => {
  it('says which port it was given for port 0', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
    const listener = new Listener({ address, onConnection: (socket) => socket.destroy(), onError: () => undefined })
    opened.push(listener)
    await listener.open()
    expect(listener.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/)
  })

  it('lets IPv4 and IPv6 wildcards stand side by side', async () => {
    const any = (host: string, port: number): Listener => {
      const address = { kind: 'tcp', host, port } as const
      const listener = new Listener({ address, onConnection: (socket) => socket.destroy(), onError: () => undefined })
      opened.push(listener)
      return listener
    }
    const v4 = any('0.0.0.0', 0)
    await v4.open()
    const port = Number(v4.address.split(':').at(-1))
    await any('::', port).open()
  })
})
