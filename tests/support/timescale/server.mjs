// A TimescaleDB for tests where no real one is: PGlite (PostgreSQL 17 in WebAssembly, with the
// extension) behind the PostgreSQL wire protocol, on 127.0.0.1, without passwords or TLS.
//
//   npm ci && PORT=55432 node server.mjs      prints "ready" when it listens; SIGTERM stops it
//
// Good for what TimescaleDB means: hypertables, chunks, compression, policies, views, COPY. Not for
// concurrency (one transaction block at a time), crashes (nothing is on disk) or speed.
import net from 'node:net';
import { Engine, newDatabase } from './engine.mjs';
import { Session } from './session.mjs';

class Databases {
  #engines = new Map();

  async get(name) {
    return this.#engines.get(name);
  }

  // undefined, or [SQLSTATE, message].
  async create(name) {
    if (this.#engines.has(name)) return ['42P04', `database "${name}" already exists`];
    this.#engines.set(name, new Engine(await newDatabase()));
  }

  async drop(name) {
    const engine = this.#engines.get(name);
    if (!engine) return ['3D000', `database "${name}" does not exist`];
    this.#engines.delete(name);
    await engine.database.close();
  }
}

const databases = new Databases();
await databases.create('postgres');
const server = net.createServer((socket) => new Session(socket, databases));
server.listen(Number(process.env.PORT || 55432), '127.0.0.1', () => console.log('ready'));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) process.on(signal, () => process.exit(0));
