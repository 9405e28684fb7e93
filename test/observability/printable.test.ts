import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable } from '../../src/observability/printable.ts'

describe('text of others on a terminal', () => {
  it.each([
    ['plain words, also of other languages', 'node1 – основной 主', 'node1 – основной 主'],
    ['without colour', '\u001b[1;31mnode1\u001b[0m', 'node1'],
    ['without what clears the screen', 'node1\u001b[2J\u001b[H', 'node1'],
    [
      'without a title or a link',
      '\u001b]0;evil\u0007node1 \u001b]8;;http://evil\u001b\\here\u001b]8;;\u001b\\',
      'node1 here',
    ],
    ['without sequences that begin with one character', '\u009b31mnode1\u009dtitle\u009c', 'node1'],
    ['on one line', 'node1\r\nnode2\u2028node3', 'node1  node2 node3'],
    ['in the order in which it is written', 'node1\u202e2edon', 'node1 2edon'],
    ['without the rest of a title that does not end', 'node1\u001b]0;evil', 'node1'],
  ])('is %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  it('never has a control character', () => {
    const part = fc.oneof(
      fc.constantFrom('\u001b', '[', ']', ';', '8', '\u009b', '\u0007', '\\', 'm'),
      fc.nat(0x2fff).map((code) => String.fromCodePoint(code)),
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }),
        (parts) => !/[\p{Cc}\u2028\u2029]/u.test(printable(parts.join(''))),
      ),
    )
  })

  it.each([
    ['links that never end', '\u001b]8;;'],
    ['sequences that never end', '\u001b['],
    ['parameters without end', '\u001b[1;'],
    ['intermediates without end', '\u001b[ '],
  ])('takes no longer over %s than over as many letters, nearly', (_, piece) => {
    const evil = piece.repeat(200_000)
    const startedAt = performance.now()
    printable(evil)
    // Seconds where each beginning looks at all that follows; a busy machine takes a tenth of one.
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})
