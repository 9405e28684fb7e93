/**
 * Watches how a server wants the monitoring session to prove itself, and refuses what would give the password away. Pure
 * state, no I/O. `pg` answers any method, also one that a stranger chose because it suits him. What is left: a server may
 * let everybody in, or ask for MD5, whose answer can be guessed from; only a verified certificate tells who it is.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
import { readAuthenticationCode } from '../protocol/authentication.ts'
import type { FramedMessage } from '../protocol/message-framer.ts'
import { BACKEND_MESSAGE_TYPES } from '../protocol/message-types.ts'
import { ProbeError } from './classify-failure.ts'

const AUTHENTICATION_OK = 0
const AUTHENTICATION_CLEARTEXT = 3
const AUTHENTICATION_SASL = 10
const AUTHENTICATION_SASL_FINAL = 12

/** Part of the line that tells of it; `check` knows it by that. */
export const CLEAR_TEXT_REFUSED = 'asks for the password in clear text'

export class LoginGuard {
  readonly #mayTellPassword: () => boolean
  /** SCRAM proves both sides to each other; the server's proof is still to come. */
  #owesProof = false

  /** `mayTellPassword`: it is known who listens, or nobody outside of this machine can. */
  constructor(mayTellPassword: () => boolean) {
    this.#mayTellPassword = mayTellPassword
  }

  /** Throws ProbeError `auth` for a message that must not be answered, or believed. */
  check({ type, payload }: FramedMessage): void {
    if (type !== BACKEND_MESSAGE_TYPES.authentication) return
    switch (readAuthenticationCode(payload)) {
      case AUTHENTICATION_CLEARTEXT:
        if (this.#mayTellPassword()) return
        throw new ProbeError('auth', `the server ${CLEAR_TEXT_REFUSED}, and its certificate was not verified`)
      case AUTHENTICATION_SASL:
        this.#owesProof = true
        return
      case AUTHENTICATION_SASL_FINAL:
        this.#owesProof = false
        return
      case AUTHENTICATION_OK:
        if (!this.#owesProof) return
        throw new ProbeError('auth', 'the server gave no proof that it knows the password: it is not what it says')
    }
  }
}
