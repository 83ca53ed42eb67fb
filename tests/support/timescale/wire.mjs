// PostgreSQL's frontend/backend protocol 3.0, as far as this server looks into it:
// https://www.postgresql.org/docs/17/protocol-message-formats.html

export const kCancelRequest = 80877102;
export const kSslRequest = 80877103;
export const kGssRequest = 80877104;

// A message: type, length (which counts itself), body.
export function message(type, body = Buffer.alloc(0)) {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export const typeOf = (m) => String.fromCharCode(m[0]);
export const strings = (...texts) => Buffer.from(texts.map((text) => text + '\0').join(''));

// Cuts a buffer into whole messages and what is left of the last one.
export function split(buffer) {
  const messages = [];
  let at = 0;
  while (at + 5 <= buffer.length) {
    const end = at + 1 + buffer.readInt32BE(at + 1);
    if (end > buffer.length) break;
    messages.push(buffer.subarray(at, end));
    at = end;
  }
  return [messages, buffer.subarray(at)];
}

// The zero-terminated string at `at`, and where the next field begins.
export function stringAt(buffer, at) {
  const end = buffer.indexOf(0, at);
  return [buffer.toString('utf8', at, end), end + 1];
}

// The name-value pairs of a StartupMessage (length and version already cut off).
export function startupParameters(body) {
  const parameters = {};
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const [name, afterName] = stringAt(body, at);
    const [value, afterValue] = stringAt(body, afterName);
    parameters[name] = value;
    at = afterValue;
  }
  return parameters;
}

export function errorResponse(severity, sqlstate, text) {
  const fields = `S${severity}\0V${severity}\0C${sqlstate}\0M${text}\0\0`;
  return message('E', Buffer.from(fields));
}

export const readyForQuery = (status) => message('Z', Buffer.from(status));

// What a client is told once it is in.
export function greeting(processId, user) {
  const status = {
    server_version: '17.5',
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'GMT',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
    is_superuser: user === 'postgres' ? 'on' : 'off',
    session_authorization: user,
  };
  const key = Buffer.alloc(8);
  key.writeInt32BE(processId, 0);
  return Buffer.concat([
    message('R', Buffer.alloc(4)),
    ...Object.entries(status).map((pair) => message('S', strings(...pair))),
    message('K', key),
    readyForQuery('I'),
  ]);
}

// Statement names are the session's, and here all connections share one session: each connection's
// names get its prefix. Returns the message with the name replaced, and the new name ('' when the
// message names none).
export function prefixStatement(m, prefix) {
  const rebuild = (head, name, rest) => {
    if (name === '') return [m, ''];
    const body = Buffer.concat([head, strings(prefix + name), rest]);
    return [message(typeOf(m), body), prefix + name];
  };
  const body = m.subarray(5);
  switch (typeOf(m)) {
    case 'P': {  // Parse: statement, query, …
      const [name, rest] = stringAt(body, 0);
      return rebuild(Buffer.alloc(0), name, body.subarray(rest));
    }
    case 'B': {  // Bind: portal, statement, …
      const [, afterPortal] = stringAt(body, 0);
      const [name, rest] = stringAt(body, afterPortal);
      return rebuild(body.subarray(0, afterPortal), name, body.subarray(rest));
    }
    case 'C':
    case 'D': {  // Close, Describe: 'S' or 'P', name
      if (body[0] !== 'S'.charCodeAt(0)) return [m, ''];
      const [name, rest] = stringAt(body, 1);
      return rebuild(body.subarray(0, 1), name, body.subarray(rest));
    }
    default:
      return [m, ''];
  }
}
