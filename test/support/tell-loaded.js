/** For `node --import`: says on standard error which modules are loaded. Test support. */
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, nextLoad) {
    process.stderr.write(`${url}\n`)
    return nextLoad(url, context)
  },
})
