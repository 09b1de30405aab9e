/**
 * Option names that are none: which known one was most likely meant, and for names of the kraft
 * guides that have no option of their own here what does their work.
 *
 * It only suggests; nothing may ever be accepted by likeness.
 */

const LISTEN = "give listen: 'host:port'";
const SNAPSHOT = 'give it as snapshot: { ';
const ONE_LEVEL = 'LZ4 has one level here, its fast one; leave it out';
const MACHINE_IMAGE = "is a method of the group's machine";
const PEER_SOCKETS = 'sockets to peers need no settings; leave it out';
const SHARDS = 'sharding is not there yet; groups names the groups of this node';

type Remedies = Readonly<Record<string, string>>;

/** Names of the guides that are no option: what to use instead, or when it comes. */
export const REMEDIES: Remedies = {
  bindAddress: LISTEN,
  port: LISTEN,
  peers: "give cluster: { 1: 'host:port', 2: 'host:port' }",
  maxConnections: 'clients are limited by --max-clients of ringraft server; peers need no limit',
  connectionTimeout: 'clients have --idle-timeout of ringraft server; peers follow the heartbeat',
  snapshotThreshold: `${SNAPSHOT}threshold }`,
  snapshotInterval: `${SNAPSHOT}interval }`,
  snapshotChunkSize: `${SNAPSHOT}chunkSize }`,
  snapshotMinInterval: `${SNAPSHOT}minInterval }`,
  snapshotMaxSize: `${SNAPSHOT}maxSize }`,
  maxLogSize: 'give it as maxLogBytes',
  threshold: `${SNAPSHOT}threshold }`,
  minInterval: `${SNAPSHOT}minInterval }`,
  maxSize: `${SNAPSHOT}maxSize }`,
  chunkSize: `${SNAPSHOT}chunkSize }`,
  compression: `${SNAPSHOT}compression }`,
  retain: `${SNAPSHOT}retain }`,
  trailingEntries: `${SNAPSHOT}trailingEntries }`,
  transferRate: `${SNAPSHOT}transferRate }`,
  compressionEnabled: `${SNAPSHOT}compression }`,
  compressionLevel: ONE_LEVEL,
  max_in_snapshot_log_to_keep: `${SNAPSHOT}trailingEntries }`,
  purge_batch_size: 'whole segments of the log are freed at once; leave it out',
  onSnapshotCreate: `snapshot() ${MACHINE_IMAGE}`,
  onSnapshotRestore: `restore() ${MACHINE_IMAGE}`,
  onStateChange: "use group.on('role', ...)",
  onLeaderChange: "use group.on('leader', ...)",
  onCommit: "use group.on('commit', ...)",
  onMembershipChange: 'changing members is not there yet; group.status().members shows them',
  apply: 'give it as groups: [{ name, machine: { apply, query } }]',
  onApply: 'give it as groups: [{ name, machine: { apply, query } }]',
  userData: 'give it as machineOptions of a group; a machine of callbacks may close over it',
  readBufferSize: PEER_SOCKETS,
  writeQueueMax: PEER_SOCKETS,
  tcpNoDelay: PEER_SOCKETS,
  tcpKeepAlive: PEER_SOCKETS,
  keepAliveDelay: PEER_SOCKETS,
  replicationMode: 'give it as replication of a group, or of a call: "quorum" or "all"',
  replicationTimeout: 'timeoutMs bounds every call',
  userShards: SHARDS,
  sharedShards: SHARDS,
  totalNodes: 'the nodes are the entries of cluster',
};

/** The same for names inside `snapshot`. */
export const SNAPSHOT_REMEDIES: Remedies = {
  compressionEnabled: 'give it as compression',
  compressionLevel: ONE_LEVEL,
  snapshotThreshold: 'give it as threshold',
  snapshotInterval: 'give it as interval',
  snapshotMinInterval: 'give it as minInterval',
  snapshotChunkSize: 'give it as chunkSize',
  snapshotMaxSize: 'give it as maxSize',
  maxLogSize: 'give it as maxLogBytes beside snapshot, the size of the whole log',
  maxLogBytes: 'give it beside snapshot, not in it',
  max_in_snapshot_log_to_keep: 'give it as trailingEntries',
  purge_batch_size: 'whole segments of the log are freed at once; leave it out',
  onSnapshotCreate: `snapshot() ${MACHINE_IMAGE}`,
  onSnapshotRestore: `restore() ${MACHINE_IMAGE}`,
};

/** One row of the edit-distance table after another: O(n × m) for two short names. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The known name nearest to `name`, or null when none is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | null {
  const lower = name.toLowerCase();
  const near = known
    .map((other) => ({ other, distance: editDistance(lower, other.toLowerCase()) }))
    .filter(({ other, distance }) => {
      const holds = other.toLowerCase().includes(lower) || lower.includes(other.toLowerCase());
      return (holds && lower.length > 2) || distance <= Math.max(1, Math.floor(lower.length / 3));
    })
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.other ?? null;
}

/** One sentence for each name of `given` that is not known. */
export function unknownNames(
  given: object,
  known: readonly string[],
  where: string,
  remedies: Remedies,
): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `${where}${name} is not an option${remedyFor(name, known, remedies)}`);
}

function remedyFor(name: string, known: readonly string[], remedies: Remedies): string {
  if (Object.hasOwn(remedies, name)) return `: ${remedies[name]}`;
  const near = nearestName(name, known);
  return near === null ? '' : `; did you mean ${near}?`;
}

/** Values of the guides that go by another name here. */
const VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  timing: { 'high-latency': 'wide-area' },
  syncMode: {
    KRAFT_SYNC_ALWAYS: 'always',
    KRAFT_SYNC_BATCH: 'batch',
    KRAFT_SYNC_NONE: 'none',
  },
};

/** What follows a refusal of `value`, when the guides know it by another name. */
export function valueHint(name: string, value: string): string {
  const values = VALUES[name] ?? {};
  return Object.hasOwn(values, value) ? `; "${value}" is "${values[value]}" here` : '';
}
