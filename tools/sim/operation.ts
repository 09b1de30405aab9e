/**
 * The operations that clients of the simulator and of the crash tests do on a key-value machine,
 * and what can come of them. Values are byte strings in latin1 form.
 *
 * Plain data with one short text form each; what they mean is tools/check/kv-model.ts.
 */

export type Operation =
  | { readonly op: 'set' | 'setnx' | 'append'; readonly key: string; readonly value: string }
  | { readonly op: 'del'; readonly key: string }
  /** Without `terms` it is linearizable. */
  | { readonly op: 'get'; readonly key: string; readonly terms?: ReadTermsOf }
  | { readonly op: 'incr'; readonly key: string; readonly by: number }
  | {
      readonly op: 'cas';
      readonly key: string;
      readonly expected: string;
      readonly value: string;
    };

/** What a client wants of its sessions, in the group of a key: no operation of any history. */
export type SessionRequest =
  | { readonly op: 'openSession'; readonly key: string; readonly ttlMs: number }
  | { readonly op: 'closeSession'; readonly key: string; readonly session: number };

/** Whatever a client may ask for. */
export type Request = Operation | SessionRequest;

/** The place of a write in a session. */
export interface Place {
  readonly id: number;
  readonly sequence: number;
}

/** What a read asks to see. */
export interface ReadTermsOf {
  readonly consistency: 'lease' | 'bounded';
  /** 0 unless it is bounded. */
  readonly maxStalenessMs: number;
}

/** The machine's refusal of a command that was executed: no effect, but an observation. */
export interface Rejected {
  readonly error: 'notInteger' | 'overflow';
}

/**
 * set: null · get: the value or null · incr: the new value in decimal · append: the new length ·
 * del, setnx, cas: 1 when it took effect, else 0.
 */
export type Result = string | number | null | Rejected;

export type Outcome =
  | { readonly kind: 'ok'; readonly result: Result }
  /** Definitely not executed: any visible effect is a violation. */
  | { readonly kind: 'fail'; readonly why: string }
  /** May take effect at any time after its invocation, or never. */
  | { readonly kind: 'unknown'; readonly why: string };

/** One short form: `set k1 "v"`, `incr c0 by 2`. */
export function describeOperation(operation: Operation): string {
  const { op, key } = operation;
  switch (operation.op) {
    case 'set':
    case 'setnx':
    case 'append':
      return `${op} ${key} ${describeValue(operation.value)}`;
    case 'incr':
      return `${op} ${key} by ${operation.by}`;
    case 'cas':
      return [op, key, describeValue(operation.expected), '→', describeValue(operation.value)].join(
        ' ',
      );
    case 'get':
      return `${op} ${key}${describeTerms(operation.terms)}`;
    default:
      return `${op} ${key}`;
  }
}

/** ` by lease`, ` within 50 ms`. */
function describeTerms(terms: ReadTermsOf | undefined): string {
  if (terms === undefined) return '';
  return terms.consistency === 'lease' ? ' by lease' : ` within ${terms.maxStalenessMs} ms`;
}

export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === 'fail') return `refused: ${outcome.why}`;
  if (outcome.kind === 'unknown') return `unknown: ${outcome.why}`;
  const { result } = outcome;
  if (result === null) return 'ok nil';
  if (typeof result === 'object') return `ok error ${result.error}`;
  return `ok ${typeof result === 'number' ? result : describeValue(result)}`;
}

/** Quoted, shortened to its end, where appended values differ. */
export function describeValue(value: string): string {
  const shown = value.length > 40 ? `…${value.slice(-36)}` : value;
  return JSON.stringify(shown);
}
