/**
 * What is said when a group stops on a node. For people only: nothing may be decided by it.
 */

import type { MachineCall } from './machine-host.js';

export const KEEPS_LOG =
  'the group stopped on this node, and its entries keep the log on disk from becoming shorter: ' +
  'nothing of them may go before a restart, and the log grows beyond maxLogBytes. Mend what ' +
  'stopped the group and restart the node while the disk has space; then a snapshot is taken';
/** What a machine threw travels in one record, stack and all, cut to this. */
const CHARACTERS_MAX = 4000;

export function machineThrew(index: number, cause: unknown, during: MachineCall): string {
  const thrown = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  const call = during === 'apply' ? `apply of entry ${index}` : 'restoring the state';
  return `${call} threw: ${thrown.slice(0, CHARACTERS_MAX)}`;
}

export function unreadable(index: number, reason: string): string {
  return `entry ${index} cannot be read back from the log on disk: ${reason}`;
}
