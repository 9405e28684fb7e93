/** Where a running proxy is asked by default. A file of its own: the help needs it, and nothing that reads configurations. */

/** Where the admin server listens unless the configuration says otherwise. */
export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:8432'
