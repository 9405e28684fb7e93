/**
 * The image by itself, without a cluster: what is in it, and how a container of it starts, is asked, and ends. Every
 * container here runs hardened: no root, no capability, no new privileges, a read-only root file system.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { SHUTTING_DOWN } from '../scenarios/promised-words.ts'
import { RawClient, startupMessage } from '../scenarios/raw-client.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { docker, engineAvailable, LABEL_OPTION } from './engine.ts'
import { IMAGES } from './images.ts'
import { PlainContainer } from './plain-container.ts'

/** What the program, its dependencies and their folders may add to the base image. */
const ADDED_BYTES_MAX = 15_000_000
/** Docker's own limit before it kills; a stop in good order must stay far below it. */
const KILL_AFTER_S = 10
const STOPPED_WITHIN_MS = 3_000
/** What RES_OPTIONS of the image leaves of a look-up that nobody answers is 2 s, twice at worst; without it, 10 s. */
const RESOLVER_GIVES_UP_WITHIN_MS = 6_000

interface Package {
  readonly version: string
  readonly description: string
  readonly license: string
  readonly devDependencies: Readonly<Record<string, string>>
}
interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>
}
interface Image {
  readonly Size: number
  readonly Config: Readonly<Record<string, unknown>> & { readonly Labels: Readonly<Record<string, string>> }
}

const readJson = <T>(name: string): T =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', name), 'utf8')) as T
const PACKAGE = readJson<Package>('package.json')

let folder: string
const containers: PlainContainer[] = []
const clients: RawClient[] = []
const ownVolumes: string[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-image-'))
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  for (const container of containers.splice(0)) await container.remove()
  for (const volume of ownVolumes.splice(0)) await docker('volume', 'rm', volume)
})
afterAll(() => rmSync(folder, { recursive: true }))

const CONFIG = {
  listeners: [{ address: '0.0.0.0:5432' }],
  nodes: [{ name: 'pg-0', address: 'pg-0.invalid' }],
  monitor: { user: 'pgha' },
  admin: { address: '0.0.0.0:8432' },
}

/** The flags that mount a configuration where the image looks for it. */
function configured(changes: object = {}): string[] {
  const file = join(folder, `${randomUUID()}.yaml`)
  writeFileSync(file, stringify({ ...CONFIG, ...changes }))
  // The container's user is another one.
  chmodSync(file, 0o644)
  return ['--volume', `${file}:/etc/pgha-proxy/ha.yaml:ro`]
}

async function start(flags: readonly string[], args: readonly string[] = []): Promise<PlainContainer> {
  const container = await PlainContainer.start(flags, args)
  containers.push(container)
  return container
}

async function inspectImage(name: string): Promise<Image> {
  const [image] = JSON.parse(await docker('image', 'inspect', name)) as Image[]
  if (image === undefined) throw new Error(`docker has no image ${name}`)
  return image
}

/** What a command prints that is not the proxy, in a container that is gone afterwards. */
async function inImage(...command: readonly string[]): Promise<string> {
  const [program = '', ...args] = command
  const label = [...LABEL_OPTION]
  return (await docker('run', '--rm', ...label, '--entrypoint', program, IMAGES.proxy, ...args)).trim()
}

