import { describe, expect, test } from 'vitest'
import { formatFaults } from '../../src/config/fault.ts'
import { loadConfig } from '../../src/config/load.ts'
import { formatFaultsOf, MINIMAL, mustLoad } from '../support/config-text.ts'

/** What one setting needs around it, with the setting's section replaced or added. */
const listeners = 'listeners: [{ address: "127.0.0.1:5432" }]'
const nodes = 'nodes: [{ name: node1, address: pg-0 }]'
const monitor = 'monitor: { user: pgha }'
const file = (...lines: string[]) => lines.join('\n')

describe('admin.hosts', () => {
  test('comes out as request headers are compared: in small letters, without the last dot', () => {
    const { admin } = mustLoad(`${MINIMAL}\nadmin: { hosts: [Reverse-Proxy, pgha.example.] }`)
    expect(admin?.hosts).toEqual(['reverse-proxy', 'pgha.example'])
  })
})

describe('a minimal file', () => {
  test('gets every default', () => {
    expect(mustLoad(MINIMAL)).toEqual({
      listeners: [
        {
          address: { kind: 'tcp', host: '127.0.0.1', port: 5432 },
          route: 'primary',
          proxyProtocol: { from: [] },
          socketMode: 0o777,
          tls: { mode: 'passthrough' },
          balance: 'least-sessions',
          maxLagBytes: 16_777_216,
          fallback: 'primary',
          onPromotion: 'keep',
        },
      ],
      nodes: [{ name: 'node1', address: { host: 'pg-0', port: 5432 } }],
      discovery: 'repmgr',
      monitor: {
        user: 'pgha',
        password: null,
        passwordFile: null,
        database: 'repmgr',
        sslmode: 'prefer',
        sslrootcert: null,
        intervalMs: 500,
        fastIntervalMs: 50,
        timeoutMs: 1_000,
        failures: 3,
        decisionTtlMs: 5_000,
      },
      policy: { requireMajority: false, graceMs: 2_000, endSessionsWhenRefused: true },
      hold: { timeoutMs: 30_000, maxSessions: 1_000, releaseRate: 200 },
      limits: {
        maxSessions: 10_000,
        maxSessionsPerAddress: 0,
        startupTimeoutMs: 10_000,
        connectTimeoutMs: 2_000,
      },
      keepalive: { clientMs: 60_000, serverMs: 60_000 },
      shutdown: { graceMs: 30_000, handoverTimeoutMs: 30_000, handoverGraceMs: null },
      workers: 1,
      admin: {
        address: { kind: 'tcp', host: '127.0.0.1', port: 8432 },
        socketMode: 0o600,
        hosts: [],
        token: null,
        tokenFile: null,
      },
      stateDir: '/var/lib/pgha-proxy',
      log: { level: 'info', format: 'auto' },
    })
  })

  test('may leave a section empty', () => {
    expect(mustLoad(file(MINIMAL, 'hold:', 'log:'))).toEqual(mustLoad(MINIMAL))
  })

  test('may switch the admin server off', () => {
    expect(mustLoad(file(MINIMAL, 'admin: off')).admin).toBeNull()
  })

  test('may be without holding and keepalive', () => {
    const config = mustLoad(file(MINIMAL, 'hold: { timeout: 0s, max_sessions: 0 }', 'keepalive: { client: 0s }'))
    expect(config.hold.timeoutMs).toBe(0)
    expect(config.keepalive.clientMs).toBe(0)
  })
})

describe('scalars', () => {
  test.each(['0123', '1e3', 'true', 'null', '~', '0x10', '1_000', '2026-01-01'])(
    'keeps the plain text %s of a password',
    (text) => {
      expect(mustLoad(file(listeners, nodes, 'monitor:', '  user: pgha', `  password: ${text}`)).monitor.password).toBe(
        text,
      )
    },
  )

  test('takes numbers and switches from the environment', () => {
    const text = file(
      listeners,
      nodes,
      `monitor: { user: pgha, failures: "\${FAILURES}" }`,
      `policy: { require_majority: "\${MAJORITY}" }`,
    )
    const config = mustLoad(text, { FAILURES: '2', MAJORITY: 'true' })
    expect(config.monitor.failures).toBe(2)
    expect(config.policy.requireMajority).toBe(true)
  })

  test('takes an empty secret for none', () => {
    const text = file(
      listeners,
      nodes,
      'monitor:',
      '  user: pgha',
      `  password: \${PASSWORD:-}`,
      '  password_file: /secret',
    )
    const { monitor: loaded } = mustLoad(text)
    expect(loaded.password).toBeNull()
    expect(loaded.passwordFile).toBe('/secret')
  })

  test('does not let a value from the environment change the structure', () => {
    const text = file(listeners, nodes, 'monitor:', '  user: pgha', `  password: \${PASSWORD}`)
    const password = `"}\n  failures: 9 # \${OTHER}`
    const { monitor: loaded } = mustLoad(text, { PASSWORD: password })
    expect(loaded.password).toBe(password)
    expect(loaded.failures).toBe(3)
  })
})

