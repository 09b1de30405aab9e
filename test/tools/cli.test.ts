/**
 * The command line of `ringraft`: parsing, help, suggestions and exit codes, on a table made for
 * the test and on the real one.
 *
 * Nothing here starts a process but the last tests, which run the command as a user does.
 */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import {
  type Command,
  command,
  commandGroup,
  flag,
  type Invocation,
  optional,
  required,
  value,
} from '../../tools/cli/command.js';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import { helpPage } from '../../tools/cli/help.js';
import { main } from '../../tools/cli/main.js';
import { editDistance, nearest } from '../../tools/cli/nearest.js';
import { parseCommandLine } from '../../tools/cli/parse.js';
import * as rules from '../../tools/cli/value-rules.js';
import { ratio } from '../../tools/load/load-options.js';
import type { LoadReport } from '../../tools/load/load-report.js';
import { StubRespServer } from './stub-resp-server.js';

const options = {
  listen: required(rules.address('127.0.0.1:5001'), 'where to listen'),
  node: value(rules.integer(1, 99), 1, 'this node'),
  data: optional(rules.text('PATH', 'a directory', './data'), 'where to keep data', { short: 'd' }),
  sync: value(rules.oneOf(['always', 'batch', 'none']), 'always', 'when to sync'),
  json: optional(rules.text('FILE', 'a file or -', 'out.json'), 'print JSON', { bare: '-' }),
  verbose: flag('say more', 'v'),
} as const;

let called: Invocation | undefined;
let outcome: () => Promise<ExitCode> = async () => ExitCode.ok;

const serve = command({
  name: 'serve',
  summary: 'Serve',
  options,
  positionals: { usage: 'N', min: 0, max: 1 },
  examples: ['x serve --listen 127.0.0.1:5001'],
  load: async () => ({
    run: (invocation) => {
      called = invocation;
      return outcome();
    },
  }),
});
const ROOT: Command = commandGroup('x', 'A tool', [
  serve,
  commandGroup('cluster', 'Clusters', [{ ...serve, name: 'start' }]),
]);

