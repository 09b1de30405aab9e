/**
 * What happened between two looks at a cluster, as short lines: who leads, who came, who went.
 *
 * A pure function of the two looks; it must never report a thing twice, nor one that did not
 * change.
 */

import { leaderOf, type NodeView } from './node-view.js';

const SAID: Readonly<Record<NodeView['state'], string>> = {
  serving: 'serves',
  'no leader': 'knows no leader',
  starting: 'is starting',
  silent: 'does not answer',
  paused: 'is paused',
  killed: 'was killed',
  stopped: 'was stopped',
  died: 'died',
  new: 'was never started',
};

/** Leader and term as last reported; kept by the caller so that an election is told once. */
export interface Reign {
  readonly leader: number;
  readonly term: number;
}

export function reignOf(views: readonly NodeView[]): Reign {
  const leader = leaderOf(views);
  return { leader: leader?.id ?? 0, term: leader?.status?.term ?? 0 };
}

export function nodeEvents(before: readonly NodeView[], after: readonly NodeView[]): string[] {
  return after.flatMap((now) => {
    const then = before.find(({ id }) => id === now.id);
    const restarted = then !== undefined && now.pid !== null && now.pid !== then.pid;
    const lines = restarted ? [`node ${now.id} was started (pid ${now.pid})`] : [];
    const changed = then?.state !== now.state && !(restarted && now.state === 'starting');
    return changed ? [...lines, `node ${now.id} ${SAID[now.state]}`] : lines;
  });
}

export function reignEvents(before: Reign, after: Reign): string[] {
  if (before.leader === after.leader && before.term === after.term) return [];
  if (after.leader === 0) return ['no node leads'];
  return [`node ${after.leader} leads in term ${after.term}`];
}
