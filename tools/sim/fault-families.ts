/**
 * Families of faults, from which a run may draw: `ringraft sim --faults disk,snapshot,wipe`.
 *
 * Names and grouping only, so that the command table can read it: it must import no code of the
 * simulator.
 */

import type { BreakingKind } from './faults.js';

export const FAULT_FAMILIES = [
  'process',
  'network',
  'disk',
  'snapshot',
  'wipe',
  'transfer',
  /** Members are added, removed and demoted; nodes that are none wait. */
  'membership',
  /** Clients with sessions, which send what they have sent again. */
  'session',
  /** Clocks that are set, stand still or run apart, and reads that rest on them. */
  'clock',
] as const;
export type FaultFamily = (typeof FAULT_FAMILIES)[number];

/** Which family a kind of the schedule belongs to. */
export const FAMILY_OF: Readonly<Record<BreakingKind, FaultFamily>> = {
  kill: 'process',
  powerLoss: 'process',
  tornWrite: 'process',
  pause: 'process',
  clockSkew: 'clock',
  partition: 'network',
  oneWay: 'network',
  cut: 'network',
  flap: 'network',
  loss: 'network',
  duplication: 'network',
  reordering: 'network',
  delay: 'network',
  slowDisk: 'disk',
  shortWrite: 'disk',
  syncError: 'disk',
};

export function isEveryFamily(families: readonly FaultFamily[]): boolean {
  return FAULT_FAMILIES.every((family) => families.includes(family));
}
