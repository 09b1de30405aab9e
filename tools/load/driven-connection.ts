/**
 * What the driver wants of one connection of the load generator, in a session or not.
 *
 *   closed ─connect─▶ opening ─▶ open ─leave─▶ leaving ─(last reply)─▶ closed
 */

import type { Address } from '../cli/value-rules.js';
import type { ErrorKind } from './error-kinds.js';
import type { Pace } from './pace.js';

export interface ConnectionEvents {
  /** The connection has ended, or could not be made. */
  closed(): void;
}

export interface DrivenConnection {
  readonly closed: boolean;
  /** Commands sent that have no answer yet. */
  readonly outstanding: number;
  /** Nothing is in flight and there is no more to send. */
  readonly finished: boolean;
  /** Since when the other side owes something, a reply or the connection; Infinity if nothing. */
  readonly waitingSince: number;
  /** From now on commands go by this timetable. */
  keepPace(pace: Pace): void;
  /** Commands whose time has come and that are not sent. */
  behind(now: number): number;
  /** Sends what is due. */
  goOn(): void;
  connect(address: Address): void;
  /** From now on nothing new is sent, only what has to be sent again. */
  drain(): void;
  /** Sends no more and closes once every command in flight has its reply. */
  leave(): void;
  /** Ends at once; `kind` is what commands in flight failed of, if they are not sent again. */
  abandon(kind: ErrorKind): void;
}
