/**
 * What a run does to disks beyond what a crash does, and to snapshots on their way, drawn from its
 * seed: bits that flip at rest, writes that are lost or land elsewhere, chunks that get lost.
 *
 * Drawn from generators of its own, so that everything else of a seed stays what it was.
 */

import type { Prng } from '../../engine/raft/prng.js';

export const DAMAGE_KINDS = ['bitFlip', 'lostWrite', 'misdirectedWrite'] as const;
/**
 * `lostSnapshots`: every snapshot of the node is gone; `unreadableSnapshots`: the disk cannot read
 * some or all of them at one start. They are drawn apart from the others.
 */
export type DamageKind = (typeof DAMAGE_KINDS)[number] | SnapshotDamageKind;
type SnapshotDamageKind = 'lostSnapshots' | 'unreadableSnapshots';
/** In which files: a part of their paths. */
export type DamagedPart = '.wal' | '.snapshot';

export interface Damage {
  readonly kind: DamageKind;
  readonly part: DamagedPart;
  readonly node: number;
  readonly timeUs: number;
}

/** How often each of these happens, of the times it could. */
export interface SnapshotFaultShares {
  /** The codec pool fails a job. */
  readonly pack: number;
  /** A chunk that came from a peer is lost. */
  readonly lose: number;
  /** The connection breaks as a chunk arrives. */
  readonly cut: number;
  /** A peer says that the snapshot is gone. */
  readonly gone: number;
  /** A file is damaged as a peer asks its leader for it. */
  readonly rot: number;
}

export const NO_SNAPSHOT_FAULTS: SnapshotFaultShares = {
  ...{ pack: 0, lose: 0, cut: 0 },
  ...{ gone: 0, rot: 0 },
};

export function drawDamages(
  prng: Prng,
  { nodes, fromUs, endUs }: { nodes: number; fromUs: number; endUs: number },
): Damage[] {
  const damages = Array.from({ length: prng.between(1, 4) }, (): Damage => {
    const kind = prng.pick(DAMAGE_KINDS);
    const part = prng.pick<DamagedPart>(['.wal', '.wal', '.snapshot']);
    return { kind, part, node: prng.between(1, nodes), timeUs: prng.between(fromUs, endUs - 1) };
  });
  return damages.sort((a, b) => a.timeUs - b.timeUs);
}

/** Nodes that lack snapshots, and what of their state the log has forgotten with them. */
export function drawSnapshotDamages(
  prng: Prng,
  kind: SnapshotDamageKind,
  { nodes, fromUs, endUs }: { nodes: number; fromUs: number; endUs: number },
): Damage[] {
  return Array.from({ length: prng.between(0, 3) }, (): Damage => {
    const [node, timeUs] = [prng.between(1, nodes), prng.between(fromUs, endUs - 1)];
    return { kind, part: '.snapshot', node, timeUs };
  });
}

export function drawSnapshotFaults(prng: Prng): SnapshotFaultShares {
  return {
    pack: prng.pick([0, 0.02, 0.1]),
    lose: prng.pick([0, 0.05, 0.2]),
    cut: prng.pick([0, 0.02, 0.1]),
    gone: prng.pick([0, 0.05, 0.2]),
    rot: 0,
  };
}

/** Share of starts at which the disk fails reads of the log. */
export function drawReadErrors(prng: Prng): number {
  return prng.pick([0, 0.1, 0.4]);
}

/** Apart from the others: there are few moments at which a file may rot. */
export function drawRot(prng: Prng): number {
  return prng.pick([0.2, 0.6, 1]);
}
