/**
 * package.json and package-lock.json -> what is wrong with where the dependencies come from. Test support; pure. It knows
 * what the lockfile says, not what the registry holds: `npm ci` compares each package with its hash, audit.ts asks for the
 * rest.
 */
import { z } from 'zod'

/** Licences of what ships. One that is not here is a decision to be taken, not a line to be added. */
export const LICENCES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD'] as const

/** Where npm takes packages from; a lockfile may also leave it out. A mirror of somebody's own has no place in it. */
const REGISTRY = 'https://registry.npmjs.org/'

const DEPENDENCIES = z.record(z.string(), z.string()).default({})

const LOCKED_PACKAGE = z.looseObject({
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  license: z.string().optional(),
  link: z.boolean().default(false),
  dev: z.boolean().default(false),
  devOptional: z.boolean().default(false),
  optional: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
  dependencies: DEPENDENCIES,
  optionalDependencies: DEPENDENCIES,
  peerDependencies: DEPENDENCIES,
})

const LOCKFILE = z.looseObject({
  lockfileVersion: z.number(),
  packages: z.record(z.string(), LOCKED_PACKAGE),
})

const MANIFEST = z.looseObject({
  name: z.string(),
  version: z.string(),
  dependencies: DEPENDENCIES,
  devDependencies: DEPENDENCIES,
  optionalDependencies: DEPENDENCIES,
  allowScripts: z.record(z.string(), z.boolean()).default({}),
})

export type Manifest = z.infer<typeof MANIFEST>

/** One package in the lockfile. `path`: `node_modules/a/node_modules/b`. */
export interface LockedPackage extends z.infer<typeof LOCKED_PACKAGE> {
  readonly path: string
  readonly name: string
  /** It is installed with the program, not only to build and test it. */
  readonly ships: boolean
}

export interface Lockfile {
  readonly lockfileVersion: number
  /** What it believes package.json to say. */
  readonly root: z.infer<typeof LOCKED_PACKAGE> & { readonly devDependencies?: unknown }
  readonly packages: readonly LockedPackage[]
}

/** Throws when it is no package.json. */
export function readManifest(text: string): Manifest {
  return MANIFEST.parse(JSON.parse(text))
}

/** Throws when it is no lockfile. */
export function readLockfile(text: string): Lockfile {
  const { lockfileVersion, packages } = LOCKFILE.parse(JSON.parse(text))
  const { '': root = LOCKED_PACKAGE.parse({}), ...others } = packages
  return {
    lockfileVersion,
    root,
    packages: Object.entries(others).map(([path, locked]) => ({
      ...locked,
      path,
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      ships: !locked.dev && !locked.devOptional,
    })),
  }
}

/** Everything that is wrong, one sentence each; empty when nothing is. */
export function findLockfileFaults(manifest: Manifest, lockfile: Lockfile): readonly string[] {
  return [
    ...(lockfile.lockfileVersion === 3 ? [] : [`the lockfile has version ${lockfile.lockfileVersion}, not 3`]),
    ...findLooseDependencies(manifest),
    ...findDrift(manifest, lockfile),
    ...lockfile.packages.flatMap(findOrigin),
    ...findScripts(manifest, lockfile),
    ...lockfile.packages.filter(({ ships }) => ships).flatMap(findLicence),
  ]
}

/** The shipped packages that a direct dependency brings along, itself not counted. */
export function broughtAlong(name: string, lockfile: Lockfile): ReadonlySet<string> {
  const byPath = new Map(lockfile.packages.map((locked) => [locked.path, locked]))
  const found = new Set<string>()
  const visit = (path: string): void => {
    const locked = byPath.get(path)
    if (locked === undefined || found.has(path)) return
    found.add(path)
    const wanted = { ...locked.dependencies, ...locked.optionalDependencies, ...locked.peerDependencies }
    for (const each of Object.keys(wanted)) visit(resolvePath(each, path, byPath))
  }
  visit(`node_modules/${name}`)
  found.delete(`node_modules/${name}`)
  return found
}

