/**
 * What a simulation met, as one table: name, what it counts, and whether a long simulation in which
 * it never happened has tested too little.
 *
 * Counters are plain numbers and are only ever added to.
 */

interface CountSpec {
  readonly help: string;
  /** A simulation of many runs must have met it. */
  readonly required: boolean;
}

const must = (help: string): CountSpec => ({ help, required: true });
const may = (help: string): CountSpec => ({ help, required: false });

export const COUNT_SPECS = {
  operations: must('operations that clients began'),
  writesOk: must('writes that were acknowledged'),
  refused: must('operations refused as certainly not executed'),
  unknown: must('operations of unknown outcome'),
  readsAtLeader: must('reads answered by a leader'),
  readsAtFollower: must('reads answered by a follower'),
  readsElsewhere: may('reads answered by a replica without a leader'),
  orderedReads: must('reads pipelined behind a write of the same connection'),
  sessionsOpened: must('sessions that clients opened'),
  sessionRepeats: must('commands of sessions that were sent again'),
  sessionsExpired: must('sessions that were found expired'),
  forwarded: must('batches of proposals forwarded to the leader'),
  batches: must('batches of more than one proposal'),
  elections: must('terms that a replica began to lead'),
  campaigns: must('elections that a replica began'),
  truncations: must('truncations of a log'),
  staleAcks: must('storage acknowledgements of truncated entries'),
  kills: must('processes killed'),
  powerLosses: must('losses of power'),
  crashAlls: must('moments at which every node was down'),
  restarts: must('restarts with recovery'),
  lonelyStarts: must('restarts of a node with no list of members but itself'),
  wrongStarts: must('restarts of a node with a list of members that was never true'),
  recoveryCrashes: must('losses of power during recovery'),
  lostSectors: must('unsynced sectors lost'),
  lostDirectoryOperations: must('unsynced directory operations lost'),
  tornTails: must('recoveries that found a recognisable torn block'),
  cuts: must('recoveries that cut bytes off the log'),
  rewrites: must('recoveries that wrote again what no block proves synced'),
  inDoubt: must('groups recovered in doubt'),
  doubtsCleared: must('doubts that ended'),
  failStops: must('nodes stopped by a failed sync'),
  machineFailures: must('groups stopped on one node because its state machine threw'),
  groupsBeside: must('groups that went on beside one that had stopped'),
  orphanedSectors: must('sectors that a failed sync left in memory only'),
  evictedSectors: must('of these, sectors that the next life did not even read'),
  shortWrites: must('writes that the disk took only in part'),
  diskFull: must('times that the log found no prepared room'),
  fullRefusals: must('proposals and appends refused while a disk was full'),
  promises: may('terms and votes written ahead of entries without room'),
  wipes: must('replicas that lost all their data'),
  readmissions: must('replicas that lost all their data and count again'),
  stranded: may('groups that one loss of all data and other doubts left without a majority'),
  brokenReadmissions: must('leaders struck in the middle of a readmission'),
  bitFlips: must('bits flipped at rest'),
  lostWrites: must('writes that a disk acknowledged and did not make'),
  misdirectedWrites: must('writes that a disk made in another place'),
  unprovenLosses: may('of these, lost ones that nothing later could have proven'),
  refusedStarts: must('starts refused because of damage, and the node made a new replica'),
  readErrors: must('reads that a disk failed while a node started'),
  readRefusals: must('starts refused because of them, and tried again'),
  readErrorsOutlived: must('starts that went on in spite of them'),
  unreadableSnapshots: must('snapshots that a start passed over because of them'),
  damageCuts: may('damaged logs of which the undecidable end was cut'),
  lostSnapshots: must('snapshots of a replica that were gone at its next start'),
  missingStates: must('starts of a group that missed state that its log has forgotten'),
  logsKept: must('snapshots of a leader behind which the log was kept'),
  damagedSnapshots: must('damaged snapshots set aside at a start'),
  packFailures: must('jobs that the codec pool failed'),
  lostChunks: must('chunks of a snapshot lost on their way'),
  brokenTransfers: must('connections that broke in the middle of a transfer'),
  goneSnapshots: must('fetches of a snapshot that was gone'),
  rottenSnapshots: must('snapshots damaged as a peer asked for them'),
  unservable: must('snapshots found damaged as they were sent'),
  partitions: must('partitions'),
  oneWays: must('partitions in one direction'),
  lost: must('frames lost'),
  duplicated: must('frames duplicated'),
  reordered: must('frames delivered out of order'),
  delayed: must('frames delayed'),
  framesInParts: must('frames sent in parts'),
  framesAssembled: must('frames put together from their parts'),
  partsOutOfPlace: must('connections ended because a part was lost or came out of order'),
  partsGivenUp: must('unfinished frames given up with their connection'),
  pauses: must('processes paused'),
  slowDisks: must('disks that became slow'),
  clockSkews: must('clocks that ran fast or slow'),
  isolations: must('leaders cut off while their clock ran slow'),
  memberChanges: must('changes of a membership that were asked for'),
  changesMade: must('of these, such that came to their end'),
  onAll: must('entries of which a leader said that every voter has applied them'),
  notOnAll: must('such where it named those that had not, in time'),
  promotions: must('learners that became voters'),
  leadersRemoved: must('leaders that led until they were no voters any more'),
  transfers: must('requests to hand leadership over'),
  handOvers: must('of these, such that another replica led'),
  witnessModes: must('replicas that entered witness mode'),
  leadingWitnesses: must('of these, such that led'),
  suspensions: must('machines suspended, so that their monotonic clocks stood still'),
  stalls: must('turns that paused after their clock was read'),
  wallJumps: must('wall clocks set'),
  sieges: must('leaders that lost one peer, then all, while those were impatient'),
  leaseTurns: must('turns that answered reads under a lease'),
  readsByLease: must('reads by lease that were answered'),
  boundedReads: must('bounded reads that were answered'),
  oldLogLoads: must('reads of old entries from disk'),
  evictions: must('evictions of entries from memory'),
  rollOvers: must('log segments begun'),
  snapshotsTaken: must('snapshots taken'),
  snapshotsFailed: may('snapshots that failed for want of space'),
  snapshotsRestored: must('state machines restored from a snapshot'),
  snapshotsFetched: must('snapshots fetched from a peer'),
  snapshotsInstalled: must('snapshots of a leader that replaced a log'),
  brokenInstalls: must('processes killed while a snapshot of a leader replaced their log'),
  snapshotFetchesRefused: may('fetches that a peer refused'),
  snapshotsForced: must('snapshots that a long log asked for'),
  compactions: must('compactions of a log'),
  segmentsFreed: must('log segments given back'),
  leftoversCopied: must('entries of quiet groups written once more, in batches'),
  resets: must('connections reset'),
  configurations: must('configurations that came into force with an entry'),
} as const satisfies Record<string, CountSpec>;

export type CountName = keyof typeof COUNT_SPECS;
export type Counts = Record<CountName, number>;

export const COUNT_NAMES = Object.keys(COUNT_SPECS) as CountName[];

export function noCounts(): Counts {
  return Object.fromEntries(COUNT_NAMES.map((name) => [name, 0])) as Counts;
}

export function addCounts(sum: Counts, more: Counts): void {
  for (const name of COUNT_NAMES) sum[name] += more[name];
}

/** Required kinds that never happened. */
export function missingKinds(counts: Counts): CountName[] {
  return COUNT_NAMES.filter((name) => COUNT_SPECS[name].required && counts[name] === 0);
}
