/**
 * libpq's connection strings, in both forms -> parameters by libpq's names. Pure; never throws, whatever people wrote.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
 */

/** `host`, `port`, `user`, `dbname` …; lists of hosts stay as they are in the keyword form, a URI gives its first host. `null` when it is no connection string. */
export function readConninfo(text: string): ReadonlyMap<string, string> | null {
  if (text.includes('\0')) return null
  return /^postgres(ql)?:\/\//.test(text) ? parseUri(text) : parseKeywordValues(text)
}

/** `key = value` pairs: a value ends at white space unless quoted by `'`; `\` takes the next character as it is. */
function parseKeywordValues(text: string): ReadonlyMap<string, string> | null {
  const parameters = new Map<string, string>()
  const pair = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s'\\]|\\[\s\S])(?:[^\s\\]|\\[\s\S])*)?)(?=\s|$)/y
  const end = text.trimEnd().length
  while (pair.lastIndex < end) {
    const match = pair.exec(text)
    if (match === null) return null
    const [, key = '', quoted, bare] = match
    parameters.set(key, (quoted ?? bare ?? '').replace(/\\([\s\S])/g, '$1'))
  }
  return parameters
}

/** `postgresql://user:password@host:port,host:port/database?key=value`; Node's URL class knows no host lists. */
function parseUri(text: string): ReadonlyMap<string, string> | null {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text)
  if (match === null) return null
  const [, authority = '', database = '', query = ''] = match
  const parameters = new Map<string, string>()
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  const [, user = '', password = ''] = /^([^:]*):?(.*)$/s.exec(authority.slice(0, Math.max(0, at))) ?? []
  const [firstHost = ''] = hosts.split(',')
  const host = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(firstHost)
  if (host === null) return null
  const [, bracketed, plain = '', port = ''] = host
  const pairs: [string, string][] = [
    ['host', bracketed ?? plain],
    ['port', port],
    ['user', user],
    ['password', password],
    ['dbname', database],
  ]
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const equals = pair.indexOf('=')
    if (equals < 0) return null
    pairs.push([pair.slice(0, equals), pair.slice(equals + 1)])
  }
  for (const [key, value] of pairs) {
    const decoded = decodePercent(value)
    if (decoded === null) return null
    if (decoded !== '') parameters.set(key, decoded)
  }
  return parameters
}

function decodePercent(text: string): string | null {
  try {
    const decoded = decodeURIComponent(text)
    // Refused as libpq does: Node's sockets throw at a zero byte.
    return decoded.includes('\0') ? null : decoded
  } catch {
    return null
  }
}
