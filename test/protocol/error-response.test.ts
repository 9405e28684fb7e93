import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildErrorResponse, parseErrorFields } from '../../src/protocol/error-response.ts'
import { frameNaively, surroundings, wireLikeBytes } from './wire-bytes.ts'

const text = fc.string({ unit: 'binary', maxLength: 60 })

describe('buildErrorResponse', () => {
  it('sends S, V, C and M', () => {
    const bytes = buildErrorResponse({ severity: 'FATAL', sqlState: '57P01', message: 'bye' })
    expect(bytes.toString('latin1')).toBe('E\0\0\0\x1fSFATAL\0VFATAL\0C57P01\0Mbye\0\0')
  })

  it('adds D and H when they are given', () => {
    const bytes = buildErrorResponse({ severity: 'ERROR', sqlState: '0A000', message: 'm', detail: 'd', hint: 'h' })
    expect(bytes.toString('latin1', 5)).toBe('SERROR\0VERROR\0C0A000\0Mm\0Dd\0Hh\0\0')
  })

  it('counts bytes, not characters', () => {
    const bytes = buildErrorResponse({ severity: 'FATAL', sqlState: '57P01', message: 'Knoten „é“ ist weg 🐘' })
    expect(bytes.readInt32BE(1)).toBe(bytes.length - 1)
    expect(parseErrorFields(bytes.subarray(5))?.message).toBe('Knoten „é“ ist weg 🐘')
  })

  it('makes zero bytes, line ends and other control characters harmless in every field', () => {
    const evil = 'a\0C00000\0\r\nb\x1b[31m'
    const bytes = buildErrorResponse({ severity: 'FATAL', sqlState: evil, message: evil, detail: evil, hint: evil })
    const harmless = 'a C00000 b [31m'
    expect(bytes.toString('latin1', 5)).toBe(
      `SFATAL\0VFATAL\0C${harmless}\0M${harmless}\0D${harmless}\0H${harmless}\0\0`,
    )
  })

  it('is always one whole message of as many fields as were given', () => {
    const optional = fc.option(text, { nil: undefined })
    fc.assert(
      fc.property(text, text, optional, optional, (sqlState, message, detail, hint) => {
        const bytes = buildErrorResponse({ severity: 'FATAL', sqlState, message, detail, hint })
        const { messages, rest } = frameNaively(bytes)
        expect(rest).toHaveLength(0)
        expect(messages).toHaveLength(1)
        const zeros = bytes.subarray(5).filter((byte) => byte === 0).length
        expect(zeros).toBe(5 + (detail === undefined ? 0 : 1) + (hint === undefined ? 0 : 1))
      }),
    )
  })
})

describe('parseErrorFields', () => {
  it('reads back what was built', () => {
    const line = fc.string({ maxLength: 60 })
    fc.assert(
      fc.property(line, fc.option(line, { nil: undefined }), (message, detail) => {
        const bytes = buildErrorResponse({ severity: 'FATAL', sqlState: '57P03', message, detail, hint: 'h' })
        expect(parseErrorFields(bytes.subarray(5))).toEqual({
          severity: 'FATAL',
          sqlState: '57P03',
          message,
          detail: detail ?? null,
        })
      }),
    )
  })

  it('prefers the severity that is not translated', () => {
    expect(parseErrorFields(Buffer.from('SFATALE\0VFATAL\0\0'))?.severity).toBe('FATAL')
    expect(parseErrorFields(Buffer.from('SFATALE\0C57P03\0\0'))?.severity).toBe('FATALE')
  })

  it('gives null for a missing field and passes over unknown ones', () => {
    expect(parseErrorFields(Buffer.from('Fpostmaster.c\0L2213\0Msorry\0?x\0\0'))).toEqual({
      severity: null,
      sqlState: null,
      message: 'sorry',
      detail: null,
    })
  })

  it('gives empty fields as empty, not as missing', () => {
    expect(parseErrorFields(Buffer.from('M\0D\0\0'))).toMatchObject({ message: '', detail: '' })
  })

  it('keeps the first of two fields of one type', () => {
    expect(parseErrorFields(Buffer.from('C57P01\0C00000\0\0'))?.sqlState).toBe('57P01')
  })

  it('reads nothing behind the end of the fields', () => {
    expect(parseErrorFields(Buffer.from('Ma\0\0C57P01\0'))).toMatchObject({ message: 'a', sqlState: null })
  })

  it.each(['', '\0', 'S', 'SFATAL'])('gives null for %j, in which no field is whole', (payload) => {
    expect(parseErrorFields(Buffer.from(payload))).toBeNull()
  })

  it('keeps the whole fields of every truncation', () => {
    const payload = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mbye\0Dnode1\0\0')
    const wholeAt = (field: string, value: string, length: number) =>
      length >= payload.indexOf(`\0${field}${value}\0`) + field.length + value.length + 2 ? value : null
    for (let length = 7; length <= payload.length; length++) {
      expect(parseErrorFields(payload.subarray(0, length)), `${length} bytes`).toEqual({
        severity: 'FATAL',
        sqlState: wholeAt('C', '57P01', length),
        message: wholeAt('M', 'bye', length),
        detail: wholeAt('D', 'node1', length),
      })
    }
  })

  it('gives a value for any bytes, whatever lies around them', () => {
    fc.assert(
      fc.property(wireLikeBytes(40), (payload) => {
        const expected = parseErrorFields(Buffer.from(payload))
        for (const view of surroundings(payload)) expect(parseErrorFields(view)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })
})
