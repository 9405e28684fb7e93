/**
 * The SQLSTATEs this proxy emits, each with when and why. Pure protocol layer. The texts that go with them are in
 * farewells.ts; what a server emits is relayed unchanged and not listed here.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const SQLSTATES = {
  /**
   * admin_shutdown: a running session is ended because its node is no longer routable. What nearly every pool takes for
   * a dead connection to replace.
   */
  adminShutdown: '57P01',
  /**
   * cannot_connect_now: a new session cannot be served now (nothing to route to, no room to hold, shutting down). The
   * only login error after which libpq tries its next host; `pg_isready` calls it "rejecting".
   */
  cannotConnectNow: '57P03',
  /** connection_failure: the backend went away without a word. Class 08 is what Java and .NET pools go by. */
  connectionFailure: '08006',
  /** too_many_connections: the proxy's own limit of sessions; the same as a full server gives. */
  tooManyConnections: '53300',
  /** invalid_authorization_specification: a plain client where TLS is required; the same as a refusal by pg_hba.conf. */
  invalidAuthorizationSpecification: '28000',
  /** protocol_violation: the first packet is malformed. Never for availability: clients would not try again. */
  protocolViolation: '08P01',
  /** feature_not_supported: a protocol major other than 3; the same as PostgreSQL gives. */
  featureNotSupported: '0A000',
} as const

/** One of the SQLSTATEs above. */
export type EmittedSqlState = (typeof SQLSTATES)[keyof typeof SQLSTATES]
