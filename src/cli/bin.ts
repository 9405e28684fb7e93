#!/usr/bin/env node
/**
 * The entry of the program. It uses nothing that an old Node does not know (12 is what some distributions still ship),
 * so that there it can say what to do instead of failing with a syntax error; everything else is behind the dynamic
 * import.
 */
import process from 'node:process'

const NODE_MAJOR_MIN = 22
const NODE_MINOR_MIN = 22

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor < NODE_MINOR_MIN)) {
  process.stderr.write(
    `pgha-proxy needs Node.js ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer one (https://nodejs.org, your distribution, nvm), or in a checkout run\n' +
      `  npx node@24 ${process.argv[1] || 'pgha-proxy'} …\n`,
  )
  process.exitCode = 2
} else {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    // The reader has seen enough (head, less): there is nobody left to tell anything.
    process.exit(0)
  })
  // A signal that nobody handles ends any process but PID 1, which in a container this is. Whoever does handle one adds a
  // listener of their own.
  if (process.pid === 1) {
    const endUnlessHandled = (signal: NodeJS.Signals, number: number): void => {
      if (process.listenerCount(signal) === 1) process.exit(128 + number)
    }
    process.on('SIGINT', endUnlessHandled)
    process.on('SIGTERM', endUnlessHandled)
  }
  // No await up here: it would be a syntax error where this file has to speak.
  void import('./main.ts')
    .then(({ main }) => main(process.argv.slice(2)))
    .then((exitCode) => {
      process.exitCode = exitCode
    })
}
