/** Questions to a page that is shown: does all of it fit, can all of it be read. Test support. */
import type { Tab } from '../support/browser.ts'

/** By how many pixels the page is wider than the window. */
export async function overflow(tab: Tab): Promise<number> {
  return await tab.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

/** A text whose contrast with what is behind it is less than WCAG AA asks for (4.5, 3 for large text). */
export interface Faint {
  readonly text: string
  readonly contrast: number
}

/** @see https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export async function faintTexts(tab: Tab): Promise<{ readonly seen: number; readonly faint: readonly Faint[] }> {
  return await tab.evaluate(`(${measureContrast})()`)
}

const measureContrast = `() => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => {
      const value = part / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const groundOf = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor)
      if (colour.length === 3 || colour[3] === 1) return colour
    }
    return [255, 255, 255]
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const faint = []
  let seen = 0
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    if (node.data.trim() === '' || element.getClientRects().length === 0) continue
    seen += 1
    const style = getComputedStyle(element)
    const isSvg = element instanceof SVGElement
    const lights = [parse(isSvg ? style.fill : style.color), groundOf(element)].map(luminance).sort((a, b) => b - a)
    const contrast = (lights[0] + 0.05) / (lights[1] + 0.05)
    const size = Number.parseFloat(style.fontSize)
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
    if (contrast < (isLarge ? 3 : 4.5)) faint.push({ text: node.data, contrast })
  }
  return { seen, faint }
}`
