/**
 * The public face of ringraft: exports only.
 */

export type {
  LeadershipTransferred,
  MemberChange,
  MembersChanged,
  MembersPlanned,
  MemberToBe,
} from './admin-calls.js';
export {
  type BatchOptions,
  CHANNEL_BUSY,
  CHANNEL_CLOSED,
  CHANNEL_TOO_LARGE,
  type Channel,
  type CompletionSink,
} from './channel.js';
export {
  type EngineOptions,
  type SyncMode,
  TIMING_PRESETS,
  type TimingPreset,
} from './config.js';
export type { GroupOptions, Replication } from './config-groups.js';
export type { ConsistencyWord, ReadTermsGiven } from './config-reads.js';
export {
  type CloseOptions,
  type CloseReport,
  Engine,
  type EngineEvents,
  type EngineStatus,
  type OpenOptions,
  type PeerEvent,
} from './engine.js';
export { ERROR_KINDS, ErrorNumber, RingraftError } from './errors.js';
export { Group } from './group.js';
export type {
  CallOptions,
  GroupEvents,
  ProposeOptions,
  ProposeResult,
  ReadOptions,
  ReadResult,
} from './group-calls.js';
export { type HostedEntry, type HostedMachine, Reject } from './hosted-machine.js';
export type { MemberEvent } from './member-news.js';
export type {
  CloseSessionOptions,
  OpenSessionOptions,
  Session,
  SessionPlace,
} from './session-calls.js';
export type { SnapshotTaken } from './snapshot-calls.js';
export type { GroupSnapshotSettings, SnapshotSettings } from './snapshot-settings.js';
export type {
  ApplyBatch,
  MachineContext,
  Restoration,
  StateMachine,
  StateMachineFactory,
} from './state-machine.js';
export type { GroupStatus, MemberStatus, SnapshotStatus } from './status.js';
export type { StaleAnswer } from './witness-mode.js';
