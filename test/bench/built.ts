/** Benchmarks run what ships: the compiled program. `npm run bench` builds it first. */
import { fileURLToPath } from 'node:url'
import type { ProxyProcessOptions } from '../support/proxy-process.ts'

export const BUILT: ProxyProcessOptions = { bin: fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url)) }
