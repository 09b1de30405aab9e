/**
 * A replica that lost its data becomes a full voter again: the leader changes whose life the
 * configuration records for it, in two entries, each in force as soon as it is in a log (Raft §6).
 *
 *   records A  ──(erased)──▶  records nobody  ──(recorded)──▶  records B
 *
 * What was acknowledged by A alone is not protected: two wiped of five still need the other three.
 * Nothing here may ever count a vote or an acknowledgement.
 */

import { hasCaughtUp } from './catch-up.js';
import { appendOwn } from './leader.js';
import { isVoter, recordedIncarnation, withRecord } from './membership.js';
import { isJoint } from './membership-change.js';
import type { Progress } from './progress.js';
import { mayReconfigure } from './reconfigure.js';
import type { CoreState } from './state.js';
import { NO_INCARNATION } from './types.js';

/*
 * Why not one entry from A to B, counted once it is committed: what is committed is not durable
 * anywhere, so after a restart of everybody nobody could say whether B counts. And why not one that
 * counts when it is appended: a majority with A and one with B need not share a life. Of five, A of
 * 5 voted for 2 in a term that is still to come, then both 4 and 5 are wiped; the entry would be
 * committed by 1, 3 and B, while 2 leads that term by the votes of 4 and A that were under way, and
 * has none of it.
 *
 * While nobody is recorded, no life of the replica counts. Majorities are of as many voters as
 * before, so one without it shares a life with every majority that counted A, and with every one
 * that will count B: the joint consensus of §6 for a single life (thesis, chapter 4). Hence
 *
 * - the second entry comes after the first one is committed: from then on every leader has it, and
 *   no vote or acknowledgement of A can decide anything any more, also if its data come back;
 * - one change of the configuration at a time, never within a joint one, by a leader that has
 *   committed in its own term (thesis §4.1: or else two leaders could change it differently);
 * - the replica must have caught up first, the erasing entry included (thesis §4.2.1), and proves
 *   by its connection which life it lives. A life that came back counts as little as a new one, and
 *   may come in the same way;
 * - nothing is appended while no majority of intact voters answers, as it could not be committed; a
 *   leader that just lost it appends one entry at most, as it is never followed by a second.
 */

/** Leader: a peer was heard. If it lives another life than the recorded one, readmits it. */
export function considerReadmission(state: CoreState, progress: Progress): void {
  const { id, incarnation } = progress;
  const recorded = recordedIncarnation(state.configuration, id);
  if (incarnation === recorded || incarnation === NO_INCARNATION) return;
  if (!isVoter(state.configuration, id) || !hasCaughtUp(state, progress)) return;
  if (!mayReconfigure(state) || isJoint(state.configuration)) return;
  const next = recorded === NO_INCARNATION ? incarnation : NO_INCARNATION;
  appendOwn(state, withRecord(state.configuration, id, next));
}
