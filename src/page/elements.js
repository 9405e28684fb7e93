/** Makes elements of HTML and SVG. Part of the live page. Text is always text here: nothing is ever read as HTML. */

/** @typedef {Node | string | null} Child what is `null` is left out */

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string>>} attributes
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function html(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string | number>>} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  return fill(
    /** @type {SVGElement} */ (document.createElementNS('http://www.w3.org/2000/svg', tag)),
    attributes,
    children,
  )
}

/**
 * The element of the document with this id, which must be there.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/**
 * Changes the text only when it is another one: what is selected stays selected.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Paths of 16 × 16, drawn as lines. */
const ICONS = {
  check: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M5 8.3l2.2 2.2L11.2 6',
  pause: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M6.3 5.5v5M9.7 5.5v5',
  question: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M6.2 6.3a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.9.6-.9 1.2M8 11.4v.1',
  fork: 'M8 14.5V9.5L3.5 5V1.8M8 9.5L12.5 5V1.8M1.6 3.7l1.9-1.9l1.9 1.9M10.6 3.7l1.9-1.9l1.9 1.9',
  copy: 'M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M5.5 8h5M8.3 5.8L10.5 8l-2.2 2.2',
  eye: 'M1.5 8s2.4-4.5 6.5-4.5S14.5 8 14.5 8s-2.4 4.5-6.5 4.5S1.5 8 1.5 8M8 6.3a1.7 1.7 0 1 1 0 3.4a1.7 1.7 0 0 1 0-3.4',
  alarm: 'M8 2L14.5 13.5h-13zM8 6.3v3.4M8 11.6v.1',
  bar: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M3.5 3.5l9 9',
  cross: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6',
}

/** @typedef {keyof typeof ICONS} IconName */

/**
 * A picture beside a word that says the same.
 * @param {IconName} name
 */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: ICONS[name] }))
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Readonly<Record<string, string | number>>} attributes
 * @param {readonly Child[]} children
 * @returns {E}
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  for (const child of children) if (child !== null) element.append(child)
  return element
}
