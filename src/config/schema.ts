/**
 * Every key of `ha.yaml`: its kind, bounds, default and description (unit, meaning, when to change it). The only place
 * where they stand: the editor's JSON Schema is generated from here, and the example file is tested against it.
 * Those of a listener are in listener-schema.ts. It describes the file (snake_case); build-config.ts turns it into `Config`.
 */
import { z } from 'zod'
import { LOG_FORMATS, LOG_LEVELS, SSL_MODES } from './config.ts'
import { LIST_LENGTH_MAX, listener } from './listener-schema.ts'
import {
  ADMIN_ADDRESS,
  choice,
  duration,
  HOST_NAME,
  NODE_ADDRESS,
  name,
  numberOrAuto,
  PATH,
  SECRET,
  SOCKET_MODE,
  SWITCH,
  wholeNumber,
} from './scalar-kind.ts'
import { list, neededSection, optional, optionalScalars, required, section, withDefault } from './setting.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const NAME_BYTES_MAX = 63

const node = neededSection(
  {
    name: required(
      name(NAME_BYTES_MAX),
      "The node's name, at most 63 bytes, unique. Use repmgr's node_name: the node is then matched to its row by name.",
    ),
    address: required(
      NODE_ADDRESS,
      'Where the node is reached from here: host or host:port (default port 5432), [v6]:port, or the directory of its Unix socket. Resolved anew at every dial.',
    ),
  },
  'A node of the cluster, as a seed: with discovery more are learned. The witness may be listed too.',
)

const monitor = neededSection(
  {
    user: required(
      name(NAME_BYTES_MAX),
      'The role that asks the nodes. It needs pg_read_all_stats, and for discovery USAGE on schema repmgr and SELECT on repmgr.nodes.',
    ),
    password: optional(
      SECRET,
      'Its password, best out of the environment. Not together with password_file. Without both: PGPASSWORD, then ~/.pgpass.',
    ),
    password_file: optional(
      PATH,
      'A file with its password and nothing else; a newline at the end does not count. Read at every dial, so that it can be changed while running.',
    ),
    database: withDefault(
      name(NAME_BYTES_MAX),
      'repmgr',
      'The database it connects to: the one with the schema repmgr. Without repmgr any database will do, such as postgres.',
    ),
    sslmode: withDefault(
      choice(SSL_MODES),
      'prefer',
      'Encryption towards the nodes, as in libpq. verify-full where the network is not trusted. Says nothing about the sessions of clients.',
    ),
    sslrootcert: optional(
      PATH,
      'A file with the certificate authorities to trust, in PEM. Only for verify-ca and verify-full. system: those that Node.js trusts. Without it: ~/.postgresql/root.crt.',
    ),
    interval: withDefault(
      duration(50, MINUTE_MS, { zero: 'refused' }),
      '500ms',
      'Time from one question to the next while all is well, per node. Raise it for nodes far away or many proxies.',
    ),
    fast_interval: withDefault(
      duration(10, 10 * SECOND_MS, { zero: 'refused' }),
      '50ms',
      'The same while there is no primary, something is doubtful, or has just changed. It bounds how soon a promotion is seen. At most interval.',
    ),
    timeout: withDefault(
      duration(50, MINUTE_MS, { zero: 'refused' }),
      '1s',
      'Time in which an answer must have come. Raise it for slow networks, well above their worst round trip.',
    ),
    failures: withDefault(
      wholeNumber(1, 100),
      3,
      'Timeouts in a row until a node counts as unreachable. A refused connection counts at once. Times timeout, it must stay below decision_ttl.',
    ),
    decision_ttl: withDefault(
      duration(500, HOUR_MS, { zero: 'refused' }),
      '5s',
      'Age at which a decision that was not renewed expires, so that new sessions are held. A safety net for a proxy that was stopped for a while.',
    ),
  },
  'How the nodes are asked what they are.',
)

const policy = section(
  {
    require_majority: withDefault(
      SWITCH,
      false,
      'Accept a primary only while more than half of the registered members, witness included, can be asked. true for clusters over several sites; then a lone survivor is held.',
    ),
    grace: withDefault(
      duration(0, 10 * MINUTE_MS, { zero: 'off' }),
      '2s',
      'How long a promotion without word from repmgr must stand, while the old primary does not answer as one. repmgr writes its word about 1 s after a promotion; 0s does not wait for it.',
    ),
    end_sessions_when_refused: withDefault(
      SWITCH,
      true,
      'End the sessions on the primary when its port refuses connections twice: what is left of such a server can still commit. false when a firewall that rejects or a Kubernetes Service stands between.',
    ),
  },
  'Choices where facts alone do not decide.',
)

