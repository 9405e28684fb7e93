/** Settings of a listener's TLS that are fine each by itself and impossible together. Pure. */
import { SERVER_SSL_MODES } from './config.ts'
import type { Draft } from './draft.ts'
import type { RuleFault } from './impossible.ts'
import type { RawMapping, RawValue } from './walk-document.ts'

/** What means something only where TLS ends. */
const TERMINATION_SETTINGS = [
  'cert',
  'key',
  'client_ca',
  'require',
  'min_version',
  'server_sslmode',
  'server_sslrootcert',
] as const

type ListenerDraft = Draft['listeners'][number]

/** `raw` tells a setting that was not written from one that has a fault of its own. */
export function findTlsFaults(draft: Draft, raw: RawMapping): readonly RuleFault[] {
  return draft.listeners.flatMap((listener, index) => {
    const written = below(below(below(raw, 'listeners'), index), 'tls')
    const isWritten = (setting: string): boolean => below(written, setting) !== undefined
    const faults =
      listener?.tls?.mode === 'terminate'
        ? findTerminationFaults(listener, isWritten)
        : findUseless(listener, isWritten)
    return faults.map((fault) => ({ ...fault, path: ['listeners', index, 'tls', ...fault.path] }))
  })
}

function findUseless(listener: ListenerDraft, isWritten: (setting: string) => boolean): readonly RuleFault[] {
  const mode = listener?.tls?.mode
  if (mode !== 'passthrough' && mode !== 'off') return []
  return TERMINATION_SETTINGS.filter(isWritten).map((setting) => ({
    path: [setting],
    problem: `has no effect with mode: ${mode}, where encryption does not end here`,
    expected: 'mode: terminate, or no such setting',
  }))
}

function findTerminationFaults(listener: ListenerDraft, isWritten: (setting: string) => boolean): readonly RuleFault[] {
  const { address, tls } = listener ?? {}
  const faults: RuleFault[] = []
  const add = (setting: string, problem: string, expected: string) =>
    faults.push({ path: [setting], problem, expected })

  for (const setting of ['cert', 'key'] as const) {
    if (!isWritten(setting)) add(setting, 'is missing with mode: terminate', 'the path of a PEM file')
  }
  if (address?.kind === 'unix') {
    add('mode', 'is not for Unix sockets, where PostgreSQL and libpq know no TLS', 'off, or an address of TCP')
  }
  if (isWritten('client_ca') && tls?.require !== true) {
    add('client_ca', 'keeps nobody out who comes without encryption', 'require: true, or no client_ca')
  }
  // A faulty one has its own fault.
  const written = SERVER_SSL_MODES.find((mode) => mode === tls?.server_sslmode)
  const sslmode = isWritten('server_sslmode') ? written : 'disable'
  const verifies = sslmode?.startsWith('verify-') === true
  if (verifies && !isWritten('server_sslrootcert')) {
    add('server_sslrootcert', `is missing with server_sslmode: ${sslmode}`, 'the path of a PEM file, or system')
  }
  if (sslmode !== undefined && !verifies && isWritten('server_sslrootcert')) {
    add(
      'server_sslrootcert',
      `has no effect with server_sslmode: ${sslmode}, which checks no certificate`,
      'server_sslmode verify-ca or verify-full, or no server_sslrootcert',
    )
  }
  return faults
}

function below(value: RawValue | undefined, key: string | number): RawValue | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Readonly<Record<string | number, RawValue>>)[key]
}
