/**
 * Glob patterns over bytes with the meaning Redis gives them: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`,
 * `\x`.
 *
 * A pattern is compiled once and matched in about (pattern × text) steps at most: only the last
 * star is ever retried. That is still much for long ones, so steps are counted: whoever matches
 * many texts must stop by that count.
 */

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const CARET = 94;
const BACKSLASH = 92;
const DASH = 45;

/** One step of a pattern: a literal byte (0 … 255), or one of these. */
const ANY_RUN = 256;
const ANY_BYTE = 257;
/** A class is CLASS + its number. */
const CLASS = 258;

export class Glob {
  readonly #steps: number[] = [];
  /** 256 flags each. */
  readonly #classes: Uint8Array[] = [];
  /** Steps that all the matching so far has taken. */
  work = 0;

  constructor(pattern: Uint8Array) {
    let at = 0;
    while (at < pattern.length) {
      const byte = pattern[at]!;
      if (byte === OPEN) {
        at = this.#addClass(pattern, at + 1);
        continue;
      }
      if (byte === STAR) {
        if (this.#steps.at(-1) !== ANY_RUN) this.#steps.push(ANY_RUN);
      } else if (byte === QUESTION) {
        this.#steps.push(ANY_BYTE);
      } else if (byte === BACKSLASH && at + 1 < pattern.length) {
        at += 1;
        this.#steps.push(pattern[at]!);
      } else {
        this.#steps.push(byte);
      }
      at += 1;
    }
  }

  matches(text: Uint8Array, start: number, end: number): boolean {
    const steps = this.#steps;
    let at = start;
    let step = 0;
    let starStep = -1;
    let starAt = start;
    let work = 0;
    while (at < end) {
      work += 1;
      if (step < steps.length && steps[step] === ANY_RUN) {
        // Nothing follows: it takes the rest, whatever that is.
        if (step + 1 === steps.length) {
          at = end;
          break;
        }
        starStep = step;
        starAt = at;
        step += 1;
      } else if (step < steps.length && this.#accepts(steps[step]!, text[at]!)) {
        step += 1;
        at += 1;
      } else if (starStep >= 0) {
        // The last star takes one byte more, and what follows it is tried again.
        starAt += 1;
        at = starAt;
        step = starStep + 1;
      } else {
        step = -1;
        break;
      }
    }
    this.work += work;
    if (step < 0) return false;
    while (step < steps.length && steps[step] === ANY_RUN) step += 1;
    return step === steps.length;
  }

  #accepts(step: number, byte: number): boolean {
    if (step >= CLASS) return this.#classes[step - CLASS]![byte] === 1;
    return step === byte || step === ANY_BYTE;
  }

  /** Reads a class whose bracket has been read; an unclosed one ends with the pattern. */
  #addClass(pattern: Uint8Array, from: number): number {
    const flags = new Uint8Array(256);
    let at = from;
    const negated = pattern[at] === CARET;
    if (negated) at += 1;
    while (at < pattern.length && pattern[at] !== CLOSE) {
      if (pattern[at] === BACKSLASH && at + 1 < pattern.length) {
        flags[pattern[at + 1]!] = 1;
        at += 2;
      } else if (pattern[at + 1] === DASH && at + 2 < pattern.length) {
        const low = Math.min(pattern[at]!, pattern[at + 2]!);
        const high = Math.max(pattern[at]!, pattern[at + 2]!);
        flags.fill(1, low, high + 1);
        at += 3;
      } else {
        flags[pattern[at]!] = 1;
        at += 1;
      }
    }
    if (negated) for (let i = 0; i < flags.length; i += 1) flags[i] = 1 - flags[i]!;
    this.#steps.push(CLASS + this.#classes.length);
    this.#classes.push(flags);
    return at + 1;
  }
}
