/** The keys of one listener in `ha.yaml`: schema.ts, for this part of the file. */
import { BALANCES, ROUTES, SERVER_SSL_MODES, TLS_MODES, TLS_VERSIONS } from './config.ts'
import { choice, LISTENER_ADDRESS, PATH, PEERS, SOCKET_MODE, SWITCH, size } from './scalar-kind.ts'
import { neededSection, optional, optionalScalars, required, section, withDefault } from './setting.ts'

/** More listeners or nodes than this is a mistake, not a cluster. */
export const LIST_LENGTH_MAX = 64

/** One entry of `listeners`. */
export const listener = neededSection(
  {
    address: required(
      LISTENER_ADDRESS,
      'Where clients connect: host:port, [v6]:port, unix:/dir/.s.PGSQL.5432, or fd:NAME (a systemd socket). Port 0 takes any free port, for tests.',
    ),
    route: withDefault(
      choice(ROUTES),
      'primary',
      'Which node a session is for. primary: the one proven primary, else hold. standby: a standby that keeps up. any: either, for reads that may be a little old.',
    ),
    tls: section(
      {
        mode: withDefault(
          choice(TLS_MODES),
          'passthrough',
          'passthrough: encryption is between client and node, unseen here. off: encryption is refused, for clients on a trusted network that try it first. terminate: encryption ends here, with cert and key.',
        ),
        cert: optional(
          PATH,
          'The certificate shown to clients, and those between it and the authority, in PEM. With mode: terminate, needed; a changed file is taken over within seconds.',
        ),
        key: optional(PATH, 'The private key of cert, in PEM, without a passphrase. Readable for the proxy alone.'),
        client_ca: optional(
          PATH,
          'Authorities, in PEM: clients need a certificate of theirs. It ends here: the node does not see it. Needs require.',
        ),
        require: optional(
          SWITCH,
          'Refuse clients without encryption; false without it. Only with mode: terminate; with passthrough that is for pg_hba.conf (hostssl).',
        ),
        min_version: optional(
          choice(TLS_VERSIONS),
          'Oldest version of TLS that clients may speak; TLSv1.2 without it.',
        ),
        server_sslmode: optional(
          choice(SERVER_SSL_MODES),
          'Encryption towards the node, in the words of libpq, with mode: terminate; disable without it. Other than disable, clients with encryption can log in by SCRAM only when the nodes have the same certificate as the proxy: docs/tls.md.',
        ),
        server_sslrootcert: optional(
          PATH,
          'A file with the certificate authorities to trust, in PEM, or system. Needed for server_sslmode verify-ca and verify-full.',
        ),
      },
      'Encryption on this listener.',
    ),
    proxy_protocol: section(
      {
        from: optionalScalars(
          PEERS,
          LIST_LENGTH_MAX,
          'Load balancers that speak the PROXY protocol, version 1 or 2: addresses, networks such as 10.0.0.0/8, or unix for whoever comes by a Unix socket. From them the header is needed, from others it is not taken.',
        ),
      },
      'Where the address of the real client comes from, behind a load balancer.',
    ),
    socket_mode: optional(
      SOCKET_MODE,
      'Permissions of the file of a Unix socket, as chmod takes them; 0777 without it, as in PostgreSQL. Only for unix: addresses; sockets of systemd have SocketMode=.',
    ),
    balance: withDefault(
      choice(BALANCES),
      'least-sessions',
      'How a standby is chosen for a new session. round-robin suits many short sessions of equal weight. Not for route: primary.',
    ),
    max_lag: withDefault(
      size(1_024, 2 ** 40),
      '16MiB',
      'Bytes of WAL that a standby may be behind the primary and still get new sessions. Lower it when readers must see recent writes. Not for route: primary.',
    ),
    fallback: withDefault(
      choice(['primary', 'none']),
      'primary',
      'Where sessions go when no standby keeps up. none refuses them and so keeps reading load away from the primary. Only for route: standby.',
    ),
    on_promotion: withDefault(
      choice(['keep', 'end']),
      'keep',
      'What happens to sessions here when their standby becomes primary. end sends them back to the remaining standbys. Not for route: primary.',
    ),
  },
  'One address that clients connect to.',
)
