/**
 * A command line → which command with which values, by the command table alone.
 *
 * All mistakes of a line are reported together, each with the value, the rule and a remedy. It must
 * never run a command, print or exit: main.ts does.
 */

import { parseArgs } from 'node:util';
import type { Command, OptionTable, ValueSpec } from './command.js';
import { CommandError, ExitCode } from './exit-codes.js';
import { suggestion } from './nearest.js';

export type Parsed =
  | { readonly kind: 'version' }
  | { readonly kind: 'help'; readonly path: readonly Command[] }
  | {
      readonly kind: 'run';
      readonly path: readonly Command[];
      readonly options: Readonly<Record<string, unknown>>;
      readonly positionals: readonly string[];
    };

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

export function pathName(path: readonly Command[]): string {
  return path.map(({ name }) => name).join(' ');
}

function usageError(path: readonly Command[], problems: readonly string[]): CommandError {
  const lines = [...problems, `Run "${pathName(path)} --help" for what it takes.`];
  return new CommandError(ExitCode.usage, lines.join('\n'));
}

/** Parses the arguments after the program's name. Throws a `CommandError` of code `usage`. */
export function parseCommandLine(root: Command, argv: readonly string[]): Parsed {
  const asksHelp = argv[0] === 'help';
  const path = [root];
  const rest = asksHelp ? argv.slice(1) : [...argv];
  let last = root;
  while (last.commands.length > 0 && rest[0] !== undefined && !rest[0].startsWith('-')) {
    const name = rest.shift() ?? '';
    const found = last.commands.find((one) => one.name === name);
    if (found === undefined) throw unknownCommand(path, last, name);
    path.push(found);
    last = found;
  }
  if (asksHelp) return { kind: 'help', path };
  const end = rest.indexOf('--');
  const flags = end < 0 ? rest : rest.slice(0, end);
  if (flags.includes('--help') || flags.includes('-h')) return { kind: 'help', path };
  if (last === root && flags.includes('--version')) return { kind: 'version' };
  if (last.run === undefined) return parseGroup(path, last, rest);
  return { kind: 'run', path, ...parseValues(path, last, rest) };
}

function unknownCommand(path: readonly Command[], last: Command, name: string): CommandError {
  const known = last.commands.map((one) => one.name);
  const near = suggestion(name, known);
  return usageError(path, [
    `unknown command "${name}"${near}`,
    `${pathName(path)} has: ${known.join(', ')}`,
  ]);
}

/**
 * A command that only holds others: alone it means its help, with anything else it is a mistake.
 */
function parseGroup(path: readonly Command[], last: Command, rest: readonly string[]): Parsed {
  const first = rest[0];
  if (first === undefined) return { kind: 'help', path };
  const known = ['help', 'version', ...last.commands.map((one) => one.name)];
  const near = suggestion(first.replace(/^-+/, ''), known);
  throw usageError(path, [`unknown option "${first}"${near}; a command comes first`]);
}

function parseValues(
  path: readonly Command[],
  last: Command,
  rest: readonly string[],
): { options: Record<string, unknown>; positionals: string[] } {
  const { tokens } = parseArgs({
    args: withoutStolenValues(rest, last.options),
    options: Object.fromEntries(
      Object.entries(last.options).map(([name, spec]) => [
        name,
        {
          type: spec.kind === 'flag' ? ('boolean' as const) : ('string' as const),
          ...(spec.short === undefined ? {} : { short: spec.short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const problems: string[] = [];
  const options = defaults(last.options);
  for (const token of tokens) {
    if (token.kind === 'option') takeOption(token, last, options, problems);
  }
  const positionals = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  checkPositionals(last, positionals, wordsOfUnknown(tokens, last.options), problems);
  for (const [name, spec] of Object.entries(last.options)) {
    const missing = spec.kind === 'value' && spec.required && options[name] === undefined;
    const mentioned = tokens.some((token) => token.kind === 'option' && token.name === name);
    if (missing && !mentioned) problems.push(`--${name} is missing: ${remedy(name, spec)}`);
  }
  if (problems.length > 0) throw usageError(path, problems);
  return { options, positionals };
}

/**
 * Node's parser takes whatever follows an option as its value. An option that stands alone gets its
 * bare value here (`--json` → `--json=-`), or an empty one, which is reported as missing.
 */
function withoutStolenValues(rest: readonly string[], table: OptionTable): string[] {
  const end = rest.indexOf('--');
  return rest.map((word, at) => {
    const name = word.slice(2);
    const spec = word.startsWith('--') && Object.hasOwn(table, name) ? table[name] : undefined;
    if (spec?.kind !== 'value' || (end >= 0 && at > end)) return word;
    const next = rest[at + 1];
    return next === undefined || next.startsWith('--') ? `${word}=${spec.bare ?? ''}` : word;
  });
}

function defaults(table: OptionTable): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(table).map(([name, spec]) => [
      name,
      spec.kind === 'flag' ? false : spec.default,
    ]),
  );
}

function remedy(name: string, spec: ValueSpec<unknown>): string {
  return `it must be ${spec.rule.expects}; for example --${name} ${spec.rule.example}`;
}

function takeOption(
  token: OptionToken,
  { options: table, remedies }: Command,
  options: Record<string, unknown>,
  problems: string[],
): void {
  const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
  if (spec === undefined) {
    const known = Object.keys(table).map((name) => `--${name}`);
    const hint = Object.hasOwn(remedies, token.name)
      ? `: ${remedies[token.name]}`
      : suggestion(token.rawName, known);
    problems.push(`unknown option "${token.rawName}"${hint}`);
    return;
  }
  const given = token.value;
  if (spec.kind === 'flag') {
    if (given === undefined) options[token.name] = true;
    else problems.push(`--${token.name} takes no value, but "${given}" was given: leave it out`);
    return;
  }
  if (given === undefined || given === '') {
    problems.push(`--${token.name} needs a value: ${remedy(token.name, spec)}`);
    return;
  }
  const parsed = spec.rule.parse(given);
  if (parsed === undefined) {
    problems.push(`--${token.name} is "${given}": ${remedy(token.name, spec)}`);
  } else {
    options[token.name] = parsed;
  }
}

/** Words that follow an option nobody knows: they may be meant as its value, mistyped with it. */
function wordsOfUnknown(tokens: readonly Token[], table: OptionTable): string[] {
  return tokens.flatMap((token, at) => {
    const before = tokens[at - 1];
    if (token.kind !== 'positional' || before?.kind !== 'option') return [];
    return Object.hasOwn(table, before.name) || before.value !== undefined ? [] : [token.value];
  });
}

function checkPositionals(
  last: Command,
  given: readonly string[],
  doubtful: readonly string[],
  problems: string[],
): void {
  const { min, max, usage } = last.positionals;
  if (given.length < min) {
    problems.push(`${usage} is missing: ${last.name} takes ${usage}`);
  }
  const meant = given.filter((word) => !doubtful.includes(word));
  for (const extra of meant.slice(max)) {
    problems.push(
      max === 0
        ? `"${extra}" is too much: ${last.name} takes options only`
        : `"${extra}" is too much: ${last.name} takes ${usage} only`,
    );
  }
}
