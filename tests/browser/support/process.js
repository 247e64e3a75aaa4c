// What must not outlive the tests, however they end: programs that serve, and temporary folders.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url)) // the repository's

const children = []
const folders = []

process.on('exit', () => {
  children.forEach((child) => child.kill())
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

export async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-browser-'))
  folders.push(folder)
  return folder
}

export class Process {
  log = ''

  // Starts it, and waits until its log says at which port it listens: what `listening` captures.
  static async start([program, ...more], options, listening) {
    const process_ = new Process()
    process_.child = spawn(program, more, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(process_.child)
    const lines = createInterface({ input: process_.child.stderr })
    process_.port = await new Promise((found, failed) => {
      process_.child.on('error', failed)
      lines.on('close', () => failed(new Error(`${program} ended:\n${process_.log}`)))
      lines.on('line', (line) => {
        process_.log += `${line}\n`
        const port = listening.exec(line)?.[1]
        if (port) found(Number(port))
      })
    })
    return process_
  }

  async stop() {
    if (this.child.exitCode !== null) return
    this.child.kill()
    await once(this.child, 'exit')
  }
}
