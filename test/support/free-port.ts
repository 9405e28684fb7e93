/**
 * Free TCP ports and loopback addresses for servers that tests start. Test support.
 * A port found here is free now, not reserved: whoever takes it should be started soon.
 */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below the ephemeral ranges of Linux (32768 up) and macOS (49152 up): a port of a killed server
// must not be taken by some outgoing connection before that server is started again.
const LOWEST_PORT = 15_000
const HIGHEST_PORT = 32_000
const ATTEMPTS = 200

/** A port on which nobody listens at any of `hosts`. Rejects when none is found or a host is not local. */
export async function freePort(hosts: readonly string[] = ['127.0.0.1']): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    const free = await Promise.all(hosts.map((host) => canListen(host, port)))
    if (free.every(Boolean)) return port
  }
  throw new Error(`no free port on ${hosts.join(', ')} in ${ATTEMPTS} attempts`)
}

/** `count` different ports, each free at `host`. */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort([host]))
  return [...ports]
}

/**
 * `count` loopback addresses in one random /24 of 127.0.0.0/8, so that two clusters do not meet.
 * Linux answers on all of them; macOS only on 127.0.0.1 unless aliases are set up.
 */
export function loopbackHosts(count: number): readonly string[] {
  const prefix = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`
  return Array.from({ length: count }, (_, index) => `${prefix}.${index + 1}`)
}

async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
