/**
 * `${NAME}` and `${NAME:-default}` in one scalar, `$${` for a literal `${`. Pure. It works on values after YAML was
 * read, so that a password with a quote or a newline cannot change the file's structure.
 */

export type Environment = Readonly<Record<string, string | undefined>>

export type Substitution =
  | { readonly ok: true; readonly text: string; readonly names: readonly string[] }
  | { readonly ok: false; readonly problem: string; readonly expected: string | null }

const NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Replaces every placeholder of `text`. As in a shell, `:-` stands in for a variable that is unset or empty; the default
 * runs to the next `}` and is taken as it is. Fails on a variable that is unset and has no default.
 */
export function substitute(text: string, environment: Environment): Substitution {
  const names: string[] = []
  let result = ''
  let from = 0
  for (;;) {
    const at = text.indexOf('${', from)
    if (at === -1) return { ok: true, text: result + text.slice(from), names }
    if (text[at - 1] === '$' && at > from) {
      result += `${text.slice(from, at - 1)}\${`
      from = at + 2
      continue
    }
    const end = text.indexOf('}', at)
    if (end === -1) {
      return {
        ok: false,
        problem: `has a \${ without its }`,
        expected: `\${NAME}, \${NAME:-default}, or $\${ for the two characters`,
      }
    }
    const inside = text.slice(at + 2, end)
    const colon = inside.indexOf(':-')
    const name = colon === -1 ? inside : inside.slice(0, colon)
    if (!NAME_PATTERN.test(name)) {
      return { ok: false, problem: `has a \${} with no variable name in it`, expected: `\${NAME} or \${NAME:-default}` }
    }
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    const fallback = colon === -1 ? undefined : inside.slice(colon + 2)
    const replacement = fallback !== undefined && (value === undefined || value === '') ? fallback : value
    if (replacement === undefined) {
      return {
        ok: false,
        problem: `environment variable ${name} is not set`,
        expected: `${name} in the environment, or \${${name}:-default}`,
      }
    }
    names.push(name)
    result += text.slice(from, at) + replacement
    from = end + 1
  }
}
