/** The helper with a stand-in for systemd-notify, which writes down what it was run with. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNotifyHelper, type NotifySender } from '../../src/daemon/notify-helper.ts'
import { waitFor } from '../support/condition.ts'
import { descendantsOf, waitUntilGone } from '../support/process-tree.ts'

let folder: string
let helper: NotifySender

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-notify-'))
  standIn('printf "%s|" "$@" >> "$0.args"; echo >> "$0.args"; env | sort > "$0.env"; cat >> "$0.args"')
  helper = createNotifyHelper({ socket: '/run/notify', path: `${folder}:/usr/bin:/bin` })
})

afterEach(async () => {
  const left = descendantsOf(process.pid).filter((pid) => commandOf(pid).includes('systemd-notify'))
  helper.close()
  await waitUntilGone(left)
  rmSync(folder, { recursive: true, force: true })
})

function standIn(script: string): void {
  const file = join(folder, 'systemd-notify')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

const written = (suffix: string): string => readFileSync(join(folder, `systemd-notify.${suffix}`), 'utf8')

function commandOf(pid: number): string {
  const file = `/proc/${pid}/cmdline`
  return existsSync(file) ? readFileSync(file, 'latin1') : ''
}

describe('the helper', () => {
  it('runs systemd-notify with each assignment as it is, whatever a shell would make of it', async () => {
    const nasty = `STATUS=a "b" 'c' $(touch x) \`d\` \\n * ; & | > é`
    expect(await helper.send(['READY=1', nasty])).toBeNull()
    expect(await helper.send(['WATCHDOG=1'])).toBeNull()
    expect(written('args')).toBe(`READY=1|${nasty}|\nWATCHDOG=1|\n`)
  })

  it('gives it the socket and a PATH, and nothing of the environment of the proxy', async () => {
    await helper.send(['READY=1'])
    const names = written('env')
      .split('\n')
      .map((line) => line.split('=')[0])
    expect(written('env')).toContain('NOTIFY_SOCKET=/run/notify\n')
    expect(
      names.filter(
        (name) => !['NOTIFY_SOCKET', 'PATH', 'LC_ALL', 'PWD', '_', 'SHLVL', 'OLDPWD', ''].includes(name ?? ''),
      ),
    ).toEqual([])
  })

  it('tells what systemd-notify said when it failed, and works again with the next', async () => {
    standIn('echo "Failed to notify init system: Connection refused" >&2; exit 1')
    expect(await helper.send(['READY=1'])).toBe('Failed to notify init system: Connection refused')
    standIn('exit 0')
    expect(await helper.send(['READY=1'])).toBeNull()
  })

  it('says so when there is no systemd-notify', async () => {
    rmSync(join(folder, 'systemd-notify'))
    helper.close()
    helper = createNotifyHelper({ socket: '/run/notify', path: folder })
    expect(await helper.send(['READY=1'])).toMatch(/systemd-notify: not found/)
  })

  it('is started anew when somebody has killed it', async () => {
    await helper.send(['READY=1'])
    const [pid = 0] = descendantsOf(process.pid).filter((each) => commandOf(each).includes('systemd-notify'))
    process.kill(pid, 'SIGKILL')
    await waitUntilGone([pid])
    await waitFor('it to work again', async () => (await helper.send(['WATCHDOG=1'])) === null)
  })

  it('gives up a message that hangs when it is closed', async () => {
    standIn('exec sleep 60')
    const sent = helper.send(['STOPPING=1'])
    await waitFor('it to hang', () => descendantsOf(process.pid).some((pid) => commandOf(pid).startsWith('sleep')))
    helper.close()
    expect(await sent).toMatch(/was ended/)
    expect(descendantsOf(process.pid).filter((pid) => commandOf(pid).startsWith('sleep'))).toEqual([])
    expect(await helper.send(['STOPPING=1'])).toBe('the helper is closed')
  })
})
