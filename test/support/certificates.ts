/**
 * Certificates for tests, made on the spot with openssl: an authority, and what it signs. Test support. They are valid
 * for two days, and their folder is the caller's.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `true`, or why tests that need certificates cannot run here. */
export function opensslAvailable(): true | string {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' })
    return true
  } catch {
    return 'there is no openssl'
  }
}

/** Files and content of one certificate with its key, in PEM. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: Buffer
  readonly key: Buffer
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority whose files lie in `folder`, under its name. */
export class CertificateAuthority {
  readonly #folder: string
  readonly #name: string
  readonly certFile: string

  constructor(folder: string, name = 'ca') {
    this.#folder = folder
    this.#name = name
    this.certFile = join(folder, `${name}.crt`)
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`]
    this.#run(['req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', `/CN=${name} of a test`])
  }

  get cert(): Buffer {
    return readFileSync(this.certFile)
  }

  /** A certificate for `commonName`, good for servers of that name on localhost as well as for clients. */
  issue(name: string, commonName = 'localhost'): Certificate {
    this.#run(['req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`])
    writeFileSync(join(this.#folder, 'extensions'), 'subjectAltName=DNS:localhost\n')
    const by = ['-CA', `${this.#name}.crt`, '-CAkey', `${this.#name}.key`, '-CAcreateserial', '-extfile', 'extensions']
    this.#run(['x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, '-days', '2', ...by])
    const [certFile, keyFile] = [join(this.#folder, `${name}.crt`), join(this.#folder, `${name}.key`)]
    return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) }
  }

  #run(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }
}
