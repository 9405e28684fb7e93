import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { importNginxStream, type NginxImport } from '../../../src/cli/init/nginx-stream.ts'
import { parseNginx } from '../../../src/cli/init/nginx-tokens.ts'

function mustImport(text: string, upstream: string | null = null): NginxImport & { ok: true } {
  const result = importNginxStream(text, { upstream })
  if (!result.ok) throw new Error(result.problem)
  return result
}

const TYPICAL = `
user nginx;                       # a comment with { and ;
events { worker_connections 1024; }
stream {
  log_format basic '$remote_addr [$time_local] "{$status}"; ';
  upstream postgres {
    server pg-0.db.internal:5432 max_fails=1 fail_timeout=5s weight=2;
    server pg-1.db.internal:5432 backup;
    server 10.0.0.3;
    server pg-9:5432 down;
  }
  server {
    listen 5432;
    listen [::]:5432 so_keepalive=on;
    proxy_pass postgres;
    proxy_connect_timeout 1s;
    proxy_timeout 30m;
  }
}
`

describe('an nginx stream configuration', () => {
  test('gives its servers as nodes and its ports as listeners', () => {
    const { listeners, nodes } = mustImport(TYPICAL)
    expect(listeners).toEqual([
      { address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' },
      { address: { kind: 'tcp', host: '::', port: 5432 }, route: 'primary' },
    ])
    expect(nodes).toEqual([
      { name: 'pg-0', address: { host: 'pg-0.db.internal', port: 5432 } },
      { name: 'pg-1', address: { host: 'pg-1.db.internal', port: 5432 } },
      { name: 'node3', address: { host: '10.0.0.3', port: 5432 } },
    ])
  })

  test('has a note for everything that was not taken over', () => {
    const { notes } = mustImport(TYPICAL)
    const said = notes.join('\n')
    for (const words of [
      'Line 7: max_fails=1 fail_timeout=5s weight=2 of pg-0.db.internal:5432 has no meaning here',
      'Line 8: backup of pg-1.db.internal:5432 has no meaning here',
      'Line 10: pg-9:5432 is marked down',
      'Line 5: log_format basic',
      'Line 6: the servers of upstream postgres are the nodes.',
      'Line 7: server pg-0.db.internal:5432 is the node pg-0.',
      'Line 13: listen 5432 is the listener 0.0.0.0:5432, with route: primary.',
      'Line 14: listen ... so_keepalive is what keepalive.client does here',
      'Line 16: proxy_connect_timeout 1s was not taken over',
      'Line 17: proxy_timeout 30m was not taken over',
      'node_name of repmgr.nodes',
      'nginx keeps the listening ports',
    ]) {
      expect(said).toContain(words)
    }
  })

  test('has its notes in the order of the file', () => {
    const lines = mustImport(TYPICAL).notes.flatMap((note) => /^Line (\d+):/.exec(note)?.[1] ?? [])
    expect(lines.map(Number)).toEqual(lines.map(Number).toSorted((a, b) => a - b))
    expect(lines.length).toBeGreaterThan(10)
  })

  describe('as it stood in front of many a repmgr cluster', () => {
    const original = readFileSync(new URL('../../../docker/nginx/pg.conf', import.meta.url), 'utf8')
    const withHash = original.replace(/\n}/, '\n    hash $remote_addr consistent;\n}')

    test('gives the two nodes and the port', () => {
      const { nodes, listeners } = mustImport(original)
      expect(nodes.map(({ name }) => name)).toEqual(['pg-0', 'pg-1'])
      expect(listeners).toEqual([{ address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' }])
    })

    test.each([original, withHash])('says of each directive what became of it', (text) => {
      const { notes } = mustImport(text)
      const wanted = text
        .split('\n')
        .flatMap((line, index) => (/^\s*(#|}|$|server \{|proxy_pass)/.test(line) ? [] : [index + 1]))
      for (const line of wanted) expect(notes.join('\n')).toContain(`Line ${line}: `)
      expect(wanted.length).toBeGreaterThanOrEqual(6)
    })

    test('needs no hash: there is one primary', () => {
      expect(mustImport(withHash).notes.join('\n')).toContain('hash has no meaning here: there is one primary')
    })
  })

  test('says that nginx cut idle sessions after 10 minutes when it does not say otherwise', () => {
    const { notes } = mustImport('stream { server { listen 5432; proxy_pass pg-0:5432; } }')
    expect(notes.join('\n')).toContain('idle for 10 minutes')
  })

  test('may be a file that is included inside of stream', () => {
    const { nodes, listeners } = mustImport(
      'upstream pg { server a; server b:6432; }\nserver { listen 6000; proxy_pass pg; }',
    )
    expect(nodes.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(listeners).toEqual([{ address: { kind: 'tcp', host: '0.0.0.0', port: 6000 }, route: 'primary' }])
  })

  test('may name the one server in proxy_pass', () => {
    expect(mustImport('stream { server { listen 127.0.0.1:5432; proxy_pass 10.0.0.1:5433; } }').nodes).toEqual([
      { name: 'node1', address: { host: '10.0.0.1', port: 5433 } },
    ])
  })

  test('may use Unix sockets on both sides', () => {
    const { nodes, listeners } = mustImport(
      'stream { server { listen unix:/run/pgha/.s.PGSQL.5432; proxy_pass unix:/var/run/postgresql/.s.PGSQL.5433; } }',
    )
    expect(listeners[0]?.address).toEqual({ kind: 'unix', path: '/run/pgha/.s.PGSQL.5432' })
    expect(nodes[0]?.address).toEqual({ host: '/var/run/postgresql', port: 5433 })
  })

  test('with an upstream alone gets a listener on 5432', () => {
    const { listeners, notes } = mustImport('upstream pg { server a; }')
    expect(listeners).toEqual([{ address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' }])
    expect(notes.join('\n')).toContain('No server listens')
  })

  test.each([
    ['UDP', 'listen 5432 udp;', 'PostgreSQL has no UDP'],
    ['a range of ports', 'listen 5432-5440;', 'ranges of ports'],
    ['a name that is none', 'listen a..b:5432;', 'names no valid host'],
  ])('leaves out a listen of %s and says so', (_rule, listen, words) => {
    const { listeners, notes } = mustImport(`stream { server { ${listen} listen 6000; proxy_pass a; } }`)
    expect(listeners.map(({ address }) => address)).toEqual([{ kind: 'tcp', host: '0.0.0.0', port: 6000 }])
    expect(notes.join('\n')).toContain(words)
  })

  test.each([
    ['listen 5432 ssl;', 'listen ... ssl was not taken over'],
    ['listen 5432 proxy_protocol;', 'listen ... proxy_protocol was not taken over'],
    ['listen 5432; ssl_preread on;', 'ssl_preread was not taken over'],
    ['listen 5432; proxy_protocol on;', 'proxy_protocol was not taken over'],
    ['listen 5432; allow 10.0.0.0/8; deny all;', 'allow and deny were not taken over'],
  ])('has a note on "%s"', (settings, words) => {
    expect(mustImport(`stream { server { ${settings} proxy_pass a; } }`).notes.join('\n')).toContain(words)
  })

  test.each([
    ['upstream pg { zone pg 64k; server a; }', 'Line 1: zone pg 64k was not taken over: it has no counterpart here.'],
    [
      'stream { server { listen 1 reuseport; proxy_pass a; } }',
      'Line 1: listen ... reuseport has no counterpart here.',
    ],
    ['stream { server { listen 1; proxy_pass a; tcp_nodelay on; } }', 'Line 1: tcp_nodelay on was not taken over'],
    [
      'stream { server { listen 1; proxy_pass a; } server { listen 2; return ok; } }',
      'the server that passes nothing on',
    ],
    ['stream { server { listen 1 so_keepalive=off; proxy_pass a; } }', '0s turns it off'],
  ])('leaves nothing without a note: %s', (text, words) => {
    expect(mustImport(text).notes.join('\n')).toContain(words)
  })

  test('has no note on a setting that is off', () => {
    expect(
      mustImport('stream { server { listen 1; proxy_protocol off; proxy_pass a; } }').notes.join('\n'),
    ).not.toContain('PROXY')
  })

  test('says which include was not followed', () => {
    expect(
      mustImport('stream { include /etc/nginx/stream.d/*.conf; server { listen 1; proxy_pass a; } }').notes.join('\n'),
    ).toContain('include /etc/nginx/stream.d/*.conf was not followed')
  })

  const SEVERAL = `stream {
    upstream pg { server a; server b; }
    upstream redis { server c:6379; }
    server { listen 5432; proxy_pass pg; }
    server { listen 6379; proxy_pass redis; }
  }`

  test('with several upstreams asks which', () => {
    expect(importNginxStream(SEVERAL)).toEqual({
      ok: false,
      problem: 'Which of these is the PostgreSQL cluster: pg, redis?',
      line: null,
      choices: ['pg', 'redis'],
    })
  })

  test('with an upstream chosen by a variable asks which', () => {
    const text = SEVERAL.replaceAll(/proxy_pass \w+/g, 'proxy_pass $backend')
    expect(importNginxStream(text)).toMatchObject({ ok: false, choices: ['pg', 'redis'] })
    expect(mustImport(text, 'pg').nodes.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('with several upstreams takes the one that is named', () => {
    const { nodes, listeners } = mustImport(SEVERAL, 'pg')
    expect(nodes.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(listeners.map(({ address }) => address)).toEqual([{ kind: 'tcp', host: '0.0.0.0', port: 5432 }])
  })

  test.each([
    ['an upstream that is not there', SEVERAL, 'nope', 'There is no upstream nope; there is pg, redis.', null],
    [
      'no stream block',
      'events { }\nhttp { server { listen 80; } }',
      null,
      'There is no stream block: nginx proxies no TCP here.',
      null,
    ],
    ['an empty file', '', null, 'There is no stream block: nginx proxies no TCP here.', null],
    ['an empty stream block', 'stream { }', null, 'The stream block has no upstream and no proxy_pass.', null],
    [
      'nothing but an include',
      'stream { include /etc/nginx/stream.d/*.conf; server { listen 1; return ok; } }',
      null,
      'The stream block has no upstream and no proxy_pass itself: import the file that it includes, /etc/nginx/stream.d/*.conf.',
      null,
    ],
    ['an upstream without servers', '\nupstream pg { least_conn; }', null, 'The upstream pg has no servers.', 2],
    ['only servers that are down', 'upstream pg { server a down; }', null, 'The upstream pg has no servers.', 1],
    ['a server that is no address', 'upstream pg {\n server a..b; }', null, '"a..b" is no address of a server.', 2],
    [
      'a variable in proxy_pass',
      'stream { server { listen 1; proxy_pass $backend; } }',
      null,
      'proxy_pass $backend goes by a variable, and no upstream names the nodes.',
      null,
    ],
    [
      'a brace that is not closed',
      'stream {\n upstream pg {',
      null,
      'The nginx configuration cannot be read: a { without its }.',
      2,
    ],
    ['a brace too many', 'stream { } }', null, 'The nginx configuration cannot be read: a } without its {.', 1],
    [
      'a quote that is not closed',
      'stream {\n server "a; }',
      null,
      'The nginx configuration cannot be read: a quote is not closed.',
      2,
    ],
    [
      'a directive without its end',
      'stream {\n server }',
      null,
      'The nginx configuration cannot be read: "server" has no ; at its end.',
      2,
    ],
  ])('with %s is refused', (_rule, text, upstream, problem, line) => {
    expect(importNginxStream(text, { upstream })).toMatchObject({ ok: false, problem, line })
  })

  test('never throws, whatever the text', () => {
    const pieces = fc.constantFrom(
      'stream',
      'upstream',
      'server',
      'listen',
      'proxy_pass',
      ' ',
      '\n',
      '{',
      '}',
      ';',
      '"',
      "'",
      '#',
      '\\',
      `\${`,
      'a:1',
      '$x',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces, { maxLength: 40 }).map((all) => all.join('')),
        ),
        (text) => {
          expect(typeof importNginxStream(text).ok).toBe('boolean')
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe("nginx's syntax", () => {
  test('has quotes, escapes, variables in braces and comments', () => {
    expect(parseNginx(`a "b;{}\\"c" 'd e' f\\ g \${h}i # j;\n k;`)).toEqual({
      ok: true,
      directives: [{ name: 'a', parameters: ['b;{}"c', 'd e', 'f g', `\${h}i`, 'k'], block: null, line: 1 }],
    })
  })

  test('has blocks in blocks, each with its line', () => {
    expect(parseNginx('a {\n b c {\n d;\n }\n}')).toMatchObject({
      ok: true,
      directives: [
        { name: 'a', line: 1, block: [{ name: 'b', parameters: ['c'], line: 2, block: [{ name: 'd', line: 3 }] }] },
      ],
    })
  })

  test('is refused when nested without end', () => {
    expect(parseNginx('a {'.repeat(100_000))).toEqual({ ok: false, line: 1, problem: 'blocks are nested too deep' })
  })
})
