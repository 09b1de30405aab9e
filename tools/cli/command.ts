/**
 * What one command of `ringraft` is, as data: parsing, help, suggestions and completion all derive
 * from this and from nothing else. A command's code is loaded only when it runs.
 *
 * Start at commands.ts for the table and at main.ts for how a command line becomes a call.
 */

import type { ExitCode } from './exit-codes.js';
import type { ValueRule } from './value-rules.js';

/** A switch: absent is false, present is true. */
export interface FlagSpec {
  readonly kind: 'flag';
  readonly help: string;
  readonly short?: string;
}

export interface ValueSpec<T> {
  readonly kind: 'value';
  readonly rule: ValueRule<T>;
  readonly help: string;
  readonly short?: string;
  /** Undefined: the option may be left out and is then undefined, unless it is required. */
  readonly default?: T;
  readonly required?: true;
  /** What the option means when it stands without a value; without this it needs one. */
  readonly bare?: string;
}

export type OptionSpec = FlagSpec | ValueSpec<unknown>;
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type OptionValue<S> = S extends FlagSpec
  ? boolean
  : S extends ValueSpec<infer T>
    ? S extends { readonly default: unknown } | { readonly required: true }
      ? T
      : T | undefined
    : never;

export type OptionValues<O extends OptionTable> = { readonly [K in keyof O]: OptionValue<O[K]> };

/** The world a command runs in; tests hand in their own. */
export interface Surroundings {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM, with the signal's name as the reason. */
  readonly signal: AbortSignal;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Invocation<O extends OptionTable = OptionTable> extends Surroundings {
  readonly options: OptionValues<O>;
  readonly positionals: readonly string[];
}

export interface CommandModule<O extends OptionTable> {
  run(invocation: Invocation<O>): Promise<ExitCode>;
}

export interface Positionals {
  /** In the usage line: `N`, `PATH…`. */
  readonly usage: string;
  readonly min: number;
  readonly max: number;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** By name, without dashes: what is no option here, with what does its work, or why not. */
  readonly remedies: Readonly<Record<string, string>>;
  readonly positionals: Positionals;
  readonly examples: readonly string[];
  /** Paragraphs for the help page, after the summary. */
  readonly details: readonly string[];
  /** A command has either subcommands or a `run`. */
  readonly commands: readonly Command[];
  readonly run?: (invocation: Invocation) => Promise<ExitCode>;
}

export interface CommandSpec<O extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  readonly options: O;
  readonly remedies?: Readonly<Record<string, string>>;
  readonly positionals?: Positionals;
  readonly examples: readonly string[];
  readonly details?: readonly string[];
  readonly load: () => Promise<CommandModule<O>>;
}

const NO_POSITIONALS: Positionals = { usage: '', min: 0, max: 0 };

/** A row of the table: a command whose module is loaded when it is called. */
export function command<const O extends OptionTable>(spec: CommandSpec<O>): Command {
  return {
    name: spec.name,
    summary: spec.summary,
    options: spec.options,
    remedies: spec.remedies ?? {},
    positionals: spec.positionals ?? NO_POSITIONALS,
    examples: spec.examples,
    details: spec.details ?? [],
    commands: [],
    run: async (invocation) => {
      const loaded = await spec.load();
      // The values were parsed by this very table, which is what the type says.
      return loaded.run(invocation as Invocation<O>);
    },
  };
}

/** A row that only holds others: `ringraft cluster start`. */
export function commandGroup(
  name: string,
  summary: string,
  commands: readonly Command[],
  examples: readonly string[] = [],
): Command {
  return {
    name,
    summary,
    options: {},
    remedies: {},
    positionals: NO_POSITIONALS,
    examples,
    details: [],
    commands,
  };
}

export function flag(help: string, short?: string): FlagSpec {
  return { kind: 'flag', help, ...(short === undefined ? {} : { short }) };
}

interface ValueExtras {
  readonly short?: string;
  readonly bare?: string;
}

/** An option with a value and a default. */
export function value<T>(
  rule: ValueRule<T>,
  fallback: T,
  help: string,
  extras: ValueExtras = {},
): ValueSpec<T> & { readonly default: T } {
  return { kind: 'value', rule, help, ...extras, default: fallback };
}

/** An option that may be left out and is undefined then. */
export function optional<T>(
  rule: ValueRule<T>,
  help: string,
  extras: ValueExtras = {},
): ValueSpec<T> {
  return { kind: 'value', rule, help, ...extras };
}

/** An option that every call must name. */
export function required<T>(
  rule: ValueRule<T>,
  help: string,
  extras: ValueExtras = {},
): ValueSpec<T> & { readonly required: true } {
  return { kind: 'value', rule, help, ...extras, required: true };
}
