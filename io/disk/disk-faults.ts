/**
 * The faults of a simulated disk: armed by a test or by the simulator, counted when they strike.
 *
 * A fault that was armed but never struck shows as a zero in the counters, so that a simulation
 * which tests nothing is noticed. This file must never decide what a fault does to the bytes.
 */

/** What can go wrong at a call, and the code it is reported with unless the plan names another. */
const ARMABLE = {
  readError: 'EIO',
  writeError: 'EIO',
  syncError: 'EIO',
  /** Opening, listing, making, renaming, removing, and syncing a directory. */
  directoryError: 'EIO',
  noSpace: 'ENOSPC',
  shortRead: '',
  shortWrite: '',
  /** The write succeeds and reads back, and never reaches the medium: no sync helps. */
  lostWrite: '',
  /** The same, and it reaches another place of the medium: see `surface`. */
  misdirectedWrite: '',
} as const;
export type ArmableFault = keyof typeof ARMABLE;

export const FAULT_KINDS = [
  ...(Object.keys(ARMABLE) as ArmableFault[]),
  'bitFlip',
  /** What a failed sync left in memory only, and what of that the death of the process took. */
  'orphanedSector',
  'evictedSector',
  /** A loss of power, and what it took: unsynced sectors, directory operations. */
  'crash',
  'lostSector',
  'keptSector',
  'lostDirectoryOperation',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type FaultCounters = Readonly<Record<FaultKind, number>>;

export interface FaultPlan {
  readonly kind: ArmableFault;
  /** Strikes only at paths that contain this text; every path when absent. */
  readonly path?: string;
  /** Strikes only at reads of this byte, as a bad sector does; at every read when absent. */
  readonly at?: number;
  /** Matching calls to let pass first; 0 by default. */
  readonly after?: number;
  /** How often it strikes before it is spent; 1 by default, Infinity for ever. */
  readonly times?: number;
  /** Code of the thrown error instead of the usual one, such as EROFS. */
  readonly code?: string;
}

/** Which bytes of a file a call is about. */
export interface Extent {
  readonly position: number;
  readonly length: number;
}

interface Armed {
  readonly plan: FaultPlan;
  passes: number;
  strikes: number;
}

export class DiskFaults {
  #armed: Armed[] = [];
  readonly #counters: Record<FaultKind, number>;

  constructor() {
    const zeros = FAULT_KINDS.map((kind) => [kind, 0]);
    this.#counters = Object.fromEntries(zeros) as Record<FaultKind, number>;
  }

  arm(plan: FaultPlan): void {
    this.#armed.push({ plan, passes: plan.after ?? 0, strikes: plan.times ?? 1 });
  }

  /** Forgets every armed fault, or those of a kind; the counters stay. */
  disarm(kind?: ArmableFault): void {
    this.#armed = this.#armed.filter(({ plan }) => kind !== undefined && plan.kind !== kind);
  }

  /** The error code when a fault of `kind` strikes this call, else undefined. Counts it. */
  strike(kind: ArmableFault, path: string, extent?: Extent): string | undefined {
    const armed = this.#armed.find((candidate) => matches(candidate.plan, kind, path, extent));
    if (armed === undefined) return undefined;
    if (armed.passes > 0) {
      armed.passes -= 1;
      return undefined;
    }
    armed.strikes -= 1;
    if (armed.strikes <= 0) this.#armed = this.#armed.filter((other) => other !== armed);
    this.count(kind);
    return armed.plan.code ?? ARMABLE[kind];
  }

  count(kind: FaultKind, times = 1): void {
    this.#counters[kind] += times;
  }

  counters(): FaultCounters {
    return { ...this.#counters };
  }
}

function matches(plan: FaultPlan, kind: ArmableFault, path: string, extent?: Extent): boolean {
  if (plan.kind !== kind || !path.includes(plan.path ?? '')) return false;
  if (plan.at === undefined) return true;
  if (extent === undefined) return false;
  return plan.at >= extent.position && plan.at < extent.position + extent.length;
}
