/**
 * A parser with a bug on purpose, behind four checks that chance alone does not pass: what the fuzzer must find in
 * seconds, or it finds nothing anywhere. Test support.
 */
import { ensure, type FuzzTarget } from './target.ts'

/** `Pg!`, a version below 4, a length, and as many bytes: a sum of them. It believes the length. */
export function sumOfBytes(bytes: Buffer): number | null {
  if (bytes[0] !== 0x50) return null
  if (bytes[1] !== 0x67) return null
  if (bytes[2] !== 0x21) return null
  if ((bytes[3] ?? 4) >= 4) return null
  if (bytes.length < 5) return null
  let sum = 0
  for (let offset = 0; offset < bytes.readUInt8(4); offset += 1) sum += bytes.readUInt8(5 + offset)
  return sum
}

export const target: FuzzTarget = {
  name: 'planted-bug',
  oracle: 'is broken on purpose',
  covers: ['test/fuzz/planted-bug.ts'],
  inputBytesMax: 64,
  seeds: ['hello'],
  dictionary: ['x'],
  run: (input) => {
    ensure((sumOfBytes(input) ?? 0) >= 0, 'a sum is not negative')
  },
}
