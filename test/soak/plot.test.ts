import { describe, expect, it } from 'vitest'
import { drawPlot, niceTicks, thinOut } from './plot.ts'

describe('ticks', () => {
  it.each<[number, number, readonly number[]]>([
    [0, 100, [0, 20, 40, 60, 80, 100]],
    [0, 9_840, [0, 2_000, 4_000, 6_000, 8_000, 10_000]],
    [0, 0.3, [0, 0.1, 0.2, 0.3]],
    [28, 31, [28, 29, 30, 31]],
    [0, 0, [0, 0.2]],
  ])('from %d to %d are round, and reach both', (low, high, ticks) => {
    expect(niceTicks(low, high)).toEqual(ticks)
  })
})

describe('thinning out', () => {
  it('keeps every peak, whatever it lies between', () => {
    const points = Array.from({ length: 10_000 }, (_, index) => [index, index === 7_777 ? 500 : 1] as const)
    const thin = thinOut(points, 100)
    expect(thin).toHaveLength(100)
    expect(thin).toContainEqual([7_777, 500])
  })

  it('leaves few points as they are', () => {
    const points = [
      [0, 1],
      [1, null],
    ] as const
    expect(thinOut(points, 100)).toBe(points)
  })
})

describe('a plot', () => {
  const plot = {
    title: 'Memory & <more>',
    xName: 'seconds',
    yName: 'MiB',
    series: [
      {
        name: 'RSS',
        points: [
          [0, 100],
          [5, null],
          [10, 200],
        ] as const,
      },
    ],
    bands: { name: 'failover', stretches: [[4, 20]] as const },
  }

  it('puts points where the axes say', () => {
    const svg = drawPlot(plot)
    // Left end and half way up; right end and top.
    expect(svg).toContain('d="M64 148M784 56"')
    expect(svg).toContain('<rect class="band" x="352" y="56" width="432" height="184"/>')
  })

  it('has no line where nothing was measured', () => {
    const whole = {
      ...plot,
      series: [
        {
          name: 'RSS',
          points: [
            [0, 100],
            [10, 200],
          ] as const,
        },
      ],
    }
    expect(drawPlot(plot)).not.toContain('d="M64 148L784 56"')
    expect(drawPlot(whole)).toContain('d="M64 148L784 56"')
  })

  it('escapes words, and has colours for dark pages too', () => {
    const svg = drawPlot(plot)
    expect(svg).toContain('Memory &amp; &lt;more>')
    expect(svg).toContain('prefers-color-scheme: dark')
  })

  it('of nothing is an error', () => {
    expect(() => drawPlot({ ...plot, series: [{ name: 'RSS', points: [[0, null]] }] })).toThrow('nothing was measured')
  })
})
