/**
 * What the command table says about one command: enough to dispatch it, to check its arguments'
 * number, and to derive COMMAND, the help and the documentation.
 *
 * Syntax is declared as a small tree, the same that Redis's COMMAND DOCS shows; its text form is
 * derived. Nothing here executes a command.
 */

import type { Plan } from './plan.js';

export type ArgumentType =
  | 'key'
  | 'string'
  | 'integer'
  | 'pattern'
  | 'pure-token'
  | 'oneof'
  | 'block';

export interface ArgumentSpec {
  readonly name: string;
  readonly type: ArgumentType;
  /** The word that introduces it, or is it. */
  readonly token?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  /** Of a block or a choice. */
  readonly arguments?: readonly ArgumentSpec[];
}

export type CommandKind = 'write' | 'read' | 'local' | 'refused';
export type CommandGroup = 'string' | 'generic' | 'connection' | 'server' | 'cluster' | 'refused';

export interface CommandSpec {
  /** Upper case. */
  readonly name: string;
  /** As Redis counts: the name included, negative for "at least". */
  readonly arity: number;
  /** Where the inline dialect differs: fewest and most arguments, the name included. */
  readonly inlineCounts?: readonly [number, number];
  readonly kind: CommandKind;
  readonly group: CommandGroup;
  readonly summary: string;
  readonly arguments: readonly ArgumentSpec[];
  /** First key, last key, step, as COMMAND tells them; all 0 without keys. */
  readonly keys: readonly [number, number, number];
  readonly handler: (plan: Plan) => void;
}

export const NO_KEYS = [0, 0, 0] as const;
export const ONE_KEY = [1, 1, 1] as const;

export const key = (): ArgumentSpec => ({ name: 'key', type: 'key' });
export const string = (name: string): ArgumentSpec => ({ name, type: 'string' });
export const integer = (name: string): ArgumentSpec => ({ name, type: 'integer' });
export const word = (token: string): ArgumentSpec => ({
  name: token.toLowerCase(),
  type: 'pure-token',
  token,
});
export const after = (token: string, argument: ArgumentSpec): ArgumentSpec => ({
  ...argument,
  token,
});
export const optional = (argument: ArgumentSpec): ArgumentSpec => ({ ...argument, optional: true });
export const many = (argument: ArgumentSpec): ArgumentSpec => ({ ...argument, multiple: true });
export const oneOf = (name: string, ...choices: ArgumentSpec[]): ArgumentSpec => ({
  name,
  type: 'oneof',
  arguments: choices,
});
export const block = (name: string, ...parts: ArgumentSpec[]): ArgumentSpec => ({
  name,
  type: 'block',
  arguments: parts,
});

/** One argument as a reader of the help sees it. */
function argumentText(argument: ArgumentSpec): string {
  const inner = (argument.arguments ?? []).map(argumentText);
  let text = argument.name;
  if (argument.type === 'pure-token') text = argument.token ?? argument.name;
  else if (argument.type === 'oneof') text = inner.join(' | ');
  else if (argument.type === 'block') text = inner.join(' ');
  if (argument.token !== undefined && argument.type !== 'pure-token') {
    text = `${argument.token} ${text}`;
  }
  if (argument.multiple === true) text = `${text} [${text} ...]`;
  return argument.optional === true ? `[${text}]` : text;
}

/** `SET key value [NX | XX] [GET]`. */
export function syntaxOf(spec: CommandSpec): string {
  return [spec.name, ...spec.arguments.map(argumentText)].join(' ');
}
