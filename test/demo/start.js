/**
 * Starts the demo, or says what is missing. Plain JavaScript, so that a Node too old to read TypeScript can read this.
 */
const OLDEST = [22, 22]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `The demo needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node}.\n` +
      'Run `npm ci` and then `npm run demo`: npm brings the Node it needs along and uses that one.\n' +
      'If you did: npm was told to run no install scripts, so that one is missing; use a newer Node yourself.\n',
  )
  process.exitCode = 1
} else {
  await import('./main.ts')
}
