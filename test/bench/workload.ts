/** What a workload is: it measures, and gives a section of the report. Benchmark support. */
import type { BenchOptions } from './bench-options.ts'
import type { BenchStage } from './bench-stage.ts'
import type { Section } from './report/section.ts'

export interface BenchContext {
  readonly options: BenchOptions
  /** Opened for the first workload that asks, closed after the last workload. */
  readonly stage: () => Promise<BenchStage>
  /** One line for whoever waits. */
  readonly report: (line: string) => void
}

export interface Workload {
  readonly id: string
  readonly run: (context: BenchContext) => Promise<Section>
}
