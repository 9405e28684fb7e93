/** Listening sockets that another process inherits: what of them is shared, and whose the file of a Unix socket is. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ListeningSocket, type OwnAddress } from '../../src/net/listening-socket.ts'
import { descriptorOf } from '../../src/net/server-descriptor.ts'

let folder: string
let path: string
const sockets: ListeningSocket[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-listening-'))
  path = join(folder, 'socket')
})

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
  rmSync(folder, { recursive: true, force: true })
})

function make(address: OwnAddress, options: { readonly inheritedFd?: number; readonly socketMode?: number } = {}) {
  const server = createServer((socket) => socket.end())
  const socket = new ListeningSocket(server, { address, ...options })
  sockets.push(socket)
  return { server, socket }
}

const unix = (): OwnAddress => ({ kind: 'unix', path })

/** A process that inherits the socket, says so, and closes it at the end of its input. */
function startHeir(fd: number, claim: string): ChildProcess {
  const script = `
    import { createServer } from 'node:net'
    import { ListeningSocket } from '${new URL('../../src/net/listening-socket.ts', import.meta.url)}'
    const address = { kind: 'unix', path: ${JSON.stringify(path)} }
    const socket = new ListeningSocket(createServer((client) => client.end()), { address, inheritedFd: 3 })
    await socket.open()
    ${claim}
    console.log('up')
    process.stdin.resume().on('end', () => socket.close())`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit', fd] })
}

/** Resolves when a connection was accepted, with `null`, or refused, with the error's name. */
async function knock(target: { readonly path: string }): Promise<string | null> {
  const client = connect(target)
  const [error] = await Promise.race([once(client, 'close').then(() => []), once(client, 'error')])
  return (error as NodeJS.ErrnoException | undefined)?.code ?? null
}

describe('the descriptor of a server', () => {
  it.each<[string, () => Server]>([
    ['a TCP server', () => createServer()],
    ['an HTTP server', () => createHttpServer()],
  ])('of %s is the one that the kernel has for its port', async (_, create) => {
    const server = create()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const inode = /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${descriptorOf(server)}`))?.[1]
    const line = readFileSync('/proc/self/net/tcp', 'latin1')
      .split('\n')
      .find((each) => each.includes(` ${inode} `))
    expect(line).toContain(`:${port.toString(16).toUpperCase().padStart(4, '0')} `)
    server.close()
    await once(server, 'close')
  })

  it('of a server that does not listen is an error', () => {
    expect(() => descriptorOf(createServer())).toThrow('the server does not listen')
  })

  it('that Node keeps elsewhere is an error that names its version', () => {
    const changed = { listening: true, _handle: {} } as unknown as Server
    expect(() => descriptorOf(changed)).toThrow(`Node.js ${process.version} does not tell`)
  })
})

describe('the file of a Unix socket', () => {
  it('goes when the socket is closed, and nothing is left beside it', async () => {
    const { socket } = make(unix(), { socketMode: 0o750 })
    await socket.open()
    expect(readdirSync(folder)).toEqual(['socket'])
    expect(await knock({ path })).toBeNull()
    socket.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each<[string, string, boolean]>([
    ['stays when an heir closes its socket before it is its own', '', true],
    ['goes when an heir closes its socket that is its own', 'socket.claimFile()', false],
  ])('%s', async (_, claim, isLeft) => {
    const { socket } = make(unix())
    await socket.open()
    const heir = startHeir(socket.descriptor, claim)
    await once(heir.stdout as NodeJS.ReadableStream, 'data')
    socket.close({ keepFile: true })
    expect(await knock({ path })).toBeNull()
    heir.stdin?.end()
    expect(await once(heir, 'close')).toEqual([0, null])
    expect(existsSync(path)).toBe(isLeft)
  })

  it('that somebody else has put there meanwhile is left alone', async () => {
    const { socket } = make(unix())
    await socket.open()
    rmSync(path)
    writeFileSync(path, 'of somebody else')
    socket.close()
    expect(readFileSync(path, 'utf8')).toBe('of somebody else')
  })

  it('is not taken from somebody who listens, nor from what is no socket', async () => {
    await make(unix()).socket.open()
    await expect(make(unix()).socket.open()).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `listen EADDRINUSE: address already in use ${path}`,
    })
    expect(await knock({ path })).toBeNull()
    sockets[0]?.close()
    writeFileSync(path, 'a file')
    await expect(make(unix()).socket.open()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(readFileSync(path, 'utf8')).toBe('a file')
    expect(readdirSync(folder)).toEqual(['socket'])
  })

  it('is made although a process was killed in the middle of making it', async () => {
    const script = `require('node:net').createServer().listen(${JSON.stringify(`${path}~`)}, () => console.log('up'))`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'close')
    await make(unix()).socket.open()
    expect(readdirSync(folder)).toEqual(['socket'])
  })

  it('may have the longest name that the kernel takes', async () => {
    path = join(folder, 'x'.repeat(107 - folder.length - 1))
    await make(unix()).socket.open()
    expect(await knock({ path })).toBeNull()
  })
})