describe('aliases and merge keys', () => {
  test('are written out, and a key of its own wins over a merged one', () => {
    const text = file(
      'listeners:',
      '  - &reads { address: "127.0.0.1:5433", route: standby, max_lag: 1MiB }',
      '  - { <<: *reads, address: "127.0.0.1:5434", max_lag: 2MiB }',
      nodes,
      monitor,
    )
    const [first, second] = mustLoad(text).listeners
    expect(first).toMatchObject({ route: 'standby', maxLagBytes: 1_048_576, address: { port: 5433 } })
    expect(second).toMatchObject({ route: 'standby', maxLagBytes: 2_097_152, address: { port: 5434 } })
  })
})

describe('wrong files', () => {
  const table: readonly [
    rule: string,
    text: string,
    faults: readonly string[],
    environment?: Record<string, string>,
  ][] = [
    ['an empty file', '', ['ha.yaml: the file is empty', '  expected at least listeners, nodes and monitor.user']],
    [
      'only a comment',
      '# nothing',
      ['ha.yaml: the file is empty', '  expected at least listeners, nodes and monitor.user'],
    ],
    [
      'a list at the top',
      '- a',
      ['ha.yaml:1: the file holds a list at its top', '  expected KEY: VALUE settings such as listeners:'],
    ],
    [
      'text at the top',
      '\nlisteners',
      ['ha.yaml:2: the file holds text at its top', '  expected KEY: VALUE settings such as listeners:'],
    ],
    [
      'a tab as indentation',
      'hold:\n\ttimeout: 1s',
      ['ha.yaml:2: YAML: a tab is used as indentation', '  expected spaces'],
    ],
    [
      'a second document',
      `${MINIMAL}\n---\na: 1`,
      ['ha.yaml:4: YAML: more than one document (---) in the file', '  expected one document'],
    ],
    [
      'a placeholder inside of { } without quotes',
      `monitor: { user: \${USER} }`,
      ['ha.yaml:1: YAML: unexpected text', `  expected quotes around "\${NAME}" inside of { }`],
    ],
    [
      'a mapping without anything needed',
      'discovery: none',
      [
        'ha.yaml:1: listeners: is missing',
        '  expected a list with at least one entry',
        'ha.yaml:1: nodes: is missing',
        '  expected a list with at least one entry',
        'ha.yaml:1: monitor.user: is missing',
        '  expected a name of 1 to 63 bytes',
      ],
    ],
    [
      'empty lists and sections',
      'listeners: []\nnodes:\n\nmonitor:\n',
      [
        'ha.yaml:1: listeners: is an empty list',
        '  expected at least one entry',
        'ha.yaml:2: nodes: has no value',
        '  expected a list with at least one entry',
        'ha.yaml:4: monitor.user: is missing',
        '  expected a name of 1 to 63 bytes',
      ],
    ],
    [
      'unknown keys, each with the nearest known one',
      file(listeners, nodes, 'monitor:', '  user: pgha', '  intervall: 1s', 'wrokers: 1', 'token: x', 'banana: 1'),
      [
        'ha.yaml:5: monitor.intervall: unknown key (did you mean "interval"?)',
        'ha.yaml:6: wrokers: unknown key (did you mean "workers"?)',
        'ha.yaml:7: token: unknown key (did you mean "admin.token"?)',
        'ha.yaml:8: banana: unknown key',
      ],
    ],
    [
      'a key given twice',
      file(MINIMAL, 'discovery: none', 'discovery: repmgr'),
      ['ha.yaml:5: discovery: is given twice, first on line 4', '  expected each key once'],
    ],
    [
      'numbers without a unit',
      file(MINIMAL, 'hold:', '  timeout: 30', 'shutdown: { grace: 0 }'),
      [
        'ha.yaml:5: hold.timeout: has no unit: "30" (did you mean "30ms"?)',
        '  expected a duration with its unit (ms, s, m, h), 100ms to 1h, or 0s',
        'ha.yaml:6: shutdown.grace: has no unit: "0" (did you mean "0s"?)',
        '  expected a duration with its unit (ms, s, m, h), 0s to 24h',
      ],
    ],
    [
      'values out of bounds',
      file(listeners, nodes, 'monitor: { user: pgha, failures: 0, interval: 2m }', 'workers: -1'),
      [
        'ha.yaml:3: monitor.failures: is too small: "0"',
        '  expected a whole number, 1 to 100',
        'ha.yaml:3: monitor.interval: is too large: "2m"',
        '  expected a duration with its unit (ms, s, m, h), 50ms to 1m',
        'ha.yaml:4: workers: is too small: "-1"',
        '  expected a whole number, 1 to 256, or auto',
      ],
    ],
    [
      'a word that is none of the choices',
      file(
        'listeners: [{ address: "127.0.0.1:1", route: standbyy }]',
        nodes,
        monitor,
        'policy: { require_majority: yes }',
        'admin: of',
      ),
      [
        'ha.yaml:1: listeners[0].route: is not one of the known values: "standbyy" (did you mean "standby"?)',
        '  expected primary, standby or any',
        'ha.yaml:4: policy.require_majority: is not a switch: "yes" (did you mean "true"?)',
        '  expected true or false',
        'ha.yaml:5: admin: is a single value: "of"',
        '  expected a mapping of settings, or off',
      ],
    ],
    [
      'settings of the wrong kind',
      file(
        'listeners: { address: "127.0.0.1:1" }',
        'nodes: pg-0',
        'monitor: { user: [pgha], database: { name: x } }',
        'hold: 30s',
      ),
      [
        'ha.yaml:1: listeners: is a mapping',
        '  expected a list with at least one entry',
        'ha.yaml:2: nodes: is a single value',
        '  expected a list with at least one entry',
        'ha.yaml:3: monitor.user: is a list',
        '  expected a name of 1 to 63 bytes',
        'ha.yaml:3: monitor.database: is a mapping',
        '  expected a name of 1 to 63 bytes',
        'ha.yaml:4: hold: is a single value',
        '  expected a mapping of settings',
      ],
    ],
    [
      'a setting without its value',
      file(MINIMAL, 'hold:', '  timeout:'),
      [
        'ha.yaml:5: hold.timeout: has no value',
        '  expected a duration with its unit (ms, s, m, h), 100ms to 1h, or 0s',
      ],
    ],
    [
      'an environment variable that is not set',
      file(listeners, nodes, 'monitor:', `  user: \${PGHA_USER}`, `  database: \${PGHA_DATABASE:-repmgr}`),
      [
        'ha.yaml:4: monitor.user: environment variable PGHA_USER is not set',
        `  expected PGHA_USER in the environment, or \${PGHA_USER:-default}`,
      ],
    ],
    [
      'a bad value from the environment, shown as it stands in the file',
      file(MINIMAL, 'hold:', `  timeout: \${T}`),
      [
        `ha.yaml:5: hold.timeout: is not a duration: "\${T}"`,
        '  expected a duration with its unit (ms, s, m, h), 100ms to 1h, or 0s',
      ],
      { T: 'soon' },
    ],
    [
      'two settings that ran together',
      file(listeners, nodes, 'monitor:', '  user: pgha', '    database:repmgr'),
      [
        'ha.yaml:4: monitor.user: has a value that goes on over several lines',
        '  expected quotes around it, or a space after the colon of the next key',
      ],
    ],
    [
      'an alias of nothing',
      file(listeners, nodes, 'monitor: { user: *pgha }'),
      [
        'ha.yaml:3: monitor.user: starts with *, which is a YAML alias, and no such anchor (&) stands above',
        '  expected quotes around it when it is meant as text',
      ],
    ],
    [
      'names for the admin server that are none',
      file(listeners, nodes, monitor, 'admin:', '  hosts: [127.0.0.1, "proxy:8432", "a b"]'),
      [
        'ha.yaml:5: admin.hosts[0]: is an address, which needs no permission: "127.0.0.1"',
        '  expected the name of a host, without a port',
        'ha.yaml:5: admin.hosts[1]: names more than a host: "proxy:8432"',
        '  expected the name of a host, without a port',
        'ha.yaml:5: admin.hosts[2]: is no valid host name: "a b"',
        '  expected the name of a host, without a port',
      ],
    ],
    [
      'one name for the admin server that is no list',
      file(listeners, nodes, monitor, 'admin: { hosts: reverse-proxy }'),
      ['ha.yaml:4: admin.hosts: is a single value', '  expected a list with at least one entry'],
    ],
    [
      'a fast pace slower than the steady one',
      file(listeners, nodes, 'monitor: { user: pgha, interval: 100ms, fast_interval: 200ms }'),
      ['ha.yaml:3: monitor.fast_interval: is longer than monitor.interval: "200ms"', '  expected at most 100ms'],
    ],
    [
      'a decision that ends before a silent node counts as silent',
      file(listeners, nodes, 'monitor:', '  user: pgha', '  timeout: 2s', '  decision_ttl: 6s'),
      [
        'ha.yaml:6: monitor.decision_ttl: ends before a silent node counts as silent (monitor.timeout x monitor.failures): "6s"',
        '  expected more than 6s, or a lower timeout or failures',
      ],
    ],
    [
      'a decision that ends before the next probe',
      file(listeners, nodes, 'monitor: { user: pgha, interval: 10s }'),
      [
        'ha.yaml:3: monitor.decision_ttl: ends before the next probe (monitor.interval)',
        '  expected more than 10s, or a lower interval',
      ],
    ],
    [
      'settings for standbys on a listener for the primary',
      file(
        'listeners:',
        '  - address: 127.0.0.1:5432',
        '    max_lag: 1MiB',
        '    fallback: none',
        '    balance: round-robin',
        nodes,
        monitor,
      ),
      [
        'ha.yaml:3: listeners[0].max_lag: has no effect with route: primary: "1MiB"',
        '  expected route: standby, or no such setting',
        'ha.yaml:4: listeners[0].fallback: has no effect with route: primary: "none"',
        '  expected route: standby, or no such setting',
        'ha.yaml:5: listeners[0].balance: has no effect with route: primary: "round-robin"',
        '  expected route: standby, or no such setting',
      ],
    ],
    [
      'a fallback where the primary is taken anyway',
      file('listeners: [{ address: "127.0.0.1:5432", route: any, fallback: none }]', nodes, monitor),
      ['ha.yaml:1: listeners[0].fallback: has no effect with route: any, which takes the primary anyway: "none"'],
    ],
    [
      'one address for two listeners and the admin server',
      file(
        'listeners:',
        '  - address: 0.0.0.0:5432',
        '  - address: 127.0.0.1:5432',
        nodes,
        monitor,
        'admin: { address: "0.0.0.0:5432" }',
      ),
      [
        'ha.yaml:3: listeners[1].address: is taken by listeners[0].address: "127.0.0.1:5432"',
        '  expected another address or port',
        'ha.yaml:6: admin.address: is taken by listeners[0].address: "0.0.0.0:5432"',
        '  expected another address or port',
      ],
    ],
    [
      'one Unix socket for a listener and the admin server',
      file('listeners: [{ address: "unix:/run/pg" }]', nodes, monitor, 'admin: { address: "unix:/run/pg" }'),
      [
        'ha.yaml:4: admin.address: is taken by listeners[0].address: "unix:/run/pg"',
        '  expected another address or port',
      ],
    ],
    [
      'permissions for an admin server that has no file',
      file(MINIMAL, 'admin: { socket_mode: 0660 }'),
      [
        'ha.yaml:4: admin.socket_mode: has no effect on an address that is no Unix socket: "0660"',
        '  expected address: unix:/path, or no such setting',
      ],
    ],
    [
      'host names for a Unix socket',
      file(MINIMAL, 'admin: { address: "unix:/run/admin.sock", hosts: [proxy] }'),
      [
        'ha.yaml:4: admin.hosts: has no effect on a Unix socket, which is asked under any name',
        '  expected no such setting',
      ],
    ],
    [
      'an admin socket that has no absolute path',
      file(MINIMAL, 'admin: { address: "unix:admin.sock" }'),
      [
        'ha.yaml:4: admin.address: names no absolute socket path: "unix:admin.sock"',
        '  expected host:port, [v6]:port or unix:/path',
      ],
    ],
    [
      'one name or address for two nodes',
      file(
        listeners,
        'nodes:',
        '  - { name: node1, address: pg-0 }',
        '  - { name: node1, address: pg-1 }',
        '  - { name: node3, address: "PG-0:5432" }',
        monitor,
      ),
      [
        'ha.yaml:4: nodes[1].name: is the name of nodes[0] already: "node1"',
        '  expected another name',
        'ha.yaml:5: nodes[2].address: is the address of nodes[0] already: "PG-0:5432"',
        '  expected one entry for each node',
      ],
    ],
    [
      'the proxy as its own node',
      file(listeners, 'nodes: [{ name: node1, address: "127.0.0.1:5432" }]', monitor),
      [
        `ha.yaml:2: nodes[0].address: is the proxy's own listeners[0].address: sessions would go round in a circle: "127.0.0.1:5432"`,
        "  expected the node's address",
      ],
    ],
    [
      'a password and a file for it',
      file(
        listeners,
        nodes,
        'monitor: { user: pgha, password: x, password_file: /run/a }',
        'admin: { token: x, token_file: /run/b }',
      ),
      [
        'ha.yaml:3: monitor.password_file: is given together with monitor.password: "/run/a"',
        '  expected one of them',
        'ha.yaml:4: admin.token_file: is given together with admin.token: "/run/b"',
        '  expected one of them',
      ],
    ],
    [
      'certificate authorities that nothing checks',
      file(listeners, nodes, 'monitor: { user: pgha, sslrootcert: /root.crt }'),
      [
        'ha.yaml:3: monitor.sslrootcert: has no effect with sslmode prefer, which checks no certificate: "/root.crt"',
        '  expected sslmode verify-ca or verify-full, or no sslrootcert',
      ],
    ],
    [
      'faults of every kind together, in file order',
      file(
        'workers: two',
        'monitor:',
        '  interval: 100ms',
        '  fast_interval: 1s',
        '  timeout: soon',
        `  user: \${NOBODY}`,
        nodes,
        'listenrs: []',
      ),
      [
        'ha.yaml:1: listeners: is missing',
        '  expected a list with at least one entry',
        'ha.yaml:1: workers: is not a whole number: "two"',
        '  expected a whole number, 1 to 256, or auto',
        'ha.yaml:4: monitor.fast_interval: is longer than monitor.interval: "1s"',
        '  expected at most 100ms',
        'ha.yaml:5: monitor.timeout: is not a duration: "soon"',
        '  expected a duration with its unit (ms, s, m, h), 50ms to 1m',
        'ha.yaml:6: monitor.user: environment variable NOBODY is not set',
        `  expected NOBODY in the environment, or \${NOBODY:-default}`,
        'ha.yaml:8: listenrs: unknown key (did you mean "listeners"?)',
      ],
    ],
  ]

  test.each(table)('tells of %s', (_rule, text, faults, environment = {}) => {
    expect(formatFaultsOf(text, environment).split('\n')).toEqual(faults)
  })

  test('gives each fault its path, line, column and value for programs', () => {
    const result = loadConfig({ text: file(MINIMAL, 'hold: { timeout: 30 }'), environment: {} })
    expect(result).toEqual({
      ok: false,
      faults: [
        {
          path: 'hold.timeout',
          line: 4,
          column: 9,
          value: '30',
          problem: 'has no unit',
          expected: 'a duration with its unit (ms, s, m, h), 100ms to 1h, or 0s',
          suggestion: '30ms',
        },
      ],
    })
  })
})

