// A program that serves until it is stopped, or until the tests end.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url)) // the repository's

export class Process {
  log = ''
  kill = () => this.child.kill()

  // Starts it, and waits until its log says at which port it listens: what `listening` captures.
  static async start([program, ...more], options, listening) {
    const process_ = new Process()
    process_.child = spawn(program, more, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    process.once('exit', process_.kill)
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
    process.off('exit', this.kill)
    if (this.child.exitCode !== null) return
    this.kill()
    await once(this.child, 'exit')
  }
}
