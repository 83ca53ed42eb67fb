// One client connection: reads protocol messages and has them run in its turn.
import * as wire from './wire.mjs';

const kCopyIn = /^(\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*copy\b[\s\S]*\bfrom\s+stdin\b/i;
const kCopyInSomewhere = /\bcopy\b[^;]*\bfrom\s+stdin\b/i;
// Statements, of which the last one is a COPY FROM STDIN: "BEGIN; SET LOCAL …; COPY …".
const kCopyInLast = /^([\s\S]*;)\s*(copy\b[^;]*\bfrom\s+stdin\b[^;]*;?\s*)$/i;
const kCreateDatabase = /^\s*create\s+database\s+"?(\w+)"?\s*;?\s*$/i;
const kDropDatabase = /^\s*drop\s+database\s+(?:if\s+exists\s+)?"?(\w+)"?(?:\s+(?:with\s*)?\(?\s*force\s*\)?)?\s*;?\s*$/i;

// How long a connection waits while another one is inside a transaction block. PostgreSQL would let
// them run side by side; after this time the statement fails as one that waits for a lock does.
const kTurnLimit = Number(process.env.TURN_LIMIT_MS || 3000);

const kEmptyBinaryCopy = Buffer.concat([
  Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8), Buffer.from([0xff, 0xff])]);

let lastId = 0;

export class Session {
  // `databases`: Map of name to Engine, with create(name) and drop(name).
  constructor(socket, databases) {
    this.socket = socket;
    this.databases = databases;
    this.id = ++lastId;
    this.prefix = `c${this.id}_`;
    this.engine = null;
    this.user = 'postgres';
    this.settings = [];      // what SET has changed, while another connection has the turn
    this.statements = new Set();
    this.status = 'I';
    this.copy = null;        // messages of a COPY FROM STDIN so far
    this.pending = [];       // extended-protocol messages before Sync or Flush
    this.input = Buffer.alloc(0);
    this.work = Promise.resolve();
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (data) => this.#receive(data));
    socket.on('close', () => this.#enqueue(() => this.#close()));
  }

  #enqueue(step) {
    this.work = this.work.then(step).catch((error) => {
      console.error(`connection ${this.id}:`, error);
      this.socket.destroy();
    });
  }

