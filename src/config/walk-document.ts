/**
 * YAML document to plain values: mappings, lists and text, with anchors, aliases and merge keys (`<<`) resolved,
 * `${NAME}` substituted, and the place of every value remembered. It knows nothing of which settings exist.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml'
import { type ConfigFault, displayValue, formatPath, type Path, type Position } from './fault.ts'
import { type Environment, substitute } from './substitute.ts'

/** `null` is a key without a value, or a value that had a fault. Mappings have no prototype. */
export type RawValue = string | null | readonly RawValue[] | RawMapping
export interface RawMapping {
  readonly [key: string]: RawValue
}

/** Where a value stands, and its text in the file; `text` is `null` for mappings, lists and what is not to be shown. */
export interface Place extends Position {
  readonly text: string | null
}

export interface WalkedDocument {
  readonly value: RawMapping
  readonly faults: readonly ConfigFault[]
  /** The place of the value at `path`, or of the nearest value around it. */
  readonly placeOf: (path: Path) => Place
  /** Whether the value at `path`, or one around it, already has a fault here, so that others about it say nothing new. */
  readonly isFaulty: (path: Path) => boolean
  /** The environment variables that went into the value at `path`. */
  readonly variablesOf: (path: Path) => readonly string[]
}

/** With aliases written out. A config has some hundred; an alias bomb has billions. */
const VALUE_COUNT_MAX = 20_000
const DEPTH_MAX = 20