interface Called {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

const call = (...argv: string[]): Promise<Called> => callOf(ROOT, argv);
const callReal = (...argv: string[]): Promise<Called> => callOf(ROOT_COMMAND, argv);

async function callOf(root: Command, argv: readonly string[]): Promise<Called> {
  const stdin = new PassThrough();
  let out = '';
  let err = '';
  called = undefined;
  const code = await main(root, argv, {
    stdin,
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test('options arrive parsed, with their defaults', async () => {
  const { code } = await call('serve', '--listen', '[::1]:5001', '-v', '-d', 'here', '7');
  assert.equal(code, ExitCode.ok);
  const expected = { listen: { host: '::1', port: 5001 }, node: 1, sync: 'always' };
  assert.deepEqual(
    { ...called?.options },
    { ...expected, data: 'here', json: undefined, verbose: true },
  );
  assert.deepEqual(called?.positionals, ['7']);
});

test('an option with a bare value may stand alone, before another option or last', async () => {
  await call('serve', '--json', '--listen', 'a:1');
  assert.equal(called?.options.json, '-');
  await call('serve', '--listen', 'a:1', '--json');
  assert.equal(called?.options.json, '-');
  await call('serve', '--listen', 'a:1', '--json', '-');
  assert.equal(called?.options.json, '-');
  await call('serve', '--listen', 'a:1', '--json', 'file.json');
  assert.equal(called?.options.json, 'file.json');
});

test('all mistakes of a line are reported, each with value, rule and remedy', async () => {
  const line = [
    'serve',
    '--node',
    'zero',
    '--sync',
    'allways',
    '--colour',
    '--data',
    '--verbose=1',
  ];
  const { code, out, err } = await call(...line, 'a', 'b');
  assert.equal(code, ExitCode.usage);
  assert.equal(out, '');
  assert.equal(called, undefined);
  const remedies = [
    '--node is "zero": it must be a whole number from 1 to 99; for example --node 1',
    '--sync is "allways": it must be one of always, batch, none; for example --sync always',
    'unknown option "--colour"',
    '--data needs a value: it must be a directory; for example --data ./data',
    '--verbose takes no value, but "1" was given: leave it out',
    '--listen is missing: it must be a host and a port from 1 to 65535',
    '"b" is too much: serve takes N only',
    'Run "x serve --help" for what it takes.',
  ];
  for (const remedy of remedies) assert.ok(err.includes(remedy), `${remedy}\nnot in\n${err}`);
});

test('the value of a mistyped option is not reported as well', async () => {
  const { err } = await call('serve', '--listen', 'a:1', '--snyc', 'batch', '7');
  assert.match(err, /unknown option "--snyc" \(did you mean "--sync"\?\)\nRun "x serve --help"/);
  const two = await call('serve', '--listen', 'a:1', '--snyc', 'batch', '7', '8');
  assert.match(two.err, /\n"8" is too much: serve takes N only\n/);
});

test('a mistyped option or command suggests the nearest', async () => {
  assert.match((await call('serve', '--lisen', 'a:1')).err, /did you mean "--listen"\?/);
  const { code, err } = await call('clutser');
  assert.equal(code, ExitCode.usage);
  assert.match(
    err,
    /unknown command "clutser" \(did you mean "cluster"\?\)\nx has: serve, cluster/,
  );
  assert.match((await call('cluster', 'strat')).err, /did you mean "start"/);
  assert.match((await call('--hlep')).err, /unknown option "--hlep" \(did you mean "help"\?\)/);
});

test('what is no option on purpose is refused with the reason, not with a likely name', async () => {
  for (const words of [['server'], ['cluster', 'start', '3'], ['cluster', 'run']]) {
    for (const name of ['snapshot-compression-level', 'compression-level']) {
      const { code, err } = await callReal(...words, `--${name}`, '6');
      assert.equal(code, ExitCode.usage);
      assert.ok(err.includes(`unknown option "--${name}": LZ4 has one level here, its fast`), err);
      assert.doesNotMatch(err, /did you mean|"6"/);
    }
  }
  const { err } = await callReal('server', '--max-log-size', '1g');
  assert.match(err, /unknown option "--max-log-size": give --max-log, the size of the whole log/);
});

test('names of the object prototype are neither options nor commands', async () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.match((await call('serve', `--${name}`)).err, /unknown option/);
    assert.match((await call(name)).err, /unknown command/);
  }
});

test('a suggestion that is far off is not made', () => {
  assert.equal(editDistance('serve', 'sevre'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(nearest('zzzzzz', ['serve', 'cluster']), undefined);
  assert.equal(nearest('clu', ['serve', 'cluster']), 'cluster');
});

test('help exists on every level and shows what the table says', async () => {
  const root = await call('--help');
  assert.equal(root.code, ExitCode.ok);
  assert.match(root.out, /Commands:\n {2}serve +Serve\n {2}cluster +Clusters/);
  assert.match(root.out, /Exit codes:\n {2}0 +done\n/);
  assert.equal((await call()).out, root.out);
  const page = await call('serve', '--help', '--nonsense');
  assert.match(page.out, /Usage:\n {2}x serve \[N\] \[options\]/);
  assert.match(page.out, /--listen HOST:PORT +where to listen \(required\)/);
  assert.match(page.out, /--sync always\|batch\|none +when to sync \(default always\)/);
  assert.match(page.out, /-d, --data PATH +where to keep data\n/);
  assert.match(page.out, /--json \[FILE\]/);
  assert.match(page.out, /Examples:\n {2}x serve/);
  assert.equal((await call('help', 'serve')).out, page.out);
  assert.match((await call('cluster', '-h')).out, /x cluster <command>/);
  assert.match((await call('cluster', 'start', '--help')).out, /x cluster start/);
});

test('help pages fit the terminal', () => {
  for (const columns of [40, 60, 80, 200]) {
    const paths = ROOT_COMMAND.commands.map((one) => [ROOT_COMMAND, one]);
    for (const path of [[ROOT_COMMAND], ...paths]) {
      const prose = helpPage(path, columns).replace(/\nExamples:\n[\s\S]*/, '');
      for (const line of prose.split('\n')) assert.ok(line.length <= Math.max(60, columns), line);
    }
  }
});

test('what a command throws becomes a message and an exit code', async () => {
  const cases: [unknown, ExitCode][] = [
    [new CommandError(ExitCode.noLeader, 'no leader'), ExitCode.noLeader],
    [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), ExitCode.cannotConnect],
    [new Error('broken'), ExitCode.failed],
  ];
  for (const [thrown, expected] of cases) {
    outcome = async () => {
      throw thrown;
    };
    const { code, err } = await call('serve', '--listen', 'a:1');
    assert.equal(code, expected);
    assert.equal(err, `x: ${(thrown as Error).message}\n`);
  }
  outcome = async () => ExitCode.ok;
});

test('values take the forms that their rule promises', () => {
  const time = rules.duration(0, 3_600_000, '10s');
  assert.deepEqual(
    ['500ms', '10s', '10', '1.001s', '2m', '1h', '2h', '-1', '1 s', ''].map((one) =>
      time.parse(one),
    ),
    [
      500,
      10_000,
      10_000,
      1001,
      120_000,
      3_600_000,
      ...[undefined, undefined, undefined, undefined],
    ],
  );
  const units = rules.durationInUnits(1, 600_000, '50ms');
  assert.deepEqual(
    ['50ms', '1.5s', '50', '0ms', '11m', 'ms'].map((one) => units.parse(one)),
    [50, 1500, undefined, undefined, undefined, undefined],
  );
  const size = rules.bytes(0, 1 << 20, '256');
  assert.deepEqual(
    ['0', '256', '4k', '4KiB', '1mb', '2MiB', '1.5k', 'k'].map((one) => size.parse(one)),
    [0, 256, 4096, 4096, 1 << 20, undefined, undefined, undefined],
  );
  const pages = rules.bytes(4096, 1 << 20, '8k', 4096);
  assert.match(pages.expects, /^a size from 4096 to 1048576 bytes, a multiple of 4096, given in/);
  assert.deepEqual(
    ['4k', '8192', '8193', '1k'].map((one) => pages.parse(one)),
    [4096, 8192, undefined, undefined],
  );
  const count = rules.integer(1, 1_000_000);
  assert.deepEqual(
    ['1', '100_000', '0', '1e3', '0x10', '1.0', '٣'].map((one) => count.parse(one)),
    [1, 100_000, ...[undefined, undefined, undefined, undefined, undefined]],
  );
  const hosts = rules.addresses('a:1');
  assert.deepEqual(hosts.parse('a:1, [::1]:2')?.map(rules.printAddress), ['a:1', '[::1]:2']);
  for (const bad of ['a', 'a:0', 'a:65536', 'a:1,', 'a:1,a:1', ':1', 'a b:1', '']) {
    assert.equal(hosts.parse(bad), undefined, bad);
  }
  assert.deepEqual(
    ['9:1', '0.9', '0:1', '1', '0:0', '1.1', 'x', ':'].map((one) => ratio.parse(one)),
    [0.9, 0.9, 0, 1, undefined, undefined, undefined, undefined],
  );
});

test('the real table is sound: every default passes its own rule, every example parses', () => {
  const check = (path: readonly Command[]): void => {
    const last = path.at(-1);
    assert.ok(last !== undefined && last.summary !== '');
    for (const [name, spec] of Object.entries(last.options)) {
      assert.match(name, /^[a-z][a-z-]*$/);
      if (spec.kind === 'flag') continue;
      assert.notEqual(spec.rule.parse(spec.rule.example), undefined, `example of --${name}`);
      if (spec.default === undefined) continue;
      const printed = spec.rule.print(spec.default);
      assert.deepEqual(spec.rule.parse(printed), spec.default, `default of --${name}`);
    }
    for (const example of last.examples) {
      const words = example.split(' ').slice(1);
      assert.equal(parseCommandLine(ROOT_COMMAND, words).kind, 'run', example);
    }
    for (const one of last.commands) check([...path, one]);
  };
  check([ROOT_COMMAND]);
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function ringraft(...argv: string[]): Ran {
  const ran = spawnSync(process.execPath, ['--import', 'tsx', 'tools/ringraft.ts', ...argv], {
    encoding: 'utf8',
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

test('the command itself prints its version', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.deepEqual(ringraft('--version'), { code: 0, out: `${version}\n`, err: '' });
});

test('the command itself ends with the usage code and says why', () => {
  const { code, out, err } = ringraft('load', '--in-flight', '0');
  assert.equal(code, ExitCode.usage);
  assert.equal(out, '');
  assert.match(err, /--in-flight is "0"[\s\S]*--targets is missing/);
});

test('inspecting a file that is no segment of a log fails and names it', () => {
  const { code, out, err } = ringraft('inspect', 'wal', 'package.json');
  assert.equal(code, ExitCode.failed);
  assert.match(out, /^# package.json\npackage.json: no segment header/);
  assert.equal(err, 'ringraft: no segment of a log: package.json\n');
});

test('a run of the load command prints nothing but its report on the standard output', async () => {
  await using stub = await StubRespServer.start();
  const target = rules.printAddress(stub.address);
  const line = `load --targets ${target} --duration 100ms --warmup 0 --in-flight 8 --json -`;
  const { code, out, err } = await new Promise<Ran>((resolve) => {
    const program = ['--import', 'tsx', 'tools/ringraft.ts', ...line.split(' ')];
    execFile(process.execPath, program, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), out: stdout, err: stderr }),
    );
  });
  assert.equal(code, ExitCode.ok, err);
  const report = JSON.parse(out) as LoadReport;
  assert.ok(report.operations > 0);
  assert.deepEqual(report.config.targets, [target]);
  assert.equal(report.environment.node, process.version);
  assert.match(err, /measure .* commands\/s[\s\S]*errors {6}none/);
});
