/**
 * Bounds that hold everywhere, with the reason for each.
 */

export const LIMITS = {
  /** Node ids travel as u32 in ring records and frames. */
  nodeIdMax: 0xffff_ffff,
  /** Groups of one node: the handshake declares each. */
  groupsMax: 1024,
  /** UTF-8 bytes of a group's name: the data directory records all names in one small file. */
  groupNameBytesMax: 255,
  /**
   * Default of `entryBytesMax`: a ring record is an eighth of its ring, so this sets 16 MiB rings.
   */
  entryBytesMaxDefault: 1024 * 1024,
  /** Largest `entryBytesMax`: one entry must fit into a WAL block of 4 MiB with its headers. */
  entryBytesMaxMax: 2 * 1024 * 1024,
  /** A WAL request is at most half a segment and 4 MiB: what one turn of a group can gather. */
  segmentBytesMin: 8 * 1024 * 1024,
  /** A segment is whole sectors (io/wal/segment-format.ts). */
  segmentBytesUnit: 512,
  /** Entries one node may have proposed and not yet answered, per group. */
  inflightEntriesMax: 1 << 18,
  /** Bytes of commands and queries gathered for one ring record. */
  batchBytesMax: 64 * 1024,
  /** Largest answer to a read: it is held whole by both threads while it travels in parts. */
  answerBytesMax: 128 * 1024 * 1024,
  /**
   * A configuration as bytes, which is what all members and their addresses make together: it must
   * fit into an order about a snapshot (the ring `loads` in workers/topology.ts) and into the head
   * of a chunk (codec/frames/snapshot-frames.ts).
   */
  configurationBytesMax: 24 * 1024,
  /** Longest `timeoutMs` of a call. */
  timeoutMsMax: 2 ** 31 - 1,
} as const;
