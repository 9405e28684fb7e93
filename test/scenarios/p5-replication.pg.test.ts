/**
 * P5, sessions in the replication protocol: backups, WAL, logical decoding, subscriptions and standbys get through the
 * proxy what they get directly; and P2, they end at a failover as all sessions do and come back by themselves.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { requireBinaries, requireTool } from '../support/postgres-binaries.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { createApplication } from '../support/roles.ts'
import { runCommand } from '../support/run-command.ts'
import { giveToServerUser } from '../support/server-user.ts'
import { endOf, programsAvailable, runProgram, startProgram } from './programs.ts'
import { Scene, tellOnFailure } from './scene.ts'
import type { Target } from './writers.ts'

const NEEDED = ['pg_basebackup', 'pg_receivewal', 'pg_recvlogical', 'pg_verifybackup'] as const
const SUPERUSER = { PGUSER: 'postgres' }
const IN_APPLICATION = { database: 'einvoice' }

let scene: Scene
let node1: PostgresServer
/** Made by pg_basebackup through the proxy, and streams from there. */
let copy: PostgresServer
let subscriber: PostgresServer

describe.skipIf(leftOut('replication through the proxy', programsAvailable(...NEEDED)))('through the proxy', () => {
  beforeAll(async () => {
    scene = await Scene.open({ nodes: 2, settings: { wal_level: 'logical' } })
    node1 = scene.node('node1')
    const { binaries } = node1
    copy = await PostgresServer.create({
      binaries,
      name: 'copy',
      initialize: false,
      settings: { wal_level: 'logical' },
    })
    subscriber = await PostgresServer.create({ binaries, name: 'subscriber' })
  })

  beforeEach(() => tellOnFailure(() => scene))

  afterAll(async () => {
    await Promise.all([copy, subscriber].map((server) => server?.destroy()))
    await scene.close()
  })

  it('pg_basebackup, with its two sessions, makes a backup that is whole and starts as a server', async () => {
    await invoice(node1, 'before the backup')
    const { accepted } = (await scene.status()).sessions
    await command('pg_basebackup', [
      '-d',
      conninfo('copy'),
      '-D',
      copy.dataDirectory,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
    ])
    expect((await scene.status()).sessions.accepted - accepted).toBe(2)
    await command('pg_verifybackup', [copy.dataDirectory])
    await copy.start()
    expect(await invoices(copy)).toEqual(['before the backup'])
  })

  it('a standby follows', async () => {
    await copy.waitFor(`SELECT status = 'streaming' AND sender_port = ${scene.target.port} FROM pg_stat_wal_receiver`)
    await invoice(node1, 'streamed')
    await copy.waitFor("SELECT count(*) = 1 FROM invoices WHERE number = 'streamed'", IN_APPLICATION)
  })

  it('pg_basebackup makes a backup in tar files that is whole', async () => {
    const [tar, unpacked] = [join(copy.folder, 'tar'), join(copy.folder, 'unpacked')]
    await command('pg_basebackup', ['-d', conninfo('tar'), '-D', tar, '-F', 'tar', '-X', 'stream', '-c', 'fast'])
    mkdirSync(join(unpacked, 'pg_wal'), { recursive: true })
    giveToServerUser(unpacked)
    giveToServerUser(join(unpacked, 'pg_wal'))
    for (const [archive, folder] of [
      ['base.tar', ''],
      ['pg_wal.tar', 'pg_wal'],
    ] as const)
      await runCommand('tar', ['-xf', join(tar, archive), '-C', join(unpacked, folder)], { folder: copy.folder })
    await command('pg_verifybackup', ['-m', join(tar, 'backup_manifest'), unpacked])
  })

  it('pg_receivewal receives from its slot the segments that the server has, byte for byte', async () => {
    const folder = join(scene.folder, 'wal')
    mkdirSync(folder)
    const options = { target: scene.target, env: SUPERUSER }
    const slot = ['--slot', 'receiver']
    expect(await runProgram('pg_receivewal', ['--create-slot', ...slot], options)).toMatchObject({ code: 0 })
    const receiver = startProgram('pg_receivewal', ['-D', folder, ...slot, '--synchronous', '--no-loop'], options)
    const end = endOf(receiver)
    await node1.waitFor("SELECT active FROM pg_replication_slots WHERE slot_name = 'receiver'")
    for (const _ of [1, 2, 3]) {
      await node1.query(
        "SELECT pg_logical_emit_message(true, 'test', repeat(md5(random()::text), 100000)); SELECT pg_switch_wal()",
      )
    }
    const whole = () => readdirSync(folder).filter((name) => /^[0-9A-F]{24}$/.test(name))
    await waitFor('three segments', () => whole().length >= 3, { timeoutMs: 20_000 })
    receiver.kill('SIGINT')
    expect(await end).toMatchObject({ code: 0 })
    for (const name of whole()) {
      const own = readFileSync(join(node1.dataDirectory, 'pg_wal', name))
      expect(readFileSync(join(folder, name)).equals(own), name).toBe(true)
    }
    expect(await runProgram('pg_receivewal', ['--drop-slot', ...slot], options)).toMatchObject({ code: 0 })
  })

  it('pg_recvlogical makes a slot, is told of each change as directly, and drops it', async () => {
    const run = async (target: Target, slot: string, ...args: readonly string[]) => {
      const all = ['-d', 'einvoice', '--slot', slot, ...args]
      expect(await runProgram('pg_recvlogical', all, { target, env: SUPERUSER })).toMatchObject({ code: 0, stderr: '' })
    }
    const ways = [
      [node1, 'directly'],
      [scene.target, 'through'],
    ] as const
    for (const [target, slot] of ways) await run(target, slot, '--create-slot', '--plugin', 'test_decoding')
    const heard = ways.map(([target, slot]) => {
      const args = ['-d', 'einvoice', '--slot', slot, '--start', '--no-loop', '-f', '-']
      return listen(startProgram('pg_recvlogical', args, { target, env: SUPERUSER }))
    })
    await node1.waitFor("SELECT count(*) = 2 FROM pg_replication_slots WHERE plugin = 'test_decoding' AND active")
    for (const number of ['decoded', repeated('wide', 500_000)]) {
      await node1.query('INSERT INTO invoices (number, customer, amount_cents) VALUES (left($1, 99), $1, 1)', {
        ...IN_APPLICATION,
        values: [number],
      })
    }
    await node1.query("DELETE FROM invoices WHERE number = 'decoded'", IN_APPLICATION)
    await waitFor('three transactions in both', () => heard.map(({ text }) => text().split('\nCOMMIT').length - 1), {
      until: (counts) => counts.every((count) => count === 3),
    })
    for (const { child } of heard) child.kill('SIGINT')
    const [directly, through] = await Promise.all(heard.map(({ end }) => end))
    expect(directly?.stdout.length).toBeGreaterThan(500_000)
    // By a signal it leaves in the middle of the stream, and may say so.
    expect([directly?.code, through?.code]).toEqual([0, 0])
    expect(through?.stdout).toBe(directly?.stdout)
    await run(scene.target, 'through', '--drop-slot')
    await run(node1, 'directly', '--drop-slot')
  })

  it('a subscription copies the table and gets what comes after', async () => {
    await subscriber.start()
    await createApplication(subscriber)
    await node1.query('CREATE PUBLICATION news FOR TABLE invoices', IN_APPLICATION)
    await subscriber.query(
      `CREATE SUBSCRIPTION news CONNECTION '${conninfo('news')} dbname=einvoice' PUBLICATION news`,
      IN_APPLICATION,
    )
    await invoice(node1, 'published')
    await subscriber.waitFor("SELECT count(*) = 1 FROM invoices WHERE number = 'published'", IN_APPLICATION)
    await subscriber.waitFor("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel", IN_APPLICATION)
    expect(await invoices(subscriber)).toEqual(await invoices(node1))
  })

  it('all of them are ended by 57P01 at a failover, and come back to the new primary by themselves', async () => {
    const folder = join(scene.folder, 'wal-2')
    mkdirSync(folder)
    const receiver = listen(
      startProgram('pg_receivewal', ['-D', folder, '--synchronous', '-v'], { target: scene.target, env: SUPERUSER }),
    )
    await node1.waitFor("SELECT count(*) = 4 FROM pg_stat_replication WHERE state = 'streaming'")
    await scene.cluster.waitForReplay(node1, [scene.node('node2'), copy])
    // Frozen, or it would write on for those who are to follow another one.
    await node1.freeze()
    const node2 = scene.node('node2')
    await scene.promote('node2')
    await waitFor('the end of the session', () => receiver.errors().includes('disconnected'))
    expect(receiver.errors()).toContain('FATAL:  terminating connection due to administrator command')
    expect(receiver.errors()).toContain('DETAIL:  pgha-proxy: node1 is no longer primary (now node2)')
    expect(receiver.errors()).toContain('disconnected; waiting 5 seconds to try again')
    await waitFor('all three to be counted', async () => (await scene.endedCount('node-not-routable')) === 3)

    await copy.waitFor("SELECT status = 'streaming' AND received_tli = 2 FROM pg_stat_wal_receiver")
    await invoice(node2, 'after the failover')
    await copy.waitFor("SELECT count(*) = 1 FROM invoices WHERE number = 'after the failover'", IN_APPLICATION)

    // Slots of subscriptions stay behind (before PostgreSQL 17 always): whoever wants them on node2 makes them there.
    await waitFor('the subscriber to say what it lacks', () =>
      readFileSync(subscriber.logFile, 'utf8').includes('replication slot "news" does not exist'),
    )
    await node2.query("SELECT pg_create_logical_replication_slot('news', 'pgoutput')", IN_APPLICATION)
    await node2.waitFor("SELECT active FROM pg_replication_slots WHERE slot_name = 'news'")
    await invoice(node2, 'with a new slot')
    await subscriber.waitFor("SELECT count(*) = 1 FROM invoices WHERE number = 'with a new slot'", IN_APPLICATION)
    expect(await invoices(subscriber)).not.toContain('after the failover')

    await node2.waitFor(
      "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'pg_receivewal' AND state = 'streaming'",
    )
    await waitFor('WAL of timeline 2', () => readdirSync(folder).some((name) => name.startsWith('00000002')))
    receiver.child.kill('SIGINT')
    expect(await receiver.end).toMatchObject({ code: 0 })
  })
})

/** For whoever connects to the proxy as a superuser. */
function conninfo(name: string): string {
  return `host=${scene.target.host} port=${scene.target.port} user=postgres application_name=${name}`
}

/** Runs a program as the user who owns the servers' files. */
async function command(name: string, args: readonly string[]): Promise<void> {
  await runCommand(requireTool(requireBinaries('system'), name), args, { folder: copy.folder })
}

async function invoice(server: PostgresServer, number: string): Promise<void> {
  await server.query("INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, 'c', 1)", {
    ...IN_APPLICATION,
    values: [number],
  })
}

async function invoices(server: PostgresServer): Promise<readonly unknown[]> {
  const rows = await server.query('SELECT number FROM invoices ORDER BY id', IN_APPLICATION)
  return rows.map(({ number }) => number)
}

/** What a started program has said so far, and how it ends. */
function listen(child: ChildProcess) {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (piece: Buffer | string) => {
      said[name] += String(piece)
    })
  }
  return { child, end: endOf(child), text: () => said.stdout, errors: () => said.stderr }
}

function repeated(word: string, length: number): string {
  return word.repeat(Math.ceil(length / word.length)).slice(0, length)
}
