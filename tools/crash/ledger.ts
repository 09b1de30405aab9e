/**
 * What was written and what is known about it: one outcome for every command that a writer sent,
 * and for every counter how often it was certainly and perhaps incremented.
 *
 *   sent ─▶ acked      the reply said done: it must be there from now on, for ever
 *        ─▶ refused    the reply said not executed: it must never be there
 *        ─▶ unknown    no reply, or one that does not say: either, but once seen it stays
 *
 * A pure record: it must never talk to a node, and never forget an outcome.
 */

export const Outcome = { sent: 0, acked: 1, refused: 2, unknown: 3, seen: 4 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export const COUNTERS = 8;
const FIRST_CAPACITY = 1024;
const PROBLEMS_MAX = 1000;

/** The commands of one writer, numbered from 0. */
export class WriterLedger {
  readonly writer: number;
  #outcomes = new Uint8Array(FIRST_CAPACITY);
  #count = 0;

  constructor(writer: number) {
    this.writer = writer;
  }

  get count(): number {
    return this.#count;
  }

  /** Numbers a command that is about to be sent. */
  next(): number {
    if (this.#count === this.#outcomes.length) {
      const larger = new Uint8Array(this.#count * 2);
      larger.set(this.#outcomes);
      this.#outcomes = larger;
    }
    this.#outcomes[this.#count] = Outcome.sent;
    this.#count += 1;
    return this.#count - 1;
  }

  outcome(number: number): Outcome {
    if (number >= this.#count) throw new Error(`command ${number} of ${this.#count} was not sent`);
    return this.#outcomes[number] as Outcome;
  }

  settle(number: number, outcome: 'acked' | 'refused' | 'unknown'): void {
    if (this.outcome(number) !== Outcome.sent) throw new Error(`command ${number} settled twice`);
    this.#outcomes[number] = Outcome[outcome];
  }

  /** A read found the effect of a command whose outcome was unknown. */
  see(number: number): void {
    if (this.outcome(number) !== Outcome.unknown) throw new Error(`command ${number} was known`);
    this.#outcomes[number] = Outcome.seen;
  }
}

/** One counter: INCR by one and nothing else, so that its value says how often. */
export class CounterLedger {
  acked = 0;
  unknown = 0;
  /** Least value that a read may find: what was seen last, and what was acknowledged since. */
  #floor = 0;
  /** One bit for each value that was returned by an INCR. */
  #returned = new Uint8Array(FIRST_CAPACITY);

  get least(): number {
    return this.#floor;
  }

  get most(): number {
    return this.acked + this.unknown;
  }

  /** Records an acknowledged increment; a text says why its reply cannot be right. */
  acknowledge(value: number): string | undefined {
    this.acked += 1;
    this.#floor += 1;
    if (!Number.isSafeInteger(value) || value < 1) return `INCR returned ${value}`;
    const byte = value >>> 3;
    if (byte >= this.#returned.length) {
      const larger = new Uint8Array(Math.max(byte + 1, this.#returned.length * 2));
      larger.set(this.#returned);
      this.#returned = larger;
    }
    const bit = 1 << (value & 7);
    const known = this.#returned[byte] ?? 0;
    this.#returned[byte] = known | bit;
    return (known & bit) === 0 ? undefined : `two INCRs returned ${value}`;
  }

  /** Takes a value that was read; a text says why it cannot be right. */
  read(value: number): string | undefined {
    const { least, most } = this;
    if (!Number.isSafeInteger(value)) return 'it is not a whole number';
    if (value < least) return `${value} is less than ${least}: increments were lost`;
    if (value > most) return `${value} is more than ${most}: increments were done twice`;
    this.#floor = value;
    return undefined;
  }
}

export class Ledger {
  readonly writers: readonly WriterLedger[];
  readonly counters: readonly CounterLedger[];
  acked = 0;
  refused = 0;
  unknown = 0;
  /** What replies themselves prove wrong; the first of it, since one is enough. */
  readonly problems: string[] = [];

  constructor(writers: number) {
    this.writers = Array.from({ length: writers }, (_, at) => new WriterLedger(at));
    this.counters = Array.from({ length: COUNTERS }, () => new CounterLedger());
  }

  blame(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  }
}
