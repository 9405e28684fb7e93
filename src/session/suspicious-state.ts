/** SQLSTATEs in passing after which somebody should look at the node. Pure. A hint, never a verdict. */

/** What a server says when it is stopped, or takes nobody. */
const STOPPING: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03'])
/** Said to a session that wants to write. */
const READ_ONLY = '25006'

export function isSuspiciousState(sqlState: string, access: 'write' | 'read'): boolean {
  return STOPPING.has(sqlState) || (sqlState === READ_ONLY && access === 'write')
}
