import { describe, expect, test } from 'vitest'
import { formatFaultsOf, mustLoad } from '../support/config-text.ts'

const file = (tls: string, address = '0.0.0.0:5432') =>
  [
    `listeners: [{ address: "${address}", tls: { ${tls} } }]`,
    'nodes: [{ name: node1, address: pg-0 }]',
    'monitor: { user: pgha }',
    'discovery: none',
  ].join('\n')

const PAIR = 'mode: terminate, cert: /s.crt, key: /s.key'
const faultsOf = (tls: string, address?: string): string[] =>
  String(formatFaultsOf(file(tls, address)))
    .split('\n')
    .map((line) => line.replace('ha.yaml:1: listeners[0].tls.', ''))

describe('the TLS of a listener', () => {
  test('has its defaults', () => {
    expect(mustLoad(file(PAIR)).listeners[0]?.tls).toEqual({
      mode: 'terminate',
      cert: '/s.crt',
      key: '/s.key',
      clientCa: null,
      require: false,
      minVersion: 'TLSv1.2',
      serverSslmode: 'disable',
      serverSslrootcert: null,
    })
    expect(mustLoad(file('mode: off')).listeners[0]?.tls).toEqual({ mode: 'off' })
  })

  test.each<[string, string, readonly string[]]>([
    [
      'termination without its files',
      'mode: terminate',
      [
        'cert: is missing with mode: terminate',
        '  expected the path of a PEM file',
        'key: is missing with mode: terminate',
        '  expected the path of a PEM file',
      ],
    ],
    [
      'files without termination',
      'cert: /s.crt, require: true',
      [
        'cert: has no effect with mode: passthrough, where encryption does not end here: "/s.crt"',
        '  expected mode: terminate, or no such setting',
        'require: has no effect with mode: passthrough, where encryption does not end here: "true"',
        '  expected mode: terminate, or no such setting',
      ],
    ],
    [
      'authorities for clients who may come in plain',
      `${PAIR}, client_ca: /ca.crt`,
      [
        'client_ca: keeps nobody out who comes without encryption: "/ca.crt"',
        '  expected require: true, or no client_ca',
      ],
    ],
    [
      'a check of the node’s certificate against nothing',
      `${PAIR}, server_sslmode: verify-full`,
      [
        'server_sslrootcert: is missing with server_sslmode: verify-full',
        '  expected the path of a PEM file, or system',
      ],
    ],
    [
      'authorities that nothing is checked against',
      `${PAIR}, server_sslrootcert: /ca.crt`,
      [
        'server_sslrootcert: has no effect with server_sslmode: disable, which checks no certificate: "/ca.crt"',
        '  expected server_sslmode verify-ca or verify-full, or no server_sslrootcert',
      ],
    ],
    [
      'a mode of libpq that a proxy cannot have',
      `${PAIR}, server_sslmode: allow`,
      [
        'server_sslmode: is not one of the known values: "allow"',
        '  expected disable, prefer, require, verify-ca or verify-full',
      ],
    ],
    [
      'a version that nobody should speak',
      `${PAIR}, min_version: TLSv1.1`,
      [
        'min_version: is not one of the known values: "TLSv1.1" (did you mean "TLSv1.2"?)',
        '  expected TLSv1.2 or TLSv1.3',
      ],
    ],
  ])('cannot be %s', (_, tls, expected) => {
    expect(faultsOf(tls)).toEqual(expected)
  })

  test('does not end on a Unix socket', () => {
    expect(faultsOf(PAIR, 'unix:/run/pgha/.s.PGSQL.5432')).toEqual([
      'mode: is not for Unix sockets, where PostgreSQL and libpq know no TLS: "terminate"',
      '  expected off, or an address of TCP',
    ])
  })
})
