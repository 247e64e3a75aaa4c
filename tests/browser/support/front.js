// The one port that browsers talk to: it answers each host name with its own handler, over TLS or not, as a reverse proxy
// does. It remembers what came, and can hold requests back until so many of them are there.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { extname, join, normalize } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from './process.js'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

export class Front {
  requests = []
  hosts = new Map()
  gates = []

  static async start({ tls }) {
    const front = new Front()
    front.scheme = tls ? 'https' : 'http'
    const answer = (request, response) => front.answer(request, response)
    front.server = tls ? https.createServer(await certificate(), answer) : http.createServer(answer)
    front.server.listen(0, '127.0.0.1')
    await once(front.server, 'listening')
    front.port = front.server.address().port
    return front
  }

  origin(host) {
    return `${this.scheme}://${host}:${this.port}`
  }

  // What came for a path but for CORS preflights, in the order in which it was answered.
  answered(path) {
    return this.requests.filter((request) => request.path === path && request.method !== 'OPTIONS')
  }

  // Holds requests for this path back until `count` of them are there: they are at once.
  together(path, count) {
    this.gates.push({ path, count, waiting: [] })
  }

  async answer(request, response) {
    const { host, pathname: path } = new URL(request.url, `${this.scheme}://${request.headers.host}`)
    const handler = this.hosts.get(host.split(':')[0]) ?? notFound
    response.on('finish', () => {
      const { method, headers } = request
      this.requests.push({ host, method, path, headers, status: response.statusCode })
    })
    if (request.method !== 'OPTIONS') await this.admitted(path)
    await handler(request, response, path)
  }

  async admitted(path) {
    const gate = this.gates.find((gate) => gate.path === path)
    if (!gate) return
    const admitted = new Promise((admit) => gate.waiting.push(admit))
    if (gate.waiting.length === gate.count) {
      this.gates.splice(this.gates.indexOf(gate), 1)
      gate.waiting.forEach((admit) => admit())
    }
    await admitted
  }

  async stop() {
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}

// Passes everything on to a server on loopback.
export function proxy(port) {
  return async (request, response) => {
    const { method, url: path, headers } = request
    const onward = http.request({ host: '127.0.0.1', port, method, path, headers })
    onward.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.rawHeaders)))
    onward.on('error', () => response.writeHead(502).end())
    request.pipe(onward)
  }
}

// The files of a folder; of what their text says, `replacements` are replaced.
export function files(folder, replacements = {}) {
  return async (request, response, path) => {
    const name = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path))
    let text = await readFile(name, 'utf8').catch(() => undefined)
    if (text === undefined) return notFound(request, response)
    for (const [from, to] of Object.entries(replacements)) text = text.replaceAll(from, to)
    response.writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'text/plain' }).end(text)
  }
}

// One page, whatever the path.
export function page(html) {
  return async (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(html)
}

async function notFound(_, response) {
  response.writeHead(404).end()
}

// One that nobody trusts: browsers are told to take it.
async function certificate() {
  const folder = await temporaryFolder()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=browser tests', '-addext', 'subjectAltName=DNS:*.example.localhost', '-days', '2']
  await promisify(execFile)('openssl', [...request, ...subject, '-keyout', key, '-out', cert])
  return { key: await readFile(key), cert: await readFile(cert) }
}
