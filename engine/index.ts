/**
 * The public face of ringraft: exports only.
 */

export { type EngineOptions, type GroupOptions, TIMING_PRESETS } from './config.js';
export { Engine, type EngineEvents, type EngineStatus } from './engine.js';
export { RingraftError } from './errors.js';
export type {
  CallOptions,
  GroupEvents,
  ProposeOptions,
  ProposeResult,
  ReadOptions,
} from './group.js';
export { Group } from './group.js';
export type {
  ApplyBatch,
  MachineContext,
  StateMachine,
  StateMachineFactory,
} from './state-machine.js';
