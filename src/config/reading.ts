/**
 * The result of reading one scalar of the config. A bad text is a value, not an exception, so that all faults of a file
 * can be told at once.
 */

/**
 * `problem` is a predicate for "SETTING ...", without the text itself, which may be a secret. `suggestion` is a text
 * that would be accepted and is probably meant; `null` when none can be guessed.
 */
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string; readonly suggestion: string | null }