  #receive(data) {
    this.input = Buffer.concat([this.input, data]);
    while (!this.started && this.input.length >= 8) {
      const length = this.input.readInt32BE(0);
      if (this.input.length < length) return;
      const body = this.input.subarray(8, length);
      const code = this.input.readInt32BE(4);
      this.input = this.input.subarray(length);
      if (code === wire.kSslRequest || code === wire.kGssRequest) {
        this.socket.write('N');
      } else if (code === wire.kCancelRequest) {
        this.socket.end();
        return;
      } else {
        this.started = true;
        this.#enqueue(() => this.#start(wire.startupParameters(body)));
      }
    }
    if (!this.started) return;
    const [messages, rest] = wire.split(this.input);
    this.input = rest;
    for (const m of messages) this.#enqueue(() => this.#handle(m));
  }

  async #start(parameters) {
    const { user = 'postgres', database = user, options = '' } = parameters;
    const engine = await this.databases.get(database);
    if (!engine) return this.#refuse('3D000', `database "${database}" does not exist`);
    if (user !== 'postgres' && !(await this.#roleExists(engine, user))) {
      return this.#refuse('28000', `role "${user}" does not exist`);
    }
    this.engine = engine;
    this.user = user;
    engine.connections++;
    this.settings = startSettings(parameters, options);
    this.socket.write(wire.greeting(this.id, user));
  }

  async #roleExists(engine, user) {
    if (!(await engine.acquire(this, 60_000))) return false;
    const exists = await engine.hasRole(user);
    engine.last = null;  // the next turn begins with this connection's user and settings
    engine.release(this);
    return exists;
  }

  #refuse(sqlstate, text) {
    this.socket.end(wire.errorResponse('FATAL', sqlstate, text));
  }

  async #handle(m) {
    if (this.engine === null) return;
    const type = wire.typeOf(m);
    if (type === 'd' || type === 'c' || type === 'f') return this.#copyMessage(type, m);
    if (type === 'X') return void this.socket.end();
    if (type === 'Q') return this.#query(m);
    const [renamed, name] = wire.prefixStatement(m, this.prefix);
    if (type === 'P' && name !== '') this.statements.add(name);
    this.pending.push(renamed);
    if (type !== 'S' && type !== 'H') return;
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    await this.#runAndAnswer(bytes, type === 'H');
  }

  async #query(m) {
    const sql = m.toString('utf8', 5, m.length - 1);
    const create = sql.match(kCreateDatabase);
    const drop = sql.match(kDropDatabase);
    if (create) return this.#command('CREATE DATABASE', () => this.databases.create(create[1]));
    if (drop) return this.#command('DROP DATABASE', () => this.databases.drop(drop[1]));
    if (kCopyIn.test(sql)) return this.#beginCopy(m, sql);
    const [, before, copy] = sql.match(kCopyInLast) || [];
    if (copy) return this.#queryThenCopy(before, copy);
    if (kCopyInSomewhere.test(sql)) {
      return this.#fail('0A000', 'this test server runs COPY FROM STDIN only as a query of its own');
    }
    await this.#runAndAnswer(m, false);
  }

  // PGlite takes a COPY only as a query of its own: what stands before it goes first.
  async #queryThenCopy(before, copy) {
    const answer = await this.#run(wire.message('Q', wire.strings(before)));
    if (answer === null) return;
    if (answer.some((m) => wire.typeOf(m) === 'E')) return this.#answer(answer);
    this.socket.write(Buffer.concat(answer.filter((m) => wire.typeOf(m) !== 'Z')));
    await this.#beginCopy(wire.message('Q', wire.strings(copy)), copy);
  }

  async #command(tag, action) {
    const problem = await action();
    if (problem) return this.#fail(...problem);
    this.socket.write(Buffer.concat([
      wire.message('C', wire.strings(tag)), wire.readyForQuery(this.status)]));
  }

  #fail(sqlstate, text) {
    this.socket.write(Buffer.concat([
      wire.errorResponse('ERROR', sqlstate, text), wire.readyForQuery(this.status)]));
  }

  // An empty COPY first: it brings the real CopyInResponse, or the real error, and changes nothing.
  async #beginCopy(query, sql) {
    const nothing = /\bbinary\b/i.test(sql) ? wire.message('d', kEmptyBinaryCopy) : Buffer.alloc(0);
    const answer = await this.#run(Buffer.concat([query, nothing, wire.message('c')]));
    if (answer === null) return;
    const response = answer.find((m) => wire.typeOf(m) === 'G');
    const failed = answer.some((m) => wire.typeOf(m) === 'E');
    if (response && !failed) {
      this.copy = [query];
      this.socket.write(response);
    } else {
      this.#answer(answer.filter((m) => wire.typeOf(m) !== 'G'));
    }
  }

  // PGlite takes a COPY only whole: collect until CopyDone or CopyFail.
  async #copyMessage(type, m) {
    if (this.copy === null) return;  // left over from a COPY that failed at its start: ignored
    this.copy.push(m);
    if (type === 'd') return;
    const bytes = Buffer.concat(this.copy);
    this.copy = null;
    const answer = await this.#run(bytes);
    if (answer !== null) this.#answer(answer.filter((x) => wire.typeOf(x) !== 'G'));
  }

  async #runAndAnswer(bytes, isFlush) {
    const answer = await this.#run(bytes);
    if (answer !== null) this.#answer(answer, isFlush);
  }

  // The answer as messages; null when the turn did not come (the client has been told).
  async #run(bytes) {
    if (!(await this.engine.acquire(this, kTurnLimit))) {
      this.#fail('55P03', 'canceling statement due to lock timeout (another connection of this ' +
                          'test server is inside a transaction block)');
      return null;
    }
    const [messages] = wire.split(await this.engine.run(bytes));
    const ready = messages.findLast((m) => wire.typeOf(m) === 'Z');
    if (ready) this.status = String.fromCharCode(ready[5]);
    return messages;
  }

  // The turn is given up where no transaction block is open and no COPY or Sync is to come.
  #answer(messages, keepTurn = false) {
    if (this.status === 'I' && !keepTurn) this.engine.release(this);
    if (messages.length > 0) this.socket.write(Buffer.concat(messages));
  }

  async #close() {
    if (this.engine === null) return;
    if (await this.engine.acquire(this, 60_000)) {
      const close = [...this.statements].map((name) => wire.message('C', wire.strings('S' + name)));
      await this.engine.run(Buffer.concat([...close, wire.message('S')]));
      if (this.status !== 'I') await this.engine.run(wire.message('Q', wire.strings('ROLLBACK')));
    }
    await this.engine.forget(this);
  }
}

// Settings that come with the connection: TimeZone and the like, and -c name=value in options.
function startSettings(parameters, options) {
  const settings = [];
  for (const [name, setting] of Object.entries(parameters)) {
    if (!['user', 'database', 'options', 'replication'].includes(name)) settings.push({ name, setting });
  }
  const words = options.match(/(\\.|\S)+/g) || [];
  for (let i = 0; i < words.length; ++i) {
    const word = words[i] === '-c' ? words[++i] : words[i].replace(/^(-c|--)/, '');
    const at = word ? word.indexOf('=') : -1;
    if (at > 0) {
      const setting = word.slice(at + 1).replace(/\\(.)/g, '$1');
      settings.push({ name: word.slice(0, at).replaceAll('-', '_'), setting });
    }
  }
  return settings;
}
