/** Reads the text format of Prometheus as far as tests ask of it: families with help and type, and single values. Test support. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly help: string
  readonly type: string
  readonly samples: readonly Sample[]
}

export class Exposition {
  readonly families: ReadonlyMap<string, Family>

  /** Throws on a line that is neither a comment nor a sample of the family announced before it. */
  constructor(text: string) {
    const families = new Map<string, { help: string; type: string; samples: Sample[] }>()
    let current = ''
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
      if (keyword === 'HELP') {
        current = name
        families.set(name, { help: rest, type: '', samples: [] })
      } else if (keyword === 'TYPE') {
        const family = families.get(name)
        if (family !== undefined) family.type = rest
      } else {
        const sample = readSample(line)
        const family = families.get(current)
        if (family === undefined || !sample.name.startsWith(current)) throw new Error(`stray sample: ${line}`)
        family.samples.push(sample)
      }
    }
    this.families = families
  }

  /** Names of samples, such as `x_bucket`. */
  get sampleNames(): ReadonlySet<string> {
    return new Set([...this.families.values()].flatMap(({ samples }) => samples.map(({ name }) => name)))
  }

  /** All samples of this name that have these labels, whatever others they have. */
  select(name: string, labels: Readonly<Record<string, string>> = {}): readonly Sample[] {
    const samples = [...this.families.values()].flatMap((family) => family.samples).filter((each) => each.name === name)
    return samples.filter((each) => Object.entries(labels).every(([label, value]) => each.labels[label] === value))
  }

  /** Their sum; `null` when there is no such series. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | null {
    const samples = this.select(name, labels)
    return samples.length === 0 ? null : samples.reduce((sum, each) => sum + each.value, 0)
  }

  /** The value of `label` of the one series that is 1, as in a one-hot gauge; several are joined. */
  which(name: string, label: string, labels: Readonly<Record<string, string>> = {}): string {
    const hot = this.select(name, labels).filter(({ value }) => value === 1)
    return hot.map((each) => each.labels[label] ?? '').join(',')
  }
}

function readSample(line: string): Sample {
  const [, name = '', labelText = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === '') throw new Error(`not a sample: ${line}`)
  const labels = [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text])
  return { name, labels: Object.fromEntries(labels), value: Number(value) }
}
