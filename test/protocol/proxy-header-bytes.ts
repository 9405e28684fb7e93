/** Builds PROXY headers as load balancers send them. Test support. */

const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

export const V2_LOCAL = 0x20
export const V2_PROXY = 0x21
export const V2_FAMILIES = { unspec: 0x00, tcp4: 0x11, udp4: 0x12, tcp6: 0x21, udp6: 0x22, unix: 0x31 } as const

export function version1(line: string): Buffer {
  return Buffer.from(`PROXY ${line}\r\n`, 'latin1')
}

/** `block`: addresses and TLVs. */
export function version2(command: number, family: number, block: Buffer = Buffer.alloc(0)): Buffer {
  const fixed = Buffer.from([command, family, block.length >> 8, block.length & 0xff])
  return Buffer.concat([V2_SIGNATURE, fixed, block])
}

/** Addresses as hexadecimal digits. */
export function addressBlock(source: string, destination: string, sourcePort: number, destinationPort: number): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(sourcePort, 0)
  ports.writeUInt16BE(destinationPort, 2)
  return Buffer.concat([Buffer.from(source + destination, 'hex'), ports])
}

export function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value])
}

export const TCP4 = version1('TCP4 203.0.113.7 192.0.2.1 56324 5432')
export const TCP4_V2 = version2(V2_PROXY, V2_FAMILIES.tcp4, addressBlock('cb007107', 'c0000201', 56_324, 5432))
