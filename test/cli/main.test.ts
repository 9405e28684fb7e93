import { describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { fakeTerminal } from './fake-terminal.ts'

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal()
  const code = await main(args, terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

const COMMANDS = ['check', 'status', 'failovers', 'accept', 'fence', 'unfence', 'init'] as const

describe('the command line', () => {
  it('names every command, examples and the exit codes', async () => {
    const { code, stdout } = await run('--help')
    expect(code).toBe(0)
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    expect(stdout).toMatch(/Examples:\n(.|\n)*Exit codes:\n {2}0 fine/)
  })

  it.each(COMMANDS)('has an example and the exit codes in the help of %s', async (command) => {
    const { code, stdout } = await run(command, '--help')
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}pgha-proxy ${command} `))
    expect(stdout).toMatch(/Exit codes:\n {2}0 fine\n {2}1 failure at run time\n {2}2 bad usage or configuration/)
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  it('prints its version', async () => {
    expect(await run('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  it.each([
    { args: ['chek'], says: "unknown command 'chek'\n(Did you mean check?)" },
    { args: ['zzzzzz'], says: "unknown command 'zzzzzz'\n(--help" },
    { args: ['check', '--jsno'], says: "unknown option '--jsno'\n(Did you mean --json?)" },
    { args: ['check', 'ha.yaml'], says: 'too many arguments' },
    { args: ['fence'], says: "missing required argument 'node'" },
    { args: ['check', '--config'], says: "option '-c, --config <file>' argument missing" },
    { args: ['init'], says: 'init needs to know a node' },
    { args: ['status', '--url', 'localhost:8432'], says: 'write it as http://localhost:8432' },
    { args: ['status', '--url', 'ftp://x'], says: 'no address of an admin server' },
    { args: ['accept', 'node1', '--url', 'http://127.0.0.1:1'], says: 'give --token-file FILE, or --config FILE' },
    {
      args: ['fence', 'node1', '--url', 'http://127.0.0.1:1', '--token-file', '/nowhere'],
      says: '/nowhere cannot be read: no such file',
    },
    { args: ['status', '--config', '/nowhere.yaml'], says: 'give --url http://127.0.0.1:8432' },
    { args: ['check', '--config', '/nowhere.yaml'], says: '/nowhere.yaml: the file cannot be read: no such file' },
    { args: ['init', '--conninfo', 'host=a b=c=d e'], says: '--conninfo cannot be used' },
    { args: ['init', '--conninfo', 'host=a'], says: 'it names no user' },
    { args: ['init', '--conninfo', 'user=a'], says: 'it names no host' },
    { args: ['init', '--conninfo', 'host=a user=b sslmode=maybe'], says: 'its sslmode is none of disable, allow' },
    { args: ['init', '--from-nginx', '/nowhere.conf'], says: '/nowhere.conf cannot be read: no such file' },
  ])('says in one line what is wrong with $args, in one what to do, and ends with 2', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(...args)
    expect(stderr).toContain(says)
    expect(stderr.trimEnd().split('\n').length).toBeGreaterThanOrEqual(2)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('does not repeat a password out of a conninfo that cannot be used', async () => {
    const { stderr } = await run('init', '--conninfo', 'host=a password=hunter2 =')
    expect(stderr).toContain('--conninfo cannot be used')
    expect(stderr).not.toContain('hunter2')
  })

  it('does not start the daemon from a file that happens to lie around, and says what it looked for', async () => {
    const { code, stderr } = await run()
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /--config is missing\n {2}(give --config FILE; .*ha\.yaml .*|run it with: pgha-proxy --config .*)\n$/,
    )
  })
})
