/** Bytes that mean something on the wire, for seeds and dictionaries. Test support. */
import { firstPacket, int32, message, PROTOCOL_3_0, PROTOCOL_3_2, parameters } from '../../protocol/wire-bytes.ts'

/** The lead of an input in two parts (see `splitLead`): eight bytes that cut the rest into pieces. */
export const LEAD = Buffer.of(8, 0, 3, 4, 0, 9, 16, 1, 5)

export const ERROR_FIELDS = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0Dwhy\0\0'

export const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app'], ['database', 'shop']))
export const STARTUP_3_2 = firstPacket(PROTOCOL_3_2, parameters(['user', 'app'], ['_pq_.x', '1']))
export const SSL_REQUEST = firstPacket(80_877_103)
export const GSSENC_REQUEST = firstPacket(80_877_104)
export const CLIENT_HELLO = Buffer.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3)
export const CANCEL_KEY = Buffer.from('\0\0\x30\x39secret', 'latin1')
export const CANCEL_REQUEST = firstPacket(80_877_102, CANCEL_KEY)

export const AUTHENTICATION_OK = message('R', int32(0))
export const PASSWORD_REQUEST = message('R', int32(3))
export const SASL_FINAL = message('R', Buffer.concat([int32(12), Buffer.from('v=')]))
export const IN_HOT_STANDBY = message('S', 'in_hot_standby\0on\0')
export const NOT_IN_HOT_STANDBY = message('S', 'in_hot_standby\0off\0')
export const KEY_DATA = message('K', CANCEL_KEY)
export const READY = message('Z', 'I')
export const LOGIN_BYTES = Buffer.concat([AUTHENTICATION_OK, NOT_IN_HOT_STANDBY, KEY_DATA, READY])

/** ErrorResponse, or NoticeResponse with `type` N. */
export function errorOf(sqlState: string, text: string, type: 'E' | 'N' = 'E'): Buffer {
  return message(type, `SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`)
}

export const BACKEND_WORDS: readonly (Buffer | string)[] = [
  AUTHENTICATION_OK,
  PASSWORD_REQUEST,
  SASL_FINAL,
  IN_HOT_STANDBY,
  NOT_IN_HOT_STANDBY,
  KEY_DATA,
  READY,
  message('Z', 'T'),
  message('Z', ''),
  message('Z', 'II'),
  message('D', 'row'),
  message('N', ERROR_FIELDS),
  message('v', Buffer.concat([int32(0), int32(0)])),
  errorOf('57P03', 'the database system is starting up'),
  errorOf('57P01', 'x'),
  ERROR_FIELDS,
  'C57P01\0',
  'C\0',
  'M\0',
  '\0\0',
  int32(4),
  int32(5),
  int32(3),
  int32(0x7fffffff),
  int32(0xffffffff),
  'R',
  'Z',
  'E',
  'N',
  'S',
]

export const FRONTEND_WORDS: readonly (Buffer | string)[] = [
  STARTUP,
  STARTUP_3_2,
  SSL_REQUEST,
  GSSENC_REQUEST,
  CANCEL_REQUEST,
  CLIENT_HELLO,
  int32(8),
  int32(16),
  int32(10_004),
  int32(10_005),
  int32(80_877_102),
  int32(80_877_103),
  int32(80_877_104),
  int32(PROTOCOL_3_0),
  int32(131_072),
  int32(262_144),
  'user\0app\0',
  'replication\0database\0',
  '_pq_.command\0x\0',
  '\0',
]
