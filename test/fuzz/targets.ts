/** All targets, in the order of the table in docs/fuzzing.md. */
import type { FuzzTarget } from './target.ts'
import { adminHttp } from './targets/admin.ts'
import { failureClass } from './targets/failure-class.ts'
import { GREETING_TARGETS } from './targets/greeting.ts'
import { PROBE_TARGETS } from './targets/probe.ts'
import { PROXY_HEADER_TARGETS } from './targets/proxy-header.ts'
import { session } from './targets/session.ts'
import { TEXT_TARGETS } from './targets/texts.ts'
import { topology } from './targets/topology.ts'
import { WIRE_TARGETS } from './targets/wire.ts'

export const TARGETS: readonly FuzzTarget[] = [
  ...GREETING_TARGETS,
  ...PROXY_HEADER_TARGETS,
  ...WIRE_TARGETS,
  ...PROBE_TARGETS,
  failureClass,
  ...TEXT_TARGETS,
  topology,
  adminHttp,
  session,
]
