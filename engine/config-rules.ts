/**
 * The rule that one option obeys, and the sentence for a value that does not.
 *
 * A sentence names the value and the rule. Nothing here knows which options there are.
 */

import { valueHint } from './config-names.js';

export interface Rule {
  readonly kind: 'integer' | 'string' | 'boolean' | 'object' | 'list';
  readonly min?: number;
  readonly max?: number;
  readonly multipleOf?: number;
  readonly oneOf?: readonly string[];
}

function oneOfProblem(name: string, value: string, words: readonly string[]): string {
  return `${name} is "${value}", must be one of ${words.join(', ')}${valueHint(name, value)}`;
}

function multipleProblem(name: string, value: number, unit: number): string | null {
  if (value % unit === 0) return null;
  const below = value - (value % unit);
  return `${name} is ${value}, must be a multiple of ${unit}, such as ${below}`;
}

export function ruleProblem(name: string, value: unknown, rule: Rule): string | null {
  const shown = typeof value === 'string' ? `"${value}"` : String(value);
  switch (rule.kind) {
    case 'integer': {
      const min = rule.min ?? 0;
      const max = rule.max ?? Number.MAX_SAFE_INTEGER;
      const whole = Number.isSafeInteger(value) && (value as number) >= min;
      if (!whole || (value as number) > max) {
        return `${name} is ${shown}, must be a whole number from ${min} to ${max}`;
      }
      return multipleProblem(name, value as number, rule.multipleOf ?? 1);
    }
    case 'string':
      if (typeof value !== 'string' || value === '') return `${name} is ${shown}, must be a text`;
      if (rule.oneOf === undefined || rule.oneOf.includes(value)) return null;
      return oneOfProblem(name, value, rule.oneOf);
    case 'boolean':
      return typeof value === 'boolean' ? null : `${name} is ${shown}, must be true or false`;
    case 'list':
      return Array.isArray(value) ? null : `${name} is ${shown}, must be a list`;
    case 'object':
      return typeof value === 'object' && value !== null ? null : `${name} must be an object`;
  }
}

/** What was given; a field that is undefined was not. */
export function withoutUndefined<T extends object>(options: T): T {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as T;
}
