import { defineConfig } from 'vitest/config'

/**
 * Each project is a class of tests by what it needs; the suffix of a test file says which class it belongs to.
 * pure: nothing. net: loopback sockets. system: programs of the system, such as systemd's and promtool. pg: real PostgreSQL servers on loopback. repmgr: Debian's repmgr as well.
 * docker: a Docker engine, which has everything else in images.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{net,system,pg,repmgr,docker}.test.ts'],
          setupFiles: ['test/support/property-seed.ts'],
          // They share nothing that could leak, and a process for each file would cost more than the tests.
          pool: 'threads',
          isolate: false,
        },
      },
      { test: { name: 'net', include: ['test/**/*.net.test.ts'], testTimeout: 10_000 } },
      { test: { name: 'system', include: ['test/**/*.system.test.ts'], testTimeout: 60_000, fileParallelism: false } },
      {
        test: {
          name: 'pg',
          include: ['test/**/*.pg.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'repmgr',
          include: ['test/**/*.repmgr.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'docker',
          include: ['test/**/*.docker.test.ts'],
          globalSetup: ['test/docker/prepare.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          env: {
            // Its reaper is an image of its own, which machines without a registry cannot have; a label finds what is left.
            TESTCONTAINERS_RYUK_DISABLED: 'true',
            // Inside a container testcontainers would look for its host with one more image. And "localhost" may be
            // IPv6, where old engines publish other ports.
            TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
          },
        },
      },
    ],
  },
})
