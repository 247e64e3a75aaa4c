// The real server with a temporary folder for all of its state, and the command line that works on it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { Process, ROOT, temporaryFolder } from './process.js'

const BINARY = resolve(process.env.CHANCERY_BIN ?? join(ROOT, 'target/debug/chancery'))
export const USERNAME = 'ada'
export const PASSWORD = 'correct horse battery staple'

export class Server {
  // With these settings, by their names in docs/chancery.toml; a user, and the public client `web` of the pages.
  static async start(settings) {
    const server = new Server()
    const folder = await temporaryFolder()
    const env = environment({
      'database.url': `sqlite://${folder}/chancery.db`,
      'keys.master_key_file': `${folder}/master.key`,
      'server.bind': '127.0.0.1:0',
      'server.drain_time': '0s',
      'log.format': 'json',
      'browser.client': 'web',
      ...settings,
    })
    server.options = { cwd: folder, env }
    await server.cli(['users', 'create', USERNAME, '--password-stdin'], PASSWORD)
    const grants = ['--grant', 'password', '--grant', 'refresh_token', '--scope', 'read write']
    await server.cli(['clients', 'create', '--id', 'web', '--public', ...grants])
    const listening = /"message":"listening","address":"[^"]*:(\d+)"/
    server.process = await Process.start([BINARY, 'serve'], server.options, listening)
    return server
  }

  get port() {
    return this.process.port
  }

  // A command that must succeed; the JSON that it prints.
  async cli(command, input) {
    const stdio = [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe']
    const child = spawn(BINARY, [...command, '--json'], { ...this.options, stdio, timeout: 60_000 })
    child.stdin?.end(input)
    const [[code], output, complaint] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)])
    if (code !== 0) throw new Error(`chancery ${command.join(' ')}: ${complaint}`)
    return JSON.parse(output)
  }

  // Of the access tokens that follow.
  setLifetime(duration) {
    return this.cli(['clients', 'set', 'web', '--access-token-lifetime', duration])
  }

  // As `sessions list` tells of it.
  async session(sid) {
    const sessions = await this.cli(['sessions', 'list', '--limit', '1000'])
    return sessions.find((session) => session.id === sid)
  }

  stop() {
    return this.process.stop()
  }
}

function environment(settings) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('CHANCERY'))
  const own = Object.entries(settings).map(([key, value]) => [`CHANCERY__${key.replace('.', '__').toUpperCase()}`, value])
  return Object.fromEntries([...inherited, ...own])
}
