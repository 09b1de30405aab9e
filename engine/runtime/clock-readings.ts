/**
 * The clocks as far as anything rests on them: leases of a leader, promises of a voter, how stale a
 * bounded read is.
 *
 * A thread may pause between any two lines. So what is judged by a clock is judged by a reading
 * that is younger than the question, and what is remembered keeps one that is not younger than the
 * deed: a pause only makes a lease shorter, a promise longer, an answer look older than it is.
 * Nothing here may read a clock but through the ports.
 */

import type { Clocks } from '../raft/lease.js';
import type { Raft } from '../raft/raft.js';
import type { RuntimePorts } from './ports.js';

export type ClockPorts = Pick<RuntimePorts, 'clock' | 'wallClock'>;

/** To judge by: a pause between the two lets the wall clock look further ahead than it is. */
export function clocksToJudge({ clock, wallClock }: ClockPorts): Clocks {
  const now = clock();
  return { now, wallAhead: wallClock() - now };
}

/** To remember: a pause between the two lets it look further behind. */
export function wallAheadToKeep({ clock, wallClock }: ClockPorts): number {
  const wall = wallClock();
  return wall - clock();
}

/** After what peers and clients sent was drained, before the core acts on it. */
export function readClocks(raft: Raft, ports: ClockPorts): void {
  if (raft.heardUndated) raft.dateHearing(ports.clock());
  if (!raft.hasLease) return;
  raft.noteWallClock(wallAheadToKeep(ports));
  if (raft.waitsForLease) raft.serveByLease(clocksToJudge(ports));
}
