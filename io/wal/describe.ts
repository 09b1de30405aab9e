/**
 * A segment as text, one line per header, block, request and run: what `ringraft inspect wal`
 * prints.
 *
 * It reads a single file, without the rest of its log, and never refuses: damage is a line. It must
 * never write, and never print an entry's payload.
 */

import type { Disk } from '../disk/disk.js';
import { type BlockFrame, BlockKind, type GroupMask, maskEmpty } from './block-format.js';
import { type GroupState, readGroupStates } from './checkpoint-record.js';
import { readRequests, type StoredRequest } from './request-record.js';
import {
  SECTOR_BYTES,
  type SegmentHeader,
  segmentOfName,
  WAL_FORMAT_VERSION,
} from './segment-format.js';
import { isBlock, SCAN_WINDOW_BYTES, SegmentReader } from './segment-reader.js';

const KIND_NAMES = new Map<number, string>(
  Object.entries(BlockKind).map(([name, kind]) => [kind, name]),
);

/** False for a file without a segment's header: another file, or a segment not begun yet. */
export function isSegment(disk: Disk, path: string): boolean {
  const probe = new SegmentReader(disk, path, 0, SECTOR_BYTES);
  const header = probe.header();
  probe.release();
  return header !== null;
}

/**
 * Lines that describe the segment file at `path`. Throws the disk's error when it cannot be read.
 */
export function* describeSegment(disk: Disk, path: string): Generator<string> {
  const probe = new SegmentReader(disk, path, 0, SECTOR_BYTES);
  const header = probe.header();
  probe.release();
  if (header === null) {
    yield `${path}: no segment header (${probe.size} bytes)`;
    return;
  }
  yield describeHeader(header);
  const named = segmentOfName(path.slice(path.lastIndexOf('/') + 1));
  if (named !== null && named !== header.segment) {
    yield `  named segment ${named} and not begun: what follows is of the file's former life`;
  }
  if (header.version !== WAL_FORMAT_VERSION) {
    yield `  this program reads format version ${WAL_FORMAT_VERSION} only`;
    return;
  }
  const reader = new SegmentReader(disk, path, header.segment, SCAN_WINDOW_BYTES);
  try {
    yield* describeBlocks(reader, header);
  } finally {
    reader.release();
  }
}

function describeHeader(header: SegmentHeader): string {
  const features = `features required ${hex(header.required)} optional ${hex(header.optional)}`;
  return (
    `segment ${header.segment} format ${header.version} ${features} cluster ${header.clusterId} ` +
    `node ${header.nodeId} log ${header.logId} size ${header.segmentBytes}`
  );
}

function* describeBlocks(reader: SegmentReader, header: SegmentHeader): Generator<string> {
  const place = reader.place(header.logId);
  let offset = SECTOR_BYTES;
  let previous: BlockFrame | null = null;
  for (;;) {
    const found = reader.block(offset, place);
    if (!isBlock(found)) {
      yield* describeEnd(reader, header, offset, found.what);
      return;
    }
    const { frame, body } = found;
    yield `${position(offset)} ${describeFrame(frame)}${describeChain(previous, frame)}`;
    yield* describeBody(reader, frame, body);
    previous = frame;
    offset += frame.blockBytes;
  }
}

function describeFrame(frame: BlockFrame): string {
  const kind = KIND_NAMES.get(frame.kind) ?? `kind ${frame.kind}`;
  const mask = maskEmpty(frame.mask) ? '' : ` groups ${describeMask(frame.mask)}`;
  const terms = frame.termMax === 0 ? '' : ` terms ≤ ${frame.termMax}`;
  const head = `${kind} #${frame.sequence} durable ${frame.durableSeq}`;
  return `${head} ${frame.blockBytes} bytes${mask}${terms}`;
}

function describeChain(previous: BlockFrame | null, frame: BlockFrame): string {
  if (previous === null) return '';
  if (frame.kind === BlockKind.handover) return '';
  if (frame.sequence !== previous.sequence + 1) return ` BROKEN: follows #${previous.sequence}`;
  return frame.previousCrc === previous.crc ? '' : ' BROKEN: the block before it was another one';
}

function* describeBody(reader: SegmentReader, frame: BlockFrame, body: number): Generator<string> {
  const { bytes, view } = reader;
  if (frame.kind === BlockKind.batch) {
    const requests = readRequests(bytes, view, body, frame.bodyBytes, frame.requests);
    if (requests === null) yield '           DAMAGED: the request records do not fill the block';
    for (const request of requests ?? []) yield `           ${describeRequest(request)}`;
  }
  if (frame.kind === BlockKind.checkpoint) {
    const states = readGroupStates(bytes, view, body, frame.bodyBytes, frame.requests);
    if (states === null) yield '           DAMAGED: the group states do not fill the block';
    for (const state of states ?? []) yield `           ${describeState(state)}`;
  }
}

function describeRequest(request: StoredRequest): string {
  const { hardState, truncateAfter, configuration } = request;
  const { reset, compact, isCopy } = request;
  const name = isCopy ? 'copy' : `request ${request.seq}`;
  const words = [`group ${request.group} ${name} term ${request.term}`];
  words.push(`generation ${request.generation}`);
  if (hardState !== null) words.push(`hard state ${hardState.term}/${hardState.vote}`);
  if (reset !== null) words.push(`reset to ${reset.index}@${reset.term}`);
  if (truncateAfter !== null) words.push(`truncate after ${truncateAfter}`);
  for (const { term, first, count, bytes } of request.runs) {
    words.push(`entries ${first}–${first + count - 1}@${term} (${bytes} bytes)`);
  }
  if (configuration !== null) {
    words.push(`configuration ${configuration.index} (${configuration.bytes.length} bytes)`);
  }
  if (compact !== null) words.push(`compact up to ${compact.index}@${compact.term}`);
  if (request.clearsDoubt) words.push('clears doubt');
  words.push(`last ${request.lastIndex}`);
  return words.join(' ');
}

function describeState(state: GroupState): string {
  const { configuration } = state;
  const words = [`group ${state.group} hard state ${state.term}/${state.vote}`];
  words.push(`generation ${state.generation} last ${state.lastIndex}`);
  words.push(`compacted ${state.compactedIndex}@${state.compactedTerm}`);
  words.push(`snapshot ${state.snapshotId}`);
  if (configuration !== null) {
    words.push(`configuration ${configuration.index} (${configuration.bytes.length} bytes)`);
  }
  if (state.inDoubt) words.push('in doubt');
  return words.join(' ');
}

/** The end of the blocks: clean, or what lies there and what is still recognisable after it. */
function* describeEnd(
  reader: SegmentReader,
  header: SegmentHeader,
  offset: number,
  what: string,
): Generator<string> {
  const place = reader.place(header.logId);
  const frames = new Set<string>();
  const dirtyEnd = reader.scanFrames(offset, place, (frame) => {
    frames.add(`${position(frame.offset)} unreachable ${describeFrame(frame)}`);
  });
  if (dirtyEnd === offset) {
    yield `${position(offset)} end, ${reader.size - offset} bytes free`;
    return;
  }
  yield `${position(offset)} end: ${what}; traces of blocks up to ${dirtyEnd}`;
  yield* frames;
}

function describeMask(mask: GroupMask): string {
  return `${hex(mask.high)}:${hex(mask.low)}`;
}

function position(offset: number): string {
  return offset.toString().padStart(10);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
