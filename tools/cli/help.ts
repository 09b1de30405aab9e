/**
 * Help pages, made from the command table: usage, options with default and help, examples, exit
 * codes. It must never name an option or a command of its own accord.
 */

import type { Command, OptionSpec } from './command.js';
import { EXIT_CODES } from './exit-codes.js';
import { pathName } from './parse.js';

const COLUMNS_MAX = 100;
const COLUMNS_MIN = 40;
const LEFT_MAX = 30;

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Two columns; a left part that is too wide stands on a line of its own. */
function table(rows: readonly (readonly [string, string])[], columns: number): string[] {
  const widest = Math.max(...rows.map(([left]) => left.length));
  const left = Math.min(widest, LEFT_MAX);
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, Math.max(20, columns - left - 4));
    const padded = lines.map((line) => `${' '.repeat(left + 4)}${line}`);
    if (name.length > left) return [`  ${name}`, ...padded];
    return [`  ${name.padEnd(left)}  ${lines[0]}`, ...padded.slice(1)];
  });
}

function optionLeft(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  if (spec.kind === 'flag') return `${short}--${name}`;
  const { placeholder } = spec.rule;
  return spec.bare === undefined
    ? `${short}--${name} ${placeholder}`
    : `${short}--${name} [${placeholder}]`;
}

function optionRight(spec: OptionSpec): string {
  if (spec.kind === 'flag') return spec.help;
  if (spec.required) return `${spec.help} (required)`;
  if (spec.default === undefined) return spec.help;
  return `${spec.help} (default ${spec.rule.print(spec.default)})`;
}

function usageLine(path: readonly Command[], last: Command): string {
  const parts = [pathName(path)];
  if (last.commands.length > 0) parts.push('<command>');
  if (last.positionals.usage !== '') {
    parts.push(last.positionals.min > 0 ? last.positionals.usage : `[${last.positionals.usage}]`);
  }
  if (last.run !== undefined) parts.push('[options]');
  return parts.join(' ');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines];
}

/** The help page of the last command on `path`, ending in a line break. */
export function helpPage(path: readonly Command[], terminalColumns = 80): string {
  const last = path.at(-1);
  if (last === undefined) throw new Error('a help page needs a command');
  const columns = Math.min(COLUMNS_MAX, Math.max(COLUMNS_MIN, terminalColumns));
  const commands = last.commands.map((one) => [one.name, one.summary] as const);
  const options = Object.entries(last.options).map(
    ([name, spec]) => [optionLeft(name, spec), optionRight(spec)] as const,
  );
  options.push(['-h, --help', 'this page']);
  if (path.length === 1) options.push(['--version', 'the version']);
  const exits = EXIT_CODES.map(([code, meaning]) => [String(code), meaning] as const);
  const lines = [
    ...wrap(last.summary, columns),
    ...last.details.flatMap((paragraph) => ['', ...wrap(paragraph, columns)]),
    ...section('Usage', [`  ${usageLine(path, last)}`]),
    ...section('Commands', commands.length === 0 ? [] : table(commands, columns)),
    ...section('Options', table(options, columns)),
    ...section(
      'Examples',
      last.examples.map((example) => `  ${example}`),
    ),
    ...(path.length === 1 ? section('Exit codes', table(exits, columns)) : []),
  ];
  if (commands.length > 0) {
    lines.push('', `"${pathName(path)} <command> --help" tells more about one command.`);
  }
  return `${lines.join('\n')}\n`;
}
