/**
 * Puts the priority in front of each line of the log, as journald takes it from standard output: `<6>{"level":"info",…`.
 * Effect layer. A line is one record: JSON has no line breaks in it.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html
 */
import { type DestinationStream, pino } from 'pino'

/** By pino's numbers; syslog has no trace. */
const PRIORITIES: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 }
const INFO = 6

/** `lastLevel` is what pino sets before each line when it finds its symbol. */
export interface JournaldStream extends DestinationStream {
  lastLevel: number
}

export function journaldStream(destination: DestinationStream): JournaldStream {
  const stream: JournaldStream & { readonly [pino.symbols.needsMetadataGsym]: true } = {
    [pino.symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    write: (line) => destination.write(`<${PRIORITIES[stream.lastLevel] ?? INFO}>${line}`),
  }
  return stream
}
