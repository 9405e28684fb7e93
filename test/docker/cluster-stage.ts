/**
 * Opens one cluster for a test and removes it after that test, whatever has become of it. Test support.
 */
import { afterEach } from 'vitest'
import type { DockerClusterOptions } from './cluster-plan.ts'
import { DockerCluster } from './docker-cluster.ts'

export interface ClusterStage {
  readonly open: (options?: DockerClusterOptions) => Promise<DockerCluster>
}

/** To be called once in a test file. */
export function clusterStage(): ClusterStage {
  let cluster: DockerCluster | null = null
  afterEach(async ({ task }) => {
    await cluster?.stop({ hasFailed: task.result?.state === 'fail' })
    cluster = null
  })
  return {
    open: async (options) => {
      cluster = await DockerCluster.start(options)
      return cluster
    },
  }
}
