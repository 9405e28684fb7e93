/**
 * The images under test: the project's own, under the names that people use, so that one `docker build` serves both.
 * Test support.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** PostgreSQL's major version, each with the Debian release that packages it. */
export const MAJORS = { 15: 'bookworm', 17: 'trixie' } as const
export type Major = keyof typeof MAJORS

/** Names with tags. */
export const IMAGES = {
  proxy: 'pgha-proxy:local',
  postgres: { 15: 'pgha-proxy-postgres-repmgr:15', 17: 'pgha-proxy-postgres-repmgr:17' },
  nginx: 'pgha-proxy-nginx:local',
  laravel: 'pgha-proxy-laravel:local',
} as const

interface Build {
  readonly tag: string
  /** Relative to the repository. */
  readonly context: string
  readonly args?: Readonly<Record<string, string>>
}

const BUILDS: readonly Build[] = [
  { tag: IMAGES.proxy, context: '.' },
  ...([15, 17] as const).map((major) => ({
    tag: IMAGES.postgres[major],
    context: 'docker/postgres-repmgr',
    args: { POSTGRESQL_MAJOR: String(major), DEBIAN_RELEASE: MAJORS[major] },
  })),
  { tag: IMAGES.nginx, context: 'docker/nginx' },
  { tag: IMAGES.laravel, context: 'docker/laravel' },
]

/** Builds every image, one after the other; what has not changed costs a second. Rejects with the builder's words. */
export async function buildImages(): Promise<void> {
  for (const build of BUILDS) await buildImage(build)
}

async function buildImage({ tag, context, args = {} }: Build): Promise<void> {
  const startedAt = performance.now()
  const buildArgs = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  const child = spawn('docker', ['build', '--tag', tag, ...buildArgs, context], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`docker build of ${tag} failed:\n${output}`)
  process.stderr.write(`image ${tag}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`)
}
