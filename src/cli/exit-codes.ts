/** How the program ends; documented in README.md and in `--help`. */
export const EXIT_CODES = {
  ok: 0,
  /** Something failed at run time: a port in use, a state file that cannot be written, the daemon out of reach. */
  failure: 1,
  /** Bad usage or a bad configuration. */
  usage: 2,
  /** `check` and `status`: there is no primary. */
  noPrimary: 3,
} as const
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]
