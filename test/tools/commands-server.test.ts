/**
 * Commands about connection and server: what Redis clients ask before they begin to work.
 *
 * COMMAND, the help and the documentation are checked against the table they derive from.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { syntaxOf } from '../../tools/server/commands/command-spec.js';
import { commandHelp, commandTableMarkdown } from '../../tools/server/commands/introspection.js';
import { Action } from '../../tools/server/commands/plan.js';
import { COMMANDS, findCommand } from '../../tools/server/commands/table.js';
import { Connection } from './commands-harness.js';

test('HELLO describes the server, as a map in RESP3 and as a list in RESP2', () => {
  const client = new Connection();
  const list = client.value('HELLO');
  assert.ok(Array.isArray(list));
  assert.deepEqual(list.slice(0, 8), ['server', 'redis', 'version', '7.0.15', 'proto', 2, 'id', 9]);
  const map = client.value('HELLO', '3', 'SETNAME', 'me');
  assert.ok(map instanceof Map);
  assert.equal(map.get('proto'), 3);
  assert.equal(map.get('role'), 'master');
  assert.equal(client.session.name, 'me');
  assert.equal(client.resp('GET', 'x'), '_\r\n');
  client.resp('HELLO', '2');
  assert.equal(client.resp('GET', 'x'), '$-1\r\n');
});

test('HELLO takes effect for what is pipelined behind it, and not when it is refused', () => {
  const client = new Connection();
  const pipelined = '*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\n';
  assert.ok(client.send(pipelined).endsWith('*0\r\n_\r\n'));
  assert.equal(client.resp('HELLO', '4'), '-NOPROTO unsupported protocol version\r\n');
  assert.match(client.resp('HELLO', 'x'), /^-ERR Protocol version is not an integer/);
  assert.match(client.resp('HELLO', '2', 'AUTH', 'u', 'p'), /^-ERR AUTH is not supported/);
  assert.match(client.resp('HELLO', '2', 'WAT'), /^-ERR Syntax error in HELLO option 'WAT'/);
  assert.match(client.resp('HELLO', '2', 'SETNAME'), /^-ERR Syntax error in HELLO option/);
  assert.match(client.resp('HELLO', '2', 'SETNAME', 'a b'), /^-ERR Client names cannot/);
  assert.equal(client.session.protocol, 3);
});

test('PING, ECHO, SELECT', () => {
  const client = new Connection();
  assert.equal(client.resp('ping'), '+PONG\r\n');
  assert.equal(client.resp('PING', 'hi'), '$2\r\nhi\r\n');
  assert.match(client.resp('PING', 'a', 'b'), /^-ERR wrong number of arguments for 'ping'/);
  assert.equal(client.resp('ECHO', '\r\n'), '$2\r\n\r\n\r\n');
  assert.equal(client.resp('SELECT', '0'), '+OK\r\n');
  assert.equal(client.resp('SELECT', '1'), '-ERR DB index is out of range\r\n');
  assert.equal(client.resp('SELECT', 'x'), '-ERR invalid DB index\r\n');
});

test('CLIENT names connections and lists them', () => {
  const client = new Connection();
  assert.equal(client.resp('CLIENT', 'ID'), ':9\r\n');
  assert.equal(client.resp('CLIENT', 'GETNAME'), '$-1\r\n');
  assert.equal(client.resp('CLIENT', 'SETNAME', 'worker-1'), '+OK\r\n');
  assert.equal(client.resp('CLIENT', 'GETNAME'), '$8\r\nworker-1\r\n');
  assert.match(client.resp('CLIENT', 'SETNAME', 'a\nb'), /^-ERR Client names cannot/);
  assert.match(client.resp('CLIENT', 'SETNAME', 'x'.repeat(257)), /exceed 256 bytes/);
  assert.equal(client.resp('client', 'setinfo', 'lib-name', 'ioredis'), '+OK\r\n');
  assert.equal(client.resp('CLIENT', 'SETINFO', 'LIB-VER', '6.0.0'), '+OK\r\n');
  assert.match(client.resp('CLIENT', 'SETINFO', 'LIB-VER', 'a b'), /^-ERR LIB-VER cannot contain/);
  assert.match(client.resp('CLIENT', 'SETINFO', 'WAT', 'x'), /^-ERR Unrecognized option 'WAT'/);
  const line =
    'id=9 addr=127.0.0.1:40000 name=worker-1 age=61 db=0 cmd=client user=default ' +
    'lib-name=ioredis lib-ver=6.0.0 resp=2\n';
  assert.equal(client.value('CLIENT', 'LIST'), line);
  assert.equal(client.value('CLIENT', 'INFO'), line);
  assert.equal(client.resp('CLIENT', 'NO-EVICT', 'on'), '+OK\r\n');
  assert.equal(client.resp('CLIENT', 'NO-EVICT', 'maybe'), '-ERR syntax error\r\n');
  assert.equal(
    client.resp('CLIENT', 'MAINT_NOTIFICATIONS', 'ON'),
    "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
  );
  const help = client.value('CLIENT', 'HELP');
  assert.ok(Array.isArray(help) && help.includes('SETINFO LIB-NAME name | LIB-VER version'));
});

test('INFO over RESP carries the fields of the seed among those that tools look for', () => {
  const client = new Connection();
  client.resp('SET', 'k', 'v');
  const text = String(client.value('INFO', 'everything'));
  const lines = text.split('\r\n');
  assert.equal(lines.pop(), '');
  const fields = new Map(lines.map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string]));
  for (const [name, value] of [
    ['redis_version', '7.0.15'],
    ['ringraft_version', '0.1.0'],
    ['loading', '0'],
    ['connected_clients', '1'],
    ['total_commands_processed', '7'],
    ['uptime_in_seconds', '61'],
    ['node_id', '1'],
    ['role', 'leader'],
    ['is_leader', '1'],
    ['kv_keys', '1'],
    ['wal_blocks', '11'],
    ['wal_requests', '12'],
    ['wal_bytes', '13'],
    ['wal_syncs', '14'],
    ['wal_bytes_max', '16'],
    ['snapshots_taken', '2'],
    ['snapshots_installed', '4'],
    ['snapshot_index', '30'],
    ['compacted_index', '20'],
    ['db0', 'keys=1,expires=0,avg_ttl=0'],
  ] as const) {
    assert.equal(fields.get(name), value, name);
  }
});

test('DEBUG DIGEST answers the same for the same state, however it came about', () => {
  const [one, other] = [new Connection(), new Connection()];
  one.resp('SET', 'a', '1');
  other.resp('MSET', 'b', '2', 'a', '0');
  assert.notEqual(one.value('DEBUG', 'DIGEST'), other.value('DEBUG', 'DIGEST'));
  other.resp('INCR', 'a');
  other.resp('DEL', 'b');
  assert.match(String(one.value('DEBUG', 'DIGEST')), /^1-[0-9a-f]{8}-[0-9a-f]{8}$/);
  assert.equal(one.value('DEBUG', 'DIGEST'), other.value('debug', 'digest'));
  assert.match(one.resp('DEBUG', 'SLEEP', '1'), /^-ERR unknown subcommand 'SLEEP'/);
  assert.match(one.resp('DEBUG', 'DIGEST', 'x'), /^-ERR wrong number of arguments/);
});

test('CONFIG GET answers what matches; settings cannot be changed', () => {
  const client = new Connection();
  assert.deepEqual(client.value('CONFIG', 'GET', 'save'), ['save', '']);
  assert.deepEqual(client.value('config', 'get', 'APPEND*'), [
    'appendonly',
    'yes',
    'appendfsync',
    'always',
  ]);
  assert.deepEqual(client.value('CONFIG', 'GET', 'nothing'), []);
  client.resp('HELLO', '3');
  assert.deepEqual(client.value('CONFIG', 'GET', 's*'), new Map([['save', '']]));
  assert.match(client.resp('CONFIG', 'SET', 'save', ''), /^-ERR CONFIG SET is not supported/);
});

test('COMMAND derives from the table', () => {
  const client = new Connection();
  const served = COMMANDS.filter(({ kind }) => kind !== 'refused');
  assert.equal(client.value('COMMAND', 'COUNT'), served.length);
  const all = client.value('COMMAND');
  assert.ok(Array.isArray(all));
  assert.equal(all.length, served.length);
  assert.deepEqual(client.value('COMMAND', 'INFO', 'GET', 'nope', 'mset'), [
    ['get', -2, ['readonly'], 1, 1, 1, [], [], [], []],
    null,
    ['mset', -3, ['write', 'denyoom'], 1, -1, 2, [], [], [], []],
  ]);
  assert.deepEqual(
    client.value('COMMAND', 'LIST'),
    served.map(({ name }) => name.toLowerCase()),
  );
  assert.deepEqual(client.value('COMMAND', 'DOCS', 'strlen', 'nope'), [
    'strlen',
    [
      'summary',
      'Answers the length of a value in bytes, 0 without one',
      'since',
      '0.1.0',
      'group',
      'string',
      'arguments',
      [['name', 'key', 'type', 'key']],
    ],
  ]);
  client.resp('HELLO', '3');
  const docs = client.value('COMMAND', 'DOCS');
  assert.ok(docs instanceof Map);
  assert.equal(docs.size, served.length);
});

test('the help and the documentation list every command with its syntax', () => {
  const help = commandHelp(COMMANDS);
  const page = commandTableMarkdown(COMMANDS);
  for (const spec of COMMANDS.filter(({ kind }) => kind !== 'refused')) {
    assert.ok(help.includes(`${syntaxOf(spec)} `), spec.name);
    assert.ok(page.includes(spec.summary), spec.name);
  }
  assert.match(help, /^SET key value \[NX \| XX\] \[GET\] +Stores a value/m);
  assert.match(help, /^MSET key value \[key value \.\.\.\]/m);
  assert.match(help, /^SCAN cursor \[MATCH pattern\] \[COUNT count\] \[TYPE type\]/m);
  assert.ok(!help.includes('MULTI'));
});

test('every command is found by its name in any case, and no name is there twice', () => {
  const request = (name: string) => {
    const buffer = Buffer.from(name);
    return { buffer, ranges: Int32Array.of(0, buffer.length), count: 1, inline: false };
  };
  for (const spec of COMMANDS) {
    assert.equal(findCommand(request(spec.name)), spec);
    assert.equal(findCommand(request(spec.name.toLowerCase())), spec);
    assert.equal(findCommand(request(`${spec.name}X`)), null);
  }
  assert.equal(new Set(COMMANDS.map(({ name }) => name)).size, COMMANDS.length);
});

test('garbage arguments never throw', () => {
  const client = new Connection();
  const odd = ['', '\0', '-1', '99999999999999999999', '*', '\xff\xfe', 'NX', 'COUNT', 'HELP'];
  for (const { name } of COMMANDS) {
    for (let count = 0; count < 5; count += 1) {
      for (let from = 0; from < odd.length; from += 1) {
        const args = Array.from({ length: count }, (_, i) => odd[(from + i * 2) % odd.length]!);
        const reply = client.resp(name, ...args);
        if (client.action === Action.ask) assert.equal(reply, '', 'it is answered later');
        else assert.match(reply, /^[+\-:$*_%#]/, [name, ...args].join(' '));
      }
    }
  }
});
