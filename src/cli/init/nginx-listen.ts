/**
 * What nginx's settings for one server or upstream become here: an address, or a sentence that says why they are not
 * taken over. Pure.
 *
 * @see https://nginx.org/en/docs/stream/ngx_stream_core_module.html#listen
 */
import { readListenerAddress } from '../../config/address.ts'
import type { ListenerAddress } from '../../config/config.ts'
import type { NginxDirective } from './nginx-tokens.ts'

export interface ImportedListen {
  /** `null` when nothing can listen there, which a note explains. */
  readonly address: ListenerAddress | null
  readonly notes: readonly string[]
}

const LISTEN_NOTES: readonly (readonly [option: RegExp, note: string])[] = [
  [
    /^ssl$/,
    'listen ... ssl was not taken over: nginx ends TLS that starts with the first byte. With tls.mode: passthrough the nodes do TLS.',
  ],
  [/^proxy_protocol$/, 'listen ... proxy_protocol was not taken over: clients must connect without a PROXY header.'],
  [
    /^so_keepalive=off$/,
    'listen ... so_keepalive=off was not taken over: keepalive.client (60s) finds clients that are gone; 0s turns it off.',
  ],
  [
    /^so_keepalive=/,
    'listen ... so_keepalive is what keepalive.client does here: after 60s of silence the client is asked whether it is still there.',
  ],
  [
    /^(bind|reuseport|deferred|backlog=|rcvbuf=|sndbuf=|fastopen=|ipv6only=|setfib=)/,
    'listen ... OPTION has no counterpart here.',
  ],
]

/** One `listen` directive of a stream server. */
export function readListen({ parameters, line }: NginxDirective): ImportedListen {
  const [written = '', ...options] = parameters
  const refused = (why: string): ImportedListen => ({
    address: null,
    notes: [`Line ${line}: listen ${written} was left out: ${why}.`],
  })
  if (options.includes('udp')) return refused('PostgreSQL has no UDP')
  if (/:?\d+-\d+$/.test(written) && !written.startsWith('unix:')) return refused('ranges of ports are not supported')
  const text = /^\d+$/.test(written) ? `0.0.0.0:${written}` : written.replace(/^\*:/, '0.0.0.0:')
  const reading = readListenerAddress(text)
  if (!reading.ok) return refused(`it ${reading.problem}`)
  const notes = options.flatMap((option) =>
    LISTEN_NOTES.filter(([pattern]) => pattern.test(option))
      .slice(0, 1)
      .map(([, note]) => `Line ${line}: ${note.replace('OPTION', option)}`),
  )
  if (reading.value.kind === 'unix' && !/\/\.s\.PGSQL\.\d+$/.test(written)) {
    notes.push(`Line ${line}: libpq finds ${written} only when its name is .s.PGSQL. and a port.`)
  }
  return { address: reading.value, notes }
}

const SERVER_NOTES: Readonly<Record<string, (parameter: string) => string>> = {
  proxy_timeout: (parameter) =>
    `proxy_timeout ${parameter} was not taken over: it ends sessions that are idle for so long. Here idle sessions stay, and keepalive finds clients that are gone.`,
  proxy_connect_timeout: (parameter) =>
    `proxy_connect_timeout ${parameter} was not taken over: see limits.connect_timeout (2s).`,
  proxy_ssl: () => 'proxy_ssl was not taken over: PostgreSQL asks for TLS in its own way, which passes through.',
  ssl_preread: () => 'ssl_preread was not taken over: routing by server name is not supported.',
  proxy_protocol: () => 'proxy_protocol was not taken over: PostgreSQL does not understand a PROXY header.',
  proxy_bind: (parameter) => `proxy_bind ${parameter} was not taken over: the system chooses the outgoing address.`,
  allow: () =>
    'allow and deny were not taken over: use a firewall, or pg_hba.conf (which sees the address of the proxy).',
  deny: () =>
    'allow and deny were not taken over: use a firewall, or pg_hba.conf (which sees the address of the proxy).',
  limit_conn: () => 'limit_conn was not taken over: see limits.max_sessions (10000).',
  proxy_download_rate: () => 'proxy_download_rate was not taken over: rates are not limited.',
  proxy_upload_rate: () => 'proxy_upload_rate was not taken over: rates are not limited.',
}

/** The note on a directive that means nothing to a proxy for PostgreSQL. */
export function noteUnknown({ name, parameters, line }: NginxDirective): string {
  // The first words tell which one it is; a log format would fill the file.
  const written = [name, ...parameters.slice(0, 2)].join(' ')
  return `Line ${line}: ${written} was not taken over: it has no counterpart here.`
}

/** Named elsewhere: what is taken over. */
const TAKEN = new Set(['listen', 'proxy_pass'])

/** Notes on the settings of one `server` of `stream`, each said once. Without proxy_timeout nginx has 10 minutes. */
export function noteServerSettings(server: NginxDirective): readonly string[] {
  const notes = new Set<string>()
  const block = server.block ?? []
  for (const directive of block) {
    const { name, parameters, line } = directive
    const note = Object.hasOwn(SERVER_NOTES, name) ? SERVER_NOTES[name] : undefined
    const isOff = parameters[0] === 'off'
    if (isOff || TAKEN.has(name)) continue
    notes.add(note === undefined ? noteUnknown(directive) : `Line ${line}: ${note(parameters.join(' '))}`)
  }
  if (!block.some(({ name }) => name === 'proxy_timeout')) {
    notes.add(
      `Line ${server.line}: nginx ended sessions that were idle for 10 minutes (proxy_timeout); here they stay.`,
    )
  }
  return [...notes]
}

const BALANCING = new Set(['least_conn', 'hash', 'random', 'least_time', 'ip_hash'])

/** Notes on the settings of one `upstream` and its servers. */
export function noteUpstreamSettings(upstream: NginxDirective): readonly string[] {
  const notes: string[] = []
  for (const directive of upstream.block ?? []) {
    const { name, parameters, line } = directive
    if (BALANCING.has(name))
      notes.push(`Line ${line}: ${name} has no meaning here: there is one primary, and it is found.`)
    else if (name !== 'server') notes.push(noteUnknown(directive))
    if (name !== 'server') continue
    const [address = '', ...options] = parameters
    if (options.includes('backup')) {
      notes.push(
        `Line ${line}: backup of ${address} has no meaning here: every session goes to the proven primary, whichever node that is.`,
      )
    }
    const counted = options.filter((option) => /^(weight|max_fails|fail_timeout|max_conns|slow_start)=/.test(option))
    if (counted.length > 0)
      notes.push(
        `Line ${line}: ${counted.join(' ')} of ${address} has no meaning here: nodes are asked, not guessed at.`,
      )
    const naming = options.filter((option) => option === 'resolve' || option.startsWith('service='))
    if (naming.length > 0)
      notes.push(
        `Line ${line}: ${naming.join(' ')} of ${address} is not needed: names are resolved at every dial (SRV records are not).`,
      )
  }
  return notes
}
