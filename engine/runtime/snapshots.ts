/**
 * A group's snapshots: when one is taken, what of the log may go then, and how one that the leader
 * sends replaces what is here.
 *
 * The work is in the parts: snapshot-policy.ts decides, snapshot-taker.ts takes, -fetcher.ts
 * fetches, -restorer.ts gives an image to the machine. This file must never see a byte of one.
 */

import { decodeConfiguration, encodeConfiguration } from '../../codec/configuration.js';
import type { SnapshotSection } from '../../codec/snapshot-section.js';
import { ErrorNumber } from '../errors.js';
import type { Message } from '../raft/message.js';
import type { Raft } from '../raft/raft.js';
import {
  isSamePoint,
  type LogIndex,
  type NodeId,
  type SnapshotPoint,
  type Term,
} from '../raft/types.js';
import type { Applier } from './applier.js';
import type { MachineHost } from './machine-host.js';
import type { CompletionPort } from './ports.js';
import { SnapshotFetcher } from './snapshot-fetcher.js';
import { type Pressure, type SnapshotOptions, SnapshotPolicy } from './snapshot-policy.js';
import type { SnapshotNews, SnapshotPort, StoredSnapshot } from './snapshot-port.js';
import { SnapshotRestorer, withoutState } from './snapshot-restorer.js';
import { SnapshotTaker } from './snapshot-taker.js';

export interface SnapshotsParts {
  readonly raft: Raft;
  readonly host: MachineHost;
  readonly port: SnapshotPort;
  readonly applier: Applier;
  readonly completions: CompletionPort;
  readonly options: SnapshotOptions;
  readonly stopwatch: () => number;
  /** There is no room in the log for what clients propose. */
  readonly logIsShort: () => boolean;
  /** Complete snapshots found at the start, newest first. */
  readonly found: readonly StoredSnapshot[];
  /** The log begins anew after this point: nothing of it is in memory. */
  readonly logReset: (point: SnapshotPoint) => void;
  /** The log begins after `index` now. */
  readonly logCompacted: (index: LogIndex) => void;
  /** The group cannot go on here. */
  readonly fail: (code: ErrorNumber, text: string) => void;
}

