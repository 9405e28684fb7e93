/** Colour for those who want it: the only place that knows escape codes. Pure; without colour the text comes back as it is. */
import { styleText } from 'node:util'
import type { NodeRole, TopologyKind } from '../topology/topology-state.ts'

const TONES = {
  good: 'green',
  doubtful: 'yellow',
  bad: 'red',
  faint: 'dim',
  strong: 'bold',
} as const
export type Tone = keyof typeof TONES | 'plain'

export type Paint = (tone: Tone, text: string) => string

export function createPaint(useColor: boolean): Paint {
  return (tone, text) => {
    if (!useColor || tone === 'plain' || text === '') return text
    // Whether there may be colour was decided by whoever made the terminal.
    return styleText(TONES[tone], text, { validateStream: false })
  }
}

/** `serving` is good, doubt is yellow, and what keeps sessions waiting for good is red. */
export function toneOfState(state: TopologyKind): Tone {
  switch (state) {
    case 'serving':
      return 'good'
    case 'uncertain':
      return 'doubtful'
    case 'no-primary':
    case 'split-brain':
      return 'bad'
    default: {
      const unhandled: never = state
      return unhandled
    }
  }
}

export function toneOfRole(role: NodeRole): Tone {
  switch (role) {
    case 'primary':
      return 'good'
    case 'standby':
    case 'witness':
      return 'plain'
    case 'unknown':
      return 'doubtful'
    case 'fenced':
    case 'unreachable':
    case 'stale-primary':
    case 'impostor':
    case 'foreign':
      return 'bad'
    default: {
      const unhandled: never = role
      return unhandled
    }
  }
}
