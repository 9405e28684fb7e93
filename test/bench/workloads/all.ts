/** Every workload of `npm run bench`, in the order of the report. */
import type { Workload } from '../workload.ts'
import { copy } from './copy.ts'
import { login, t3 } from './failover-time.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import { relay } from './relay.ts'
import { tls } from './tls.ts'
import { connect, select, tpcb, wide } from './transactions.ts'
import { workers } from './workers.ts'

export const WORKLOADS: readonly Workload[] = [
  select,
  tpcb,
  connect,
  login,
  copy,
  wide,
  tls,
  latency,
  relay,
  idle,
  workers,
  t3,
]
