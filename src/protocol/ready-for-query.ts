/**
 * ReadyForQuery (B): the server is done with a query cycle, and says whether a transaction is open. Pure protocol
 * layer.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-READYFORQUERY
 */

/** `I` idle, not in a transaction; `T` in a transaction; `E` in a failed transaction. */
export type TransactionStatus = 'I' | 'T' | 'E'

/** Byte1 of the transaction status, and nothing after. `null` when the payload is not exactly one known status. */
export function readTransactionStatus(payload: Buffer): TransactionStatus | null {
  return payload.length === 1 ? transactionStatusOf(payload[0]) : null
}

/** The status that `byte` stands for. `null` for any other byte, or none. */
export function transactionStatusOf(byte: number | undefined): TransactionStatus | null {
  switch (byte) {
    case 0x49:
      return 'I'
    case 0x54:
      return 'T'
    case 0x45:
      return 'E'
    default:
      return null
  }
}
