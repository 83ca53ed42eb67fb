// One database: a PGlite instance, lent to one connection at a time.
//
// PGlite has a single session. A connection keeps its turn until its transaction block is over; when
// the turn goes to another connection, the settings that the first one has made (SET) are put away
// and those of the next one restored, so that each sees a session of its own. Temporary tables and
// advisory locks stay shared.
import { PGlite } from '@electric-sql/pglite';
import { timescaledb } from '@electric-sql/pglite/timescaledb';

const kSessionSettings =
  "SELECT name, setting FROM pg_settings WHERE source = 'session' AND context <> 'internal'";

let pristine = null;

// A new database with the extension. The first one is initialised, the others start from a copy of
// it (without the extension: a copy of that would not load its community part).
export async function newDatabase() {
  const extensions = { timescaledb };
  const database = await PGlite.create({ extensions, loadDataDir: pristine ?? undefined });
  pristine ??= await database.dumpDataDir('none');
  await database.exec('CREATE EXTENSION timescaledb');
  return database;
}

export class Engine {
  constructor(database) {
    this.database = database;
    this.holder = null;    // the connection whose turn it is
    this.waiting = [];     // those that wait, in order
    this.last = null;      // whose settings the session has now
    this.connections = 0;
  }

  // Resolves to true when it is `connection`'s turn, to false after `limit` ms without it.
  acquire(connection, limit) {
    if (this.holder === connection) return Promise.resolve(true);
    return new Promise((resolve) => {
      const entry = { connection, resolve };
      entry.timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        resolve(false);
      }, limit);
      this.waiting.push(entry);
      this.#next();
    });
  }

  release(connection) {
    if (this.holder !== connection) return;
    this.holder = null;
    this.#next();
  }

  #next() {
    if (this.holder !== null || this.waiting.length === 0) return;
    const { connection, resolve, timer } = this.waiting.shift();
    clearTimeout(timer);
    this.holder = connection;
    this.#switchTo(connection).then(() => resolve(true));
  }

  // PGlite starts with a search_path of pg_catalog only and talkative, and RESET goes back to that.
  async #reset(command) {
    await this.database.exec('SET SESSION AUTHORIZATION postgres');  // RESET has no effect here
    await this.database.exec(command);
    await this.database.exec(
      'SET search_path = "$user", public; SET client_min_messages = notice; ' +
      'SET log_min_messages = fatal');
  }

  async #switchTo(connection) {
    if (this.last === connection) return;
    const before = this.last;
    this.last = connection;
    try {
      const { rows } = await this.database.query(kSessionSettings);
      if (before !== null) before.settings = rows;
      await this.#reset('RESET ALL');
      for (const { name, setting } of connection.settings) {
        await this.database.query('SELECT set_config($1, $2, false)', [name, setting]);
      }
      if (connection.user !== 'postgres') {
        await this.database.exec(`SET SESSION AUTHORIZATION "${connection.user}"`);
      }
    } catch (error) {
      console.error('switching sessions:', error);
    }
  }

  // Raw protocol messages in, raw protocol messages out. Only with the turn.
  async run(bytes) {
    return Buffer.from(await this.database.execProtocolRaw(new Uint8Array(bytes)));
  }

  // The connection is gone and has no transaction open.
  async forget(connection) {
    if (this.last === connection) connection.settings = [];
    if (--this.connections === 0) {
      await this.#reset('DISCARD ALL');
      this.last = null;
    }
    this.release(connection);
  }

  // Only with the turn.
  async hasRole(name) {
    const { rows } = await this.database.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name]);
    return rows.length === 1;
  }
}