export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #policy: SnapshotPolicy;
  readonly #taker: SnapshotTaker;
  readonly #restorer: SnapshotRestorer;
  readonly #fetcher: SnapshotFetcher;
  #newest: StoredSnapshot | null;
  #previous: StoredSnapshot | null;
  /** Came from the leader and is durable here; installed when the machine has a moment. */
  #fetched: StoredSnapshot | null = null;
  /** The log needs room: kept until it begins at the newest snapshot. */
  #pressure: Pressure = 'none';
  /** A snapshot is due because of that. */
  #isPressed = false;
  /** Who asked for a snapshot by hand, and the entries that it must cover. */
  #requests: { readonly id: number; readonly from: LogIndex }[] = [];
  #warnedOfSize = false;
  /** Its file is of no use any more, and it was the newest: another one has to take its place. */
  #lost: SnapshotPoint | null = null;
  #toldOfLost = '';
  /** The failure that was told last: a machine that gives no image fails again and again. */
  #told = '';
  /** That one waits for room in the log: told once until one is whole. */
  #toldOfWait = false;
  /** The refusal of a fetch that was told last. */
  #toldOfFetch = '';
  taken = 0;
  failures = 0;
  /** Those of a leader that replaced what was here. */
  installed = 0;

  constructor(parts: SnapshotsParts) {
    const { host, port, options, found } = parts;
    this.#parts = parts;
    this.#policy = new SnapshotPolicy(options);
    this.#taker = new SnapshotTaker(host, port, parts.stopwatch);
    this.#restorer = new SnapshotRestorer(host, port, (index) => parts.applier.restored(index));
    this.#fetcher = new SnapshotFetcher(port);
    this.#newest = found[0] ?? null;
    this.#previous = this.#keepsTwo ? (found[1] ?? null) : null;
    if (this.#newest !== null) this.#restore(this.#newest);
  }

  /** The one before the newest stands in for it when it is lost. */
  get #keepsTwo(): boolean {
    return this.#parts.options.retain > 1;
  }

  get newest(): StoredSnapshot | null {
    return this.#newest;
  }

  /** Images that the machine was given: after the start, and from leaders. */
  get restored(): number {
    return this.#restorer.count;
  }

  /** Client sessions in the state that a snapshot is taken of. */
  get sessions(): number {
    return this.#parts.host.sessions;
  }

  get isRestoring(): boolean {
    return this.#restorer.isRestoring;
  }

  /** Messages as they may leave now. */
  asHeld(messages: readonly Message[]): readonly Message[] {
    return this.isRestoring ? messages.map(withoutState) : messages;
  }

  /** The snapshot that the machine is being given; null when none is. */
  get restoring(): SnapshotPoint | null {
    return this.#restorer.point;
  }

  get isTaking(): boolean {
    return !this.#taker.isIdle;
  }

  /** Bytes of a snapshot that is being fetched; null when none is. */
  get fetching(): { readonly point: SnapshotPoint; readonly bytes: number } | null {
    const { point, bytes } = this.#fetcher;
    return point === null ? null : { point, bytes };
  }

  /** Its state is in no snapshot here, and there is nobody to fetch it from. */
  get #isStranded(): boolean {
    const { raft } = this.#parts;
    return raft.missingState && raft.configuration.members.length === 1;
  }

  get deadline(): number {
    return Math.min(this.#fetcher.deadline, this.#taker.deadline);
  }

  get hasWork(): boolean {
    return this.#taker.hasWork || this.#restorer.hasWork;
  }

  get isWaitingForRoom(): boolean {
    return this.#taker.isWaitingForRoom;
  }

  /** Somebody wants a snapshot of everything applied by now. Answered by an event. */
  request(id: number): void {
    this.#requests.push({ id, from: this.#parts.applier.applied });
  }

  /** The log needs room that only this group can give. */
  pressed(isUrgent: boolean): void {
    this.#isPressed = true;
    if (this.#pressure !== 'urgent') this.#pressure = isUrgent ? 'urgent' : 'room';
  }

  /** The leader offers its snapshot. */
  wanted(peer: NodeId, point: SnapshotPoint, now: number): void {
    if (this.#fetched === null) this.#fetcher.wanted(peer, point, now);
  }

  tick(now: number): void {
    this.#fetcher.tick(now);
  }

  /** One slice of whatever is under way. */
  turn(now: number): void {
    if (this.#isStranded) {
      this.#parts.fail(ErrorNumber.storage, stranded(this.#parts.raft, this.#newest));
      return;
    }
    this.#giveUpUseless();
    this.#install(now);
    this.#restorer.step();
    if (this.isRestoring) return;
    // Each turn: what stood in the way, such as a transfer, ends without a word.
    if (this.#pressure !== 'none') this.#compact();
    if (this.#taker.isIdle) this.#begin(now);
    this.#taker.step(this.#parts.raft.durableIndex, now);
    this.#tellWait();
  }

  /** It covers entries that wait for room, and only somebody else can make that. */
  #tellWait(): void {
    const { raft, completions, logIsShort } = this.#parts;
    const { point, isWaitingForLog } = this.#taker;
    if (!isWaitingForLog || point === null || this.#toldOfWait || !logIsShort()) return;
    this.#toldOfWait = true;
    const text =
      `a snapshot up to entry ${point.index} waits until the log on disk reaches that entry: it ` +
      `ends at ${raft.durableIndex}, and the disk has no room. Nothing is lost. If that lasts, ` +
      'free space on the disk: the node goes on by itself';
    completions.event({ kind: 'snapshotWarning', text });
  }

  #begin(now: number): void {
    const { raft, applier, host } = this.#parts;
    const { applied } = applier;
    const base = this.#newest?.point.index ?? 0;
    const entries = applied - base;
    if (entries === 0 || raft.missingState) {
      this.#isPressed = false;
      if (this.#requests.length === 0) return;
      this.#answerAtOnce(applied);
      this.#compact();
      return;
    }
    const bytes = (): number => raft.state.log.bytesBetween((base + 1) as LogIndex, applied);
    const { snapshotNeeded: needed } = raft;
    const isNeeded = needed > 0 && applied >= needed && this.#policy.mayTry(now);
    const isLost = this.#lost !== null && this.#policy.mayTry(now);
    const isAsked = isNeeded || isLost || this.#requests.length > 0;
    if (!isAsked && !this.#policy.isDue(now, { entries, bytes }, this.#isPressed)) return;
    // The machine must be between two slabs: its state is then that of `applied`.
    if (applier.isLending) return;
    const { index, configuration } = raft.configurationAt(applied);
    const point = { index: applied, term: raft.termAt(applied) as Term };
    const entry = { index, bytes: encodeConfiguration(configuration) };
    const { timeMs, sessions } = host;
    this.#taker.begin({ point, timeMs, configuration: entry, hasSessions: sessions > 0 });
  }

  /** Nothing was applied since the newest snapshot: it is what was asked for. */
  #answerAtOnce(applied: LogIndex): void {
    const newest = this.#newest;
    if (newest === null || this.#parts.raft.missingState) {
      const text = applied === 0 ? 'nothing is applied yet' : 'the state has to be fetched first';
      this.#refuse(ErrorNumber.snapshot, text);
    } else this.#answer(newest);
  }

  #answer(stored: StoredSnapshot): void {
    const { point, imageBytes, fileBytes } = stored;
    const done = this.#requests.filter(({ from }) => from <= point.index);
    this.#requests = this.#requests.filter(({ from }) => from > point.index);
    for (const { id } of done) {
      const figures = { index: point.index, term: point.term, imageBytes, fileBytes };
      this.#parts.completions.event({ kind: 'snapshot', id, ...figures });
    }
  }

  #refuse(code: ErrorNumber, text: string): void {
    for (const { id } of this.#requests.splice(0)) {
      this.#parts.completions.event({ kind: 'snapshotRefused', id, code, text });
    }
  }

  onImage(chunk: Uint8Array | null, section?: SnapshotSection): void {
    this.#taker.onImage(chunk, section);
    const { bytesMax } = this.#parts.options;
    if (bytesMax === 0 || this.#warnedOfSize || this.#taker.imageBytes <= bytesMax) return;
    this.#warnedOfSize = true;
    const text = `the image has more than snapshot.maxSize, ${bytesMax} bytes: it is taken anyway`;
    this.#parts.completions.event({ kind: 'snapshotWarning', text });
  }

  onImageFailed(cause: unknown, now: number): void {
    this.#taker.abandon();
    const text = cause instanceof Error ? cause.message : String(cause);
    this.#onFailed(`the state machine gave no image: ${text}`, now);
  }

  /** What the port has to say. */
  onNews(news: SnapshotNews, now: number): void {
    switch (news.kind) {
      case 'written':
        this.#onWritten(news.stored, now);
        break;
      case 'failed':
        this.#onNotWritten(news.point, news.text, now);
        break;
      case 'read':
        this.#restorer.onRead(news);
        break;
      case 'unreadable':
        this.#onUnreadable(news.point, news.text);
        break;
      case 'fetching':
        this.#fetcher.onFetching(news.point, news.next, news.bytes, now);
        break;
      case 'fetched':
        this.#onFetched(news.stored);
        break;
      case 'refused':
        this.#onRefused(news.point, news.text, now);
        break;
      case 'cutOff':
        this.#fetcher.onCutOff(news.point, now);
        break;
      case 'unservable':
        this.#onUnservable(news);
        break;
    }
  }

  #onWritten(stored: StoredSnapshot, now: number): void {
    if (this.#taker.point?.index !== stored.point.index) return;
    this.#taker.ended();
    this.taken += 1;
    this.#warnedOfSize = false;
    this.#told = '';
    this.#toldOfWait = false;
    this.#isPressed = false;
    this.#policy.ended(now);
    this.#parts.raft.snapshotTaken(stored.point);
    this.#keep(stored);
    this.#compact();
    this.#answer(stored);
  }

  #onNotWritten(point: SnapshotPoint, text: string, now: number): void {
    if (this.#taker.point?.index !== point.index) return;
    this.#taker.ended();
    this.#onFailed(text, now);
  }

  #onFailed(text: string, now: number): void {
    this.failures += 1;
    this.#policy.failed(now);
    this.#refuse(ErrorNumber.snapshot, text);
    if (text === this.#told) return;
    this.#told = text;
    const warning = `no snapshot was taken, which is told once: ${text}`;
    this.#parts.completions.event({ kind: 'snapshotWarning', text: warning });
  }

  #keep(stored: StoredSnapshot): void {
    this.#previous = this.#keepsTwo ? this.#newest : null;
    this.#newest = stored;
    this.#replaceLost();
    const { raft, port, options } = this.#parts;
    raft.withdrawIdleOffers();
    // A file that was fetched in vain may be newer: it must not take the place of these.
    const own = this.#previous === null ? [stored.point] : [stored.point, this.#previous.point];
    port.retain(Math.max(1, options.retain), [...raft.snapshotsBeingSent, ...own]);
  }

  /** The peers that are offered what was lost are offered the newest snapshot. */
  #replaceLost(): void {
    const lost = this.#lost;
    this.#lost = null;
    if (lost !== null) this.#offerNewest(lost);
  }

  #offerNewest(gone: SnapshotPoint): void {
    const { raft } = this.#parts;
    if (gone.index < (raft.state.snapshot?.index ?? 0)) raft.snapshotGone(gone);
  }

  /**
   * No peer can be sent this one. Whoever was offered it gets the newest; for want of that one the
   * state goes into a new one, and until it is whole the log reaches back as far as it does now.
   */
  #onUnservable({ point, text, isGone }: Extract<SnapshotNews, { kind: 'unservable' }>): void {
    const isNewest = this.#newest !== null && isSamePoint(this.#newest.point, point);
    if (isNewest) {
      this.#lost = point;
      this.#newest = this.#previous;
      this.#previous = null;
    }
    this.#offerNewest(point);
    // A peer may ask for one that it was offered long ago.
    if ((isGone && !isNewest) || text === this.#toldOfLost) return;
    this.#toldOfLost = text;
    const warning = `a snapshot cannot be sent to peers, another one takes its place: ${text}`;
    this.#parts.completions.event({ kind: 'snapshotWarning', text: warning });
  }

  /** Forgets what of the log nobody needs any more. */
  #compact(): void {
    const { raft, applier } = this.#parts;
    const newest = this.#newest?.point.index;
    if (newest === undefined) return;
    const previous = this.#previous?.point.index ?? null;
    const wanted = this.#policy.compactTo(newest, previous, this.#pressure !== 'none');
    // Followers that are being sent a snapshot need what comes behind it.
    const needed = raft.snapshotFloor;
    const floor = this.#pressure === 'urgent' ? Number.POSITIVE_INFINITY : needed;
    const to = Math.min(wanted, floor, raft.durableIndex, applier.applied) as LogIndex;
    if (to > raft.compactedIndex) {
      raft.compact(to);
      if (to > needed) this.#tellGivenUp(needed);
      this.#parts.logCompacted(to);
    }
    if (!this.#isPressed && raft.compactedIndex >= newest) this.#pressure = 'none';
  }

  /** A transfer is in vain: told each time, as it may go on like that as long as writes do. */
  #tellGivenUp(needed: LogIndex): void {
    const text =
      `a peer was being sent the snapshot of entry ${needed} when the log reached three quarters ` +
      'of maxLogBytes, and what it would have needed next is forgotten: it is sent a newer ' +
      'snapshot. If that is told again and again, writes are faster than the transfer: raise ' +
      'maxLogBytes, or snapshot.transferRate where one is set';
    this.#parts.completions.event({ kind: 'snapshotWarning', text });
  }

  /** A snapshot from the leader is complete and synced here. */
  #onFetched(stored: StoredSnapshot): void {
    if (this.#fetcher.point?.index !== stored.point.index) return;
    this.#fetcher.ended();
    this.#toldOfFetch = '';
    this.#fetched = stored;
  }

  /** The peer does not have it any more, or what it sent was refused: it will offer one again. */
  #onRefused(point: SnapshotPoint, text: string, now: number): void {
    if (this.#fetcher.point?.index !== point.index) return;
    this.#fetcher.refused(now);
    if (text === this.#toldOfFetch) return;
    this.#toldOfFetch = text;
    this.#parts.completions.event({ kind: 'snapshotWarning', text });
  }

  /** The log has overtaken what is being fetched, or this node leads now. */
  #giveUpUseless(): void {
    const { point } = this.#fetcher;
    if (point !== null && !this.#parts.raft.canInstall(point)) this.#fetcher.abandon();
  }

  /** Replaces log and state, as soon as the machine is between two slabs. */
  #install(now: number): void {
    const fetched = this.#fetched;
    const { raft, applier } = this.#parts;
    if (fetched === null || this.isRestoring || applier.isLending) return;
    this.#fetched = null;
    const { index, bytes } = fetched.configuration;
    const configuration = decodeConfiguration(Buffer.from(bytes));
    const before = raft.state.log.generation;
    const entry = { index: index as LogIndex, configuration };
    if (!raft.install(fetched.point, entry, now)) return;
    this.installed += 1;
    this.#taker.abandon();
    if (raft.state.log.generation !== before) this.#parts.logReset(fetched.point);
    else this.#parts.logCompacted(raft.compactedIndex);
    this.#keep(fetched);
    this.#restore(fetched);
  }

  #restore({ point, timeMs }: StoredSnapshot): void {
    this.#parts.applier.restoring(point);
    this.#restorer.begin(point, timeMs);
  }

  /** A file that was whole a moment ago cannot be read: the machine has half a state. */
  #onUnreadable(point: SnapshotPoint, text: string): void {
    if (this.#restorer.point?.index !== point.index) return;
    this.#parts.fail(ErrorNumber.storage, text);
  }

  onChunkTaken(): void {
    this.#restorer.onTaken();
  }

  onRestored(): void {
    this.#restorer.onRestored();
  }

  /** The group ends. */
  end(code: ErrorNumber): void {
    this.#taker.abandon();
    this.#fetcher.abandon();
    this.#refuse(code, '');
  }
}

function stranded({ compactedIndex }: Raft, newest: StoredSnapshot | null): string {
  const has = newest === null ? 'there is no snapshot' : `the newest covers ${newest.point.index}`;
  return (
    `the log begins after entry ${compactedIndex} and ${has}: the state before it is gone, and ` +
    'this cluster has no other member to fetch it from. Put the snapshot back from a copy'
  );
}