describe.skipIf(leftOut('the container image', engineAvailable()))('the image', () => {
  it('holds the built program and the packages it needs at run time, and nothing else', async () => {
    expect((await inImage('ls', '-A', '/opt/pgha-proxy')).split('\n').sort()).toEqual(
      ['LICENSE', 'config', 'dist', 'node_modules', 'package.json'].sort(),
    )
    const installed = JSON.parse(await inImage('cat', '/opt/pgha-proxy/node_modules/.package-lock.json')) as LockFile
    const locked = Object.entries(readJson<LockFile>('package-lock.json').packages)
    const wanted = locked.filter(([path, { dev }]) => path !== '' && dev !== true).map(([path]) => path)
    expect(Object.keys(installed.packages).sort()).toEqual(wanted.sort())
    const folders = (await inImage('ls', '-A', '/opt/pgha-proxy/node_modules')).split('\n')
    expect(folders.filter((name) => name in PACKAGE.devDependencies)).toEqual([])
    expect(await inImage('find', '/opt/pgha-proxy/dist', '-name', '*.ts', '-o', '-name', '*.map')).toBe('')
  })

  it(`adds less than ${ADDED_BYTES_MAX / 1e6} MB to its base`, async () => {
    const [image, base] = await Promise.all([inspectImage(IMAGES.proxy), inspectImage('node:24-bookworm-slim')])
    expect(image.Size - base.Size).toBeLessThan(ADDED_BYTES_MAX)
    expect(image.Size - base.Size).toBeGreaterThan(0)
  })

  it.each([IMAGES.proxy, ...Object.values(IMAGES.postgres), IMAGES.nginx, IMAGES.laravel])(
    'runs as a user by number that is not root: %s',
    async (name) => {
      // By number: Kubernetes' runAsNonRoot does not believe names.
      expect((await inspectImage(name)).Config['User']).toMatch(/^[1-9]\d*:[1-9]\d*$/)
      const asked = await docker('run', '--rm', ...LABEL_OPTION, '--entrypoint', 'id', name, '-u')
      expect(Number(asked)).toBeGreaterThan(0)
    },
  )

  it('says what it is, in the version of the package', async () => {
    const { Config } = await inspectImage(IMAGES.proxy)
    expect(Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'pgha-proxy',
      'org.opencontainers.image.description': PACKAGE.description.replace(/:.*$/, ''),
      'org.opencontainers.image.licenses': PACKAGE.license,
      'org.opencontainers.image.version': PACKAGE.version,
    })
    expect(Config).toMatchObject({ User: '1000:1000', StopSignal: 'SIGTERM', Volumes: { '/var/lib/pgha-proxy': {} } })
    expect(await docker('run', '--rm', IMAGES.proxy, '--version')).toBe(`${PACKAGE.version}\n`)
  })

  it('gives V8 16 MiB for new objects, whatever the memory of the machine', async () => {
    const limit = 'v8.getHeapStatistics().heap_size_limit / 2 ** 20'
    // The young generation counts as three semi-spaces.
    expect(Number(await inImage('node', '--max-old-space-size=1024', '-p', limit))).toBe(1024 + 3 * 16)
  })
})

