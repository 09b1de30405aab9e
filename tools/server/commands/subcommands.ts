/**
 * Commands with a word after the name, such as CLIENT SETNAME: dispatch, argument counts, HELP, and
 * Redis's error texts for what does not exist.
 */

import { isWord, shownTextOf } from './arguments.js';
import type { Plan } from './plan.js';

export interface Subcommand {
  /** Upper case. */
  readonly name: string;
  /** As Redis counts, command and subcommand included; negative for "at least". */
  readonly arity: number;
  /** What follows the name, for HELP. */
  readonly syntax: string;
  readonly summary: string;
  readonly handler: (plan: Plan) => void;
}

/** Whether a request of `count` arguments satisfies an arity. */
export function satisfies(arity: number, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

/** A handler for the command that has these subcommands. */
export function subcommandHandler(
  parent: string,
  subcommands: readonly Subcommand[],
): (plan: Plan) => void {
  return (plan) => {
    const { request } = plan;
    if (request.count === 2 && isWord(request, 1, 'HELP')) {
      plan.local((_, reply) => {
        const lines = helpLines(parent, subcommands);
        reply.array(lines.length);
        for (const line of lines) reply.simple(line);
      });
      return;
    }
    const found = subcommands.find(({ name }) => isWord(request, 1, name));
    if (found === undefined) {
      plan.refuse(`ERR unknown subcommand '${shownTextOf(request, 1)}'. Try ${parent} HELP.`);
    } else if (satisfies(found.arity, request.count)) {
      found.handler(plan);
    } else {
      const name = `${parent}|${found.name}`.toLowerCase();
      plan.refuse(`ERR wrong number of arguments for '${name}' command`);
    }
  };
}

function helpLines(parent: string, subcommands: readonly Subcommand[]): string[] {
  return [
    `${parent} <subcommand> [<arg> [value] ...]. Subcommands are:`,
    ...subcommands.flatMap(({ name, syntax, summary }) => [
      `${name} ${syntax}`.trimEnd(),
      `    ${summary}.`,
    ]),
    'HELP',
    '    Print this help.',
  ];
}
