/**
 * A document in which every setting that had a fault is missing. The cross-checks work on it, so that one mistyped
 * setting does not hide that two others contradict each other.
 */
import type { z } from 'zod'
import type { NodeAddress } from '../topology/observation.ts'
import type { ListenerAddress } from './config.ts'
import { type ConfigDocument, documentSchema } from './schema.ts'
import type { RawMapping } from './walk-document.ts'

/** Any setting may be missing; an address is one setting. */
type Loose<T> = T extends string | number | boolean | undefined | null | ListenerAddress | NodeAddress
  ? T | undefined
  : T extends readonly (infer Item)[]
    ? readonly (Loose<Item> | undefined)[]
    : { readonly [Key in keyof T]?: Loose<T[Key]> | undefined }

type LooseDocument = Loose<ConfigDocument>

export interface Draft {
  readonly listeners: readonly Loose<ConfigDocument['listeners'][number] | undefined>[]
  readonly nodes: readonly Loose<ConfigDocument['nodes'][number] | undefined>[]
  readonly monitor: Loose<ConfigDocument['monitor']>
  readonly discovery: LooseDocument['discovery']
  readonly policy: Loose<ConfigDocument['policy']>
  /** `undefined` when it is off or had a fault. */
  readonly admin: Loose<Exclude<ConfigDocument['admin'], 'off'>> | undefined
}

export interface CheckedDocument {
  /** `null` when there are issues. */
  readonly document: ConfigDocument | null
  readonly issues: readonly z.core.$ZodIssue[]
  readonly draft: Draft
}

/** Checks every setting by itself. */
export function checkDocument(raw: RawMapping): CheckedDocument {
  let half: unknown
  const result = documentSchema
    .superRefine(
      (value) => {
        half = value
      },
      // Also when settings had issues: zod then hands over what it has.
      { when: ({ value }) => typeof value === 'object' && value !== null },
    )
    .safeParse(raw)
  return {
    document: result.success ? result.data : null,
    issues: result.success ? [] : result.error.issues,
    draft: draftOf(half),
  }
}

function mappingOf(value: unknown): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

function listOf(value: unknown): readonly object[] {
  return Array.isArray(value) ? value.map(mappingOf) : []
}

/** Gives the half-read document the outline that the rules rely on; its leaves are parsed values or `undefined`. */
function draftOf(half: unknown): Draft {
  const document: LooseDocument = mappingOf(half)
  return {
    listeners: listOf(document.listeners),
    nodes: listOf(document.nodes),
    monitor: mappingOf(document.monitor),
    discovery: document.discovery,
    policy: mappingOf(document.policy),
    admin: draftAdmin(document.admin),
  }
}

/** When the admin section has a fault zod gives it back unread, as text: then it is left out of the cross-checks. */
function draftAdmin(admin: LooseDocument['admin']): Draft['admin'] {
  if (typeof admin !== 'object' || admin === null) return undefined
  return typeof admin.address?.kind === 'string' ? admin : undefined
}
