/**
 * The token of `pgha-proxy notify`: made of the admin token, good for notifications and for nothing else, so that the
 * database hosts need not hold what fences nodes. Pure but for the hash. It changes when the admin token does.
 */
import { createHmac } from 'node:crypto'

/** 64 hexadecimal digits. The admin token cannot be found from it but by guessing: that one has to be long. */
export function notifyToken(adminToken: string): string {
  return createHmac('sha256', adminToken).update('pgha-proxy notify').digest('hex')
}