describe('warnings', () => {
  test.each([
    [
      'a password in the file',
      file(listeners, nodes, 'monitor: { user: pgha, password: hunter2 }'),
      'ha.yaml:3: monitor.password: stands in the file itself',
    ],
    [
      'a grace shorter than repmgr needs',
      file(MINIMAL, 'policy: { grace: 100ms }'),
      'ha.yaml:4: policy.grace: is shorter than repmgr takes',
    ],
    [
      'an admin server beyond this machine',
      file(MINIMAL, 'admin: { address: "0.0.0.0:8432" }'),
      'ha.yaml:4: admin.address: serves plain HTTP',
    ],
    [
      'a token that can be guessed',
      file(MINIMAL, `admin: { token: "\${TOKEN:-fifteen-letters}" }`),
      'ha.yaml:4: admin.token: is short enough to be guessed',
    ],
  ])('tell of %s', (_rule, text, beginning) => {
    const result = loadConfig({ text, environment: {} })
    if (!result.ok) throw new Error(formatFaults(result.faults, 'ha.yaml'))
    expect(result.warnings).toHaveLength(1)
    expect(formatFaults(result.warnings, 'ha.yaml')).toContain(beginning)
  })

  test('do not come for a password from the environment', () => {
    const text = file(listeners, nodes, `monitor: { user: pgha, password: "\${PASSWORD}" }`)
    expect(loadConfig({ text, environment: { PASSWORD: 'x' } })).toMatchObject({ ok: true, warnings: [] })
  })
})