const admin = z
  .union([
    z.literal('off'),
    section(
      {
        address: withDefault(
          ADMIN_ADDRESS,
          '127.0.0.1:8432',
          'Where status, metrics, health checks and orders are served, in plain HTTP. 0.0.0.0:8432 when a load balancer or Prometheus asks from elsewhere; unix:/run/pgha-proxy/admin.sock for users of this machine alone.',
        ),
        socket_mode: optional(
          SOCKET_MODE,
          'Permissions of the file of a Unix socket, as chmod takes them; 0600 without it: only the user of the proxy, and root, may ask. Only for a unix: address.',
        ),
        hosts: optionalScalars(
          HOST_NAME,
          LIST_LENGTH_MAX,
          "Names under which this server may be asked, besides addresses, localhost and the host of address: that of a Docker service, or of a machine that Prometheus knows by name. Requests for other names are refused, as a web page in an operator's browser could make them. Not for a unix: address, where every name will do.",
        ),
        token: optional(
          SECRET,
          'Bearer token for fence, unfence, accept, drain and probe, at least 16 characters, best out of the environment; prefer token_file. Without any token these are off.',
        ),
        token_file: optional(
          PATH,
          'A file with the token and nothing else; a newline at the end does not count. Read again at every reload. Not together with token.',
        ),
      },
      'The admin HTTP server.',
    ),
  ])
  .prefault({})
  .meta({ description: 'The admin HTTP server, or off.' })

/** The whole file. Input: scalars as text (or as YAML reads them); output: parsed leaves under the file's own keys. */
export const documentSchema = z
  .strictObject({
    listeners: list(listener, LIST_LENGTH_MAX, 'The addresses that clients connect to, at least one.'),
    nodes: list(node, LIST_LENGTH_MAX, 'The nodes of the cluster, at least one.'),
    discovery: withDefault(
      choice(['repmgr', 'none']),
      'repmgr',
      "repmgr: members come and go as the primary's repmgr.nodes says, where that table exists. none: only the nodes listed here.",
    ),
    monitor,
    policy,
    hold: section(
      {
        timeout: withDefault(
          duration(100, HOUR_MS, { zero: 'off' }),
          '30s',
          'How long a new session may wait for a primary before it is refused. Longer than a failover takes, and shorter than clients wait. 0s never holds.',
        ),
        max_sessions: withDefault(
          wholeNumber(0, 1_000_000),
          1_000,
          'How many sessions may wait at once; the next are refused. 0 never holds.',
        ),
        release_rate: withDefault(
          wholeNumber(1, 100_000),
          200,
          'Sessions a second that go on once a primary is there, so that it is not overrun while its caches are cold.',
        ),
      },
      'New sessions that wait for a primary.',
    ),
    limits: section(
      {
        max_sessions: withDefault(
          wholeNumber(1, 1_000_000),
          10_000,
          'Sessions at once, held ones included. Each needs two file descriptors: mind the limit of open files.',
        ),
        max_sessions_per_address: withDefault(
          wholeNumber(0, 1_000_000),
          0,
          'Sessions at once from one client address, so that one application cannot take all places; 0 is off. Behind a load balancer it needs proxy_protocol. Clients of a Unix socket have no address.',
        ),
        startup_timeout: withDefault(
          duration(100, 10 * MINUTE_MS, { zero: 'refused' }),
          '10s',
          'Time for a client to send its startup packet, and a load balancer its PROXY header.',
        ),
        connect_timeout: withDefault(
          duration(50, 10 * MINUTE_MS, { zero: 'refused' }),
          '2s',
          'Time for a connection to a node to be made. Raise it for nodes far away.',
        ),
      },
      'Bounds on what clients and nodes may take.',
    ),
    keepalive: section(
      {
        client: withDefault(
          duration(SECOND_MS, 2 * HOUR_MS, { zero: 'off' }),
          '60s',
          'Idle time after which TCP asks whether the client is still there. Below the idle limit of any firewall between. 0s is off.',
        ),
        server: withDefault(duration(SECOND_MS, 2 * HOUR_MS, { zero: 'off' }), '60s', 'The same towards the node.'),
      },
      'TCP keepalive of sessions.',
    ),
    shutdown: section(
      {
        grace: withDefault(
          duration(0, 24 * HOUR_MS, { zero: 'off' }),
          '30s',
          'How long running sessions may go on after the first stop signal. 0s ends them at once. Below the time after which the supervisor kills (systemd 90 s, Docker 10 s).',
        ),
        handover_timeout: withDefault(
          duration(SECOND_MS, 10 * MINUTE_MS, { zero: 'refused' }),
          '30s',
          'How long the process that takes over at an upgrade (SIGUSR2) may need until it is ready. Then it is given up, and the old one goes on.',
        ),
        handover_grace: optional(
          duration(0, 7 * 24 * HOUR_MS, { zero: 'off' }),
          'How long sessions may go on in the old process after an upgrade. Without it as long as they like; 0s ends them at once.',
        ),
      },
      'How the proxy stops.',
    ),
    workers: withDefault(
      numberOrAuto(1, 256),
      1,
      'Processes that relay sessions; auto is one per core. Raise it when one core is busy.',
    ),
    admin,
    state_dir: withDefault(
      PATH,
      '/var/lib/pgha-proxy',
      'Directory for the epoch of the last accepted primary. Must outlive restarts, and be writable only for the proxy.',
    ),
    log: section(
      {
        level: withDefault(
          choice(LOG_LEVELS),
          'info',
          'The least important records that are written. debug also tells of every session and repeated probe failures.',
        ),
        format: withDefault(
          choice(LOG_FORMATS),
          'auto',
          'json for machines, pretty for people; auto is pretty when standard output is a terminal and json otherwise; journald is json with the priority in front.',
        ),
      },
      'The log on standard output.',
    ),
  })
  .meta({ title: 'pgha-proxy configuration', description: 'Configuration of pgha-proxy (ha.yaml).' })

/** The file's content with each leaf parsed. */
export type ConfigDocument = z.output<typeof documentSchema>
