/**
 * What is remembered about a local cluster between commands: `DIR/cluster.json`, replaced whole.
 *
 *   DIR/cluster.json   which nodes there are, their ports, processes and flags
 *   DIR/1/             the data directory of node 1          DIR/1.log   what it printed
 *
 * Reading must never guess: a file of another format or a damaged one is an error that names it,
 * since the processes it spoke of may be running.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../../io/process-identity.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';

export const NODES_MAX = 9;
export const CLIENT_PORT_OFFSET = 100;
export const HOST = '127.0.0.1';

const FORMAT = 1;

export interface NodeRecord {
  readonly id: number;
  readonly peerPort: number;
  readonly clientPort: number;
  /** The process that was started last, which may have ended since; null before the first start. */
  readonly process: ProcessIdentity | null;
  readonly startedAtMs: number;
  /** How a command of ours ended that process; null while it runs or when it died by itself. */
  readonly ended: 'stopped' | 'killed' | null;
  /** Where in the log file the output of that process begins. */
  readonly logStart: number;
  /**
   * Left out: a member since the cluster began. One that is none, not yet or not any more, is
   * started to join by the addresses of those that are.
   */
  readonly membership?: Membership;
}

export type Membership = 'joining' | 'joined' | 'removed';

export interface ClusterState {
  readonly format: typeof FORMAT;
  /** Flags that every node is started with, as they stand on its command line. */
  readonly flags: readonly string[];
  readonly nodes: readonly NodeRecord[];
}

/** A node that is none waits until it is added, and knows no leader. */
export function isMember({ membership }: NodeRecord): boolean {
  return membership === undefined || membership === 'joined';
}

export const statePath = (dataDir: string): string => join(dataDir, 'cluster.json');
export const nodeDataPath = (dataDir: string, id: number): string => join(dataDir, String(id));
export const logPath = (dataDir: string, id: number): string => join(dataDir, `${id}.log`);

/** A cluster that was never started. */
export function newState(count: number, basePort: number, flags: readonly string[]): ClusterState {
  const nodes = Array.from({ length: count }, (_, at) => newNode(at + 1, basePort));
  return { format: FORMAT, flags, nodes };
}

/** A node that was never started; `basePort` is the peer port of node 1. */
export function newNode(id: number, basePort: number): NodeRecord {
  const never = { process: null, startedAtMs: 0, ended: null, logStart: 0 };
  return { id, ...portsOf(basePort, id), ...never };
}

export function portsOf(basePort: number, id: number): { peerPort: number; clientPort: number } {
  const peerPort = basePort + id - 1;
  return { peerPort, clientPort: peerPort + CLIENT_PORT_OFFSET };
}

/** The state in the text of a state file; a string says what is wrong with it. */
export function parseState(text: string): ClusterState | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'it holds no object';
  const { format, flags, nodes } = value as Partial<Record<keyof ClusterState, unknown>>;
  if (format !== FORMAT) return `its format is ${String(format)}, this version knows ${FORMAT}`;
  if (!Array.isArray(flags) || !flags.every((flag) => typeof flag === 'string')) {
    return 'its flags are not a list of texts';
  }
  if (!Array.isArray(nodes) || nodes.length < 1 || nodes.length > NODES_MAX) {
    return `it must name 1 to ${NODES_MAX} nodes`;
  }
  const wrong = nodes.findIndex((node, at) => !isNodeRecord(node) || node.id !== at + 1);
  return wrong < 0 ? (value as ClusterState) : `what it says about node ${wrong + 1} is damaged`;
}

const MEMBERSHIPS: readonly string[] = ['joining', 'joined', 'removed'];

function isNodeRecord(value: unknown): value is NodeRecord {
  if (typeof value !== 'object' || value === null) return false;
  const node = value as Partial<Record<keyof NodeRecord, unknown>>;
  const numbers = [node.id, node.peerPort, node.clientPort, node.startedAtMs, node.logStart];
  return (
    numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0) &&
    (node.process === null || isIdentity(node.process)) &&
    (node.ended === null || node.ended === 'stopped' || node.ended === 'killed') &&
    (node.membership === undefined || MEMBERSHIPS.includes(String(node.membership)))
  );
}

/** A pid below 2 would address every process, a group or the system itself. */
function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTime, bootId } = value as Partial<Record<keyof ProcessIdentity, unknown>>;
  return (
    Number.isSafeInteger(pid) &&
    (pid as number) > 1 &&
    Number.isSafeInteger(startTime) &&
    (startTime as number) > 0 &&
    typeof bootId === 'string'
  );
}

/** The recorded state; undefined when no cluster was ever started in `dataDir`. */
export function readState(dataDir: string): ClusterState | undefined {
  const path = statePath(dataDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CommandError(ExitCode.failed, `${path} cannot be read (${code})`, error);
  }
  const state = parseState(text);
  if (typeof state !== 'string') return state;
  const remedy = 'end its nodes by hand and remove that file; the data beside it stays';
  throw new CommandError(ExitCode.failed, `${path} cannot be used: ${state}; ${remedy}`);
}

/** Not synced: after a loss of power none of the processes it names is left. */
export function writeState(dataDir: string, state: ClusterState): void {
  const path = statePath(dataDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** The same state with one node's record changed. */
export function withNode(
  state: ClusterState,
  id: number,
  change: Partial<Omit<NodeRecord, 'id'>>,
): ClusterState {
  const nodes = state.nodes.map((node) => (node.id === id ? { ...node, ...change } : node));
  return { ...state, nodes };
}