/** As Node looks for it: in the package's own folder, then in each above. */
function resolvePath(name: string, from: string, byPath: ReadonlyMap<string, unknown>): string {
  const folders = from.split('/node_modules/')
  for (let depth = folders.length; depth > 0; depth -= 1) {
    const path = `${folders.slice(0, depth).join('/node_modules/')}/node_modules/${name}`
    if (byPath.has(path)) return path
  }
  return `node_modules/${name}`
}

function allDependencies({ dependencies, devDependencies, optionalDependencies }: Manifest): Record<string, string> {
  return { ...devDependencies, ...optionalDependencies, ...dependencies }
}

/** A version, or a range within one major version (the lockfile pins the rest): no tag, URL, path or "anything". */
function findLooseDependencies(manifest: Manifest): readonly string[] {
  return Object.entries(allDependencies(manifest))
    .filter(([, range]) => !/^\^?\d+\.\d+\.\d+(-[\w.]+)?$/.test(range))
    .map(([name, range]) => `${name} is wanted as ${JSON.stringify(range)}: give a version, or ^ and a version`)
}

function findDrift(manifest: Manifest, { root, packages }: Lockfile): readonly string[] {
  const locked = { ...(root.devDependencies as object | undefined), ...root.optionalDependencies, ...root.dependencies }
  const wanted = allDependencies(manifest)
  const isInLock = new Set(packages.map(({ path }) => path))
  return [
    ...Object.entries(wanted)
      .filter(([name, range]) => (locked as Record<string, unknown>)[name] !== range)
      .map(
        ([name]) =>
          `the lockfile was made for another ${name} than package.json wants: npm install brings it up to date`,
      ),
    ...Object.keys(locked)
      .filter((name) => !Object.hasOwn(wanted, name))
      .map((name) => `the lockfile still has ${name}, which package.json does not want`),
    ...Object.keys(wanted)
      .filter((name) => !isInLock.has(`node_modules/${name}`))
      .map((name) => `${name} is not in the lockfile`),
  ]
}

function findOrigin({ path, version, resolved, integrity, link }: LockedPackage): readonly string[] {
  const faults: string[] = []
  if (link) faults.push(`${path} is a link to a folder of somebody's machine`)
  if (version === undefined || !/^\d+\.\d+\.\d+/.test(version)) faults.push(`${path} has no version of a registry`)
  if (resolved !== undefined && !resolved.startsWith(REGISTRY)) {
    faults.push(`${path} comes from ${resolved}, not from ${REGISTRY}`)
  }
  if (integrity === undefined || !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
    faults.push(`${path} has no SHA-512 to compare it with`)
  }
  return faults
}

/** What runs code while it is installed is somebody's decision, and nothing that ships may. */
function findScripts({ allowScripts }: Manifest, { packages }: Lockfile): readonly string[] {
  const withScript = packages.filter(({ hasInstallScript }) => hasInstallScript)
  const names = new Set(packages.map(({ name }) => name))
  return [
    ...withScript
      .filter(({ ships }) => ships)
      .map(({ path }) => `${path} ships and runs a script when it is installed`),
    ...withScript
      .filter(({ name, optional }) => !optional && !Object.hasOwn(allowScripts, name))
      .map(({ path }) => `${path} wants to run a script: say true or false under allowScripts in package.json`),
    ...Object.keys(allowScripts)
      .filter((name) => !names.has(name))
      .map((name) => `allowScripts names ${name}, which is not in the lockfile`),
  ]
}

function findLicence({ path, license }: LockedPackage): readonly string[] {
  const isAllowed = license !== undefined && (LICENCES as readonly string[]).includes(license)
  return isAllowed ? [] : [`${path} ships under ${license ?? 'no licence that it names'}, which nobody has decided on`]
}