/** Walks a document whose top is a mapping. Never throws. */
export function walkDocument(
  document: Document,
  environment: Environment,
  positionOf: (offset: number) => Position,
): WalkedDocument {
  const faults: ConfigFault[] = []
  const faulty = new Set<string>()
  const places = new Map<string, Place>()
  const variables = new Map<string, readonly string[]>()
  const anchors = collectAnchors(document)
  /** Aliases being followed just now: one that is met again contains itself. */
  const following = new Set<Node>()
  let valueCount = 0

  const report = (path: Path, position: Position, problem: string, expected: string | null) => {
    faulty.add(keyOf(path))
    faults.push({
      path: formatPath(path),
      line: position.line,
      column: position.column,
      value: null,
      problem,
      expected,
      suggestion: null,
    })
  }

  /** Counts one value, written or reached through an alias. `false` once there are too many: go no further. */
  const spend = (position: Position): boolean => {
    valueCount += 1
    if (valueCount === VALUE_COUNT_MAX + 1) {
      report([], position, 'the file holds too many values', `at most ${VALUE_COUNT_MAX}, aliases (*) written out`)
    }
    return valueCount <= VALUE_COUNT_MAX
  }

  const walk = (node: Node | null, path: Path, position: Position): RawValue => {
    if (!spend(position)) return null
    if (path.length > DEPTH_MAX) {
      report(path.slice(0, 2), position, 'is nested too deep', null)
      return null
    }
    places.set(keyOf(path), { ...position, text: null })
    if (node === null) return null
    if (isAlias(node)) {
      const target = anchors.get(node)
      if (target === undefined) {
        report(
          path,
          position,
          'starts with *, which is a YAML alias, and no such anchor (&) stands above',
          'quotes around it when it is meant as text',
        )
        return null
      }
      if (following.has(target)) {
        report(path, position, 'is an alias (*) of something that contains it', null)
        return null
      }
      following.add(target)
      const value = walk(target, path, position)
      following.delete(target)
      return value
    }
    if (isMap(node)) return walkMapping(node.items as Pair<Node | null, Node | null>[], path, position)
    if (isSeq(node)) {
      return (node.items as (Node | null)[]).map((item, index) =>
        walk(item, [...path, index], startOf(item) ?? position),
      )
    }
    return isScalar(node) ? walkScalar(node, path, position) : null
  }

  const walkMapping = (
    pairs: readonly Pair<Node | null, Node | null>[],
    path: Path,
    position: Position,
  ): RawMapping => {
    const mapping: Record<string, RawValue> = Object.create(null)
    const merges: { node: Node; position: Position }[] = []
    for (const { key, value } of pairs) {
      const at = startOf(key) ?? position
      if (!isScalar(key) || typeof key.value !== 'string') {
        report(path, at, 'a key must be plain text', null)
        continue
      }
      const name = key.value
      if (name === '<<' && key.type === Scalar.PLAIN) {
        if (value !== null) merges.push({ node: value, position: at })
      } else if (name in mapping) {
        report(
          [...path, name],
          at,
          `is given twice, first on line ${places.get(keyOf([...path, name]))?.line}`,
          'each key once',
        )
      } else {
        mapping[name] = walk(value, [...path, name], at)
      }
    }
    for (const { node, position: at } of merges) {
      for (const merged of isSeq(node) ? (node.items as Node[]) : [node]) mergeInto(mapping, merged, path, at)
    }
    return mapping
  }

  /** As YAML's merge type has it: what is there already wins. @see https://yaml.org/type/merge.html */
  const mergeInto = (mapping: Record<string, RawValue>, node: Node, path: Path, position: Position) => {
    if (!spend(position)) return
    const target = isAlias(node) ? anchors.get(node) : node
    if (!isMap(target) || following.has(target) || following.size > DEPTH_MAX) {
      report(path, position, '<< merges something that is no mapping, or contains this one', '<<: *ANCHOR of a mapping')
      return
    }
    following.add(target)
    const pairs = (target.items as Pair<Node | null, Node | null>[]).filter(
      ({ key }) => !(isScalar(key) && typeof key.value === 'string' && key.value in mapping),
    )
    Object.assign(mapping, walkMapping(pairs, path, position))
    following.delete(target)
  }

  const walkScalar = (node: Scalar, path: Path, position: Position): RawValue => {
    const text = typeof node.value === 'string' ? node.value : ''
    if (node.type === Scalar.PLAIN) {
      if (text === '') return null
      const [start, end] = node.range ?? [0, 0]
      if (positionOf(start).line !== positionOf(end).line) {
        // `user: pgha` followed by an indented `password:secret` (no space) is one text to YAML.
        report(
          path,
          position,
          'has a value that goes on over several lines',
          'quotes around it, or a space after the colon of the next key',
        )
        return null
      }
    }
    places.set(keyOf(path), { ...position, text: displayValue(path, text) })
    const substitution = substitute(text, environment)
    if (!substitution.ok) {
      report(path, position, substitution.problem, substitution.expected)
      return null
    }
    if (substitution.names.length > 0) variables.set(keyOf(path), substitution.names)
    return substitution.text
  }

  const startOf = (node: Node | null): Position | null => {
    const offset = node?.range?.[0]
    return offset === undefined ? null : positionOf(offset)
  }

  const top = document.contents
  const value = isMap(top) ? walkMapping(top.items as Pair<Node | null, Node | null>[], [], { line: 1, column: 1 }) : {}
  return {
    value,
    faults,
    placeOf: (path) => {
      for (let length = path.length; length > 0; length -= 1) {
        const place = places.get(keyOf(path.slice(0, length)))
        if (place !== undefined) return length === path.length ? place : { ...place, text: null }
      }
      return { line: 1, column: 1, text: null }
    },
    isFaulty: (path) => path.some((_, index) => faulty.has(keyOf(path.slice(0, index + 1)))) || faulty.has(keyOf([])),
    variablesOf: (path) => variables.get(keyOf(path)) ?? [],
  }
}

function keyOf(path: Path): string {
  return JSON.stringify(path)
}

/** The node that each alias stands for: the last anchor of that name above it. One pass, so that many aliases stay cheap. */
function collectAnchors(document: Document): ReadonlyMap<Node, Node> {
  const byName = new Map<string, Node>()
  const targets = new Map<Node, Node>()
  const pending: (Node | null)[] = [document.contents]
  while (pending.length > 0) {
    const node = pending.pop() ?? null
    if (node === null) continue
    if (isAlias(node)) {
      const target = byName.get(node.source)
      if (target !== undefined) targets.set(node, target)
      continue
    }
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) byName.set(node.anchor, node)
    // Pushed last to first, so that they are visited in file order.
    if (isSeq(node)) for (const item of (node.items as (Node | null)[]).toReversed()) pending.push(item)
    if (isMap(node)) {
      for (const { key, value } of (node.items as Pair<Node | null, Node | null>[]).toReversed())
        pending.push(value, key)
    }
  }
  return targets
}
