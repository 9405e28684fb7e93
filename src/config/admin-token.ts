/** Is the admin token long enough? Pure. It is all that stands between the network and an order. */

/** 64 bits, when it was made of hexadecimal digits at random. */
const TOKEN_LENGTH_MIN = 16

/** What to have instead of a short one. */
export const LONG_TOKEN = `at least ${TOKEN_LENGTH_MIN} characters: openssl rand -hex 32 makes one`

export function isShortToken(token: string): boolean {
  return token.length < TOKEN_LENGTH_MIN
}