describe.skipIf(leftOut('containers of the image', engineAvailable()))('a container', () => {
  it('is healthy without a primary, answers its own commands, and may do nothing that it need not', async () => {
    const container = await start(configured())
    await container.waitForHealth('healthy')

    const status = container.exec('pgha-proxy', 'status')
    await expect(status).rejects.toMatchObject({ code: 3, stdout: expect.stringContaining('pg-0.invalid') })
    const processStatus = await container.exec('cat', '/proc/1/status')
    // The program itself is PID 1: no shell or launcher between it and the signals.
    expect(await container.exec('readlink', '/proc/1/exe')).toBe('/usr/local/bin/node')
    expect(processStatus).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m)
    expect(processStatus).toMatch(/^CapEff:\s+0+$/m)
    expect(processStatus).toMatch(/^NoNewPrivs:\s+1$/m)
    await expect(container.exec('touch', '/opt/pgha-proxy/dist/x')).rejects.toThrow('Read-only file system')
    expect(await container.exec('stat', '-c', '%U %a', '/var/lib/pgha-proxy')).toBe('node 750')
  })

  it('is unhealthy when the admin server does not answer', async () => {
    const often = ['--health-interval', '500ms', '--health-retries', '2', '--health-start-period', '1ms']
    const container = await start([...configured(), ...often, '--env', 'PGHA_ADMIN_URL=http://127.0.0.1:9'])
    await container.waitForHealth('unhealthy')
  })

  it('drains at docker stop: who is held is told, and it ends with 0 long before it would be killed', async () => {
    const container = await start([...configured(), '--publish', '127.0.0.1::5432', '--publish', '127.0.0.1::8432'])
    await container.waitForLog('admin address open')
    const client = await RawClient.connect({ host: '127.0.0.1', port: await container.hostPort(5432) })
    clients.push(client)
    client.send(startupMessage({ user: 'beaconx_app', database: 'einvoice' }))
    const statusUrl = `http://127.0.0.1:${await container.hostPort(8432)}/api/status`
    await waitFor('the session to be held', async () => {
      const { sessions } = (await (await fetch(statusUrl)).json()) as { sessions: { held: number } }
      return sessions.held === 1
    })

    const startedAt = performance.now()
    await docker('stop', '--time', String(KILL_AFTER_S), container.id)
    expect(performance.now() - startedAt).toBeLessThan(STOPPED_WITHIN_MS)
    await client.waitForEnd()
    expect(client.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P03', M: SHUTTING_DOWN })])
    expect(await container.waitForExit()).toBe(0)
  })

  it('ends in time also when its name server says nothing', async () => {
    const network = `pgha-test-${randomUUID().slice(0, 8)}`
    await docker('network', 'create', ...LABEL_OPTION, network)
    try {
      const silent = "require('node:dgram').createSocket('udp4').bind(53, () => console.log('silent'))"
      // Its lowest port is the privileged one here: no capability is needed to bind it.
      const sysctl = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0']
      const nameServer = await start(['--network', network, ...sysctl, '--entrypoint', 'node'], ['-e', silent])
      await nameServer.waitForLog('silent')
      const address = await nameServer.exec('hostname', '-i')
      const nodes = [{ name: 'pg-0', address: 'pg-0.cluster.example' }]
      const container = await start([...configured({ nodes }), '--network', network, '--dns', address])
      await container.waitForLog('name resolution did not finish')

      const startedAt = performance.now()
      await docker('stop', '--time', String(KILL_AFTER_S), container.id)
      expect(performance.now() - startedAt).toBeLessThan(RESOLVER_GIVES_UP_WITHIN_MS)
      expect(await container.waitForExit()).toBe(0)
    } finally {
      for (const container of containers.splice(0)) await container.remove()
      await docker('network', 'rm', network)
    }
  })

  it('keeps a stop and a reload that come while it starts, though it is PID 1', async () => {
    const volume = `pgha-test-state-${randomUUID().slice(0, 8)}`
    await docker('volume', 'create', ...LABEL_OPTION, volume)
    ownVolumes.push(volume)
    const mounted = ['--volume', `${volume}:/var/lib/pgha-proxy`]
    // The start stops at a pipe that nobody writes into yet.
    const maker = await start([...mounted, '--entrypoint', 'mkfifo'], ['/var/lib/pgha-proxy/state.json'])
    expect(await maker.waitForExit()).toBe(0)
    const container = await start([...configured(), ...mounted])
    await container.waitForLog('pgha-proxy starts')
    await container.signal('HUP')
    await container.signal('TERM')
    await container.waitForLog('stop signal')
    expect((await container.inspect()).State.Status).toBe('running')
    await container.exec('sh', '-c', ': >/var/lib/pgha-proxy/state.json')

    expect(await container.waitForExit()).toBe(0)
    expect(await container.logs()).toContain('"msg":"stopped"')
    await container.remove()
  })

  it('ends at a signal that nobody handles, though it is PID 1', async () => {
    const silent = "require('node:net').createServer(() => console.log('somebody asks')).listen(9000)"
    const server = await start(['--entrypoint', 'node'], ['-e', silent])
    const container = await start(['--network', `container:${server.id}`], ['status', '--url', 'http://127.0.0.1:9000'])
    await server.waitForLog('somebody asks')
    await container.signal('TERM')

    expect(await container.waitForExit()).toBe(128 + 15)
  })

  it.each<[string, () => string[], number, string]>([
    ['without a configuration', () => [], 2, '/etc/pgha-proxy/ha.yaml: the file cannot be read: no such file'],
    ['with a faulty one', () => configured({ nodes: [] }), 2, 'nodes: is an empty list'],
    [
      'without a place for its memory',
      () => configured({ state_dir: '/srv/state' }),
      1,
      '/srv/state/state.json cannot',
    ],
  ])('%s it ends with its exit code and says why', async (_, flags, code, words) => {
    const container = await start(flags())

    expect(await container.waitForExit()).toBe(code)
    expect(await container.logs()).toContain(words)
  })
})
