/**
 * What the simulated clients do: few keys, so that they meet; unique values, so that every read
 * tells whose write it saw; registers, counters and lists apart, so that each is judged sharply.
 *
 * Each client draws from its own generator: what it does next does not depend on the others' luck.
 */

import { Prng } from '../../engine/raft/prng.js';
import { assert } from '../../engine/raft/types.js';
import type { Operation, Result } from './operation.js';

export interface WorkloadOptions {
  readonly seed: number;
  readonly clients: number;
  /** Clients start at node 1 + client mod nodes. */
  readonly nodes: number;
  readonly registers?: number;
  readonly counters?: number;
  readonly lists?: number;
  /** Pause between two operations of one client, drawn in this range. */
  readonly thinkUsMin?: number;
  readonly thinkUsMax?: number;
  /** Appends to a list before it is left for a fresh one, so that values stay short. */
  readonly listLengthMax?: number;
  /** Says what each operation asks to see. */
  readonly terms?: (operation: Operation) => Operation;
}

export interface PlannedOperation {
  readonly thinkUs: number;
  readonly operation: Operation;
}

interface ClientState {
  readonly prng: Prng;
  serial: number;
  /** The last value this client saw in each register: what it expects in a cas. */
  readonly seen: Map<string, string>;
}

export class Workload {
  readonly clients: number;
  readonly #options: Required<WorkloadOptions>;
  readonly #states: ClientState[] = [];
  #appends = 0;

  constructor(options: WorkloadOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.clients = options.clients;
    assert(options.clients >= 1 && options.nodes >= 1, 'a workload needs clients and nodes');
    for (let client = 0; client < options.clients; client += 1) {
      const prng = new Prng(options.seed * 1_024 + client + 1);
      this.#states.push({ prng, serial: 0, seen: new Map() });
    }
  }

  /** The node a client turns to first. */
  homeOf(client: number): number {
    return 1 + (client % this.#options.nodes);
  }

  next(client: number): PlannedOperation {
    const { thinkUs, operation } = this.#draw(client);
    return { thinkUs, operation: this.#options.terms(operation) };
  }

  #draw(client: number): PlannedOperation {
    const state = this.#state(client);
    const { prng } = state;
    const { registers, counters, lists, thinkUsMin, thinkUsMax } = this.#options;
    const thinkUs = prng.between(thinkUsMin, thinkUsMax);
    const slot = prng.below(registers + counters + lists);
    if (slot < registers) return { thinkUs, operation: this.#onRegister(client, `r${slot}`) };
    if (slot < registers + counters) {
      return { thinkUs, operation: onCounter(prng, `c${slot - registers}`) };
    }
    return { thinkUs, operation: this.#onList(client, slot - registers - counters) };
  }

  /** Tells the workload what a client saw. */
  saw(client: number, operation: Operation, result: Result): void {
    const { seen } = this.#state(client);
    if (operation.op === 'get' && typeof result === 'string') seen.set(operation.key, result);
    if (operation.op === 'set') seen.set(operation.key, operation.value);
  }

  #onRegister(client: number, key: string): Operation {
    const { prng, seen } = this.#state(client);
    const toss = prng.below(100);
    if (toss < 45) return { op: 'get', key };
    if (toss < 75) return { op: 'set', key, value: this.#unique(client) };
    if (toss < 82) return { op: 'del', key };
    if (toss < 88) return { op: 'setnx', key, value: this.#unique(client) };
    const expected = seen.get(key) ?? 'never written';
    return { op: 'cas', key, expected, value: this.#unique(client) };
  }

  #onList(client: number, list: number): Operation {
    const { prng } = this.#state(client);
    const { lists, listLengthMax } = this.#options;
    const key = `l${list}.${Math.floor(this.#appends / (lists * listLengthMax))}`;
    if (prng.chance(0.5)) return { op: 'get', key };
    this.#appends += 1;
    return { op: 'append', key, value: `${this.#unique(client)};` };
  }

  /** No value is written twice, also not when a refused operation is followed by another. */
  #unique(client: number): string {
    const state = this.#state(client);
    state.serial += 1;
    return `${client}-${state.serial}`;
  }

  #state(client: number): ClientState {
    const state = this.#states[client];
    assert(state !== undefined, 'clients are numbered from 0');
    return state;
  }
}

const DEFAULTS = {
  registers: 3,
  counters: 1,
  lists: 1,
  thinkUsMin: 0,
  thinkUsMax: 40_000,
  listLengthMax: 100,
  terms: (operation: Operation): Operation => operation,
} as const;

function onCounter(prng: Prng, key: string): Operation {
  if (prng.chance(0.45)) return { op: 'get', key };
  return { op: 'incr', key, by: prng.between(1, 3) };
}
