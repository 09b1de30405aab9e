/**
 * Starts one node as a process of its own: which program, which arguments, where its output goes.
 *
 * The process leads its own session, so that Ctrl-C in the terminal reaches the command only, which
 * then ends the nodes in its own way. This must never wait for the node; readiness.ts does.
 */

import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import {
  type ClusterState,
  HOST,
  isMember,
  logPath,
  type NodeRecord,
  nodeDataPath,
} from './cluster-state.js';
import { logSize } from './node-log.js';
import { identify } from './process-state.js';

/** The arguments of `ringraft` that start this node. */
export function nodeArguments(state: ClusterState, node: NodeRecord, dataDir: string): string[] {
  return [
    'server',
    ...['--listen', `${HOST}:${node.peerPort}`],
    ...['--node', String(node.id)],
    ...peerArguments(state, node),
    ...['--data', nodeDataPath(dataDir, node.id)],
    ...['--client', String(node.clientPort)],
    ...state.flags,
  ];
}

/** Members name each other, whoever is none names some by which to come in. */
function peerArguments({ nodes }: ClusterState, { id, membership }: NodeRecord): string[] {
  const addressOf = ({ peerPort }: NodeRecord): string => `${HOST}:${peerPort}`;
  const members = nodes.filter((node) => isMember(node) || node.id === id);
  if (membership !== undefined) {
    return [
      '--join',
      members
        .filter((node) => node.id !== id)
        .map(addressOf)
        .join(','),
    ];
  }
  const byPlace = members.every((node, at) => node.id === at + 1);
  const named = members.map((node) => `${byPlace ? '' : `${node.id}=`}${addressOf(node)}`);
  return ['--cluster', named.join(',')];
}

/**
 * The program and its first arguments. `RINGRAFT_BINARY` names another one: a script is run by this
 * very Node.js, anything else by itself. From source the loader that runs us runs the node too.
 */
function program(env: NodeJS.ProcessEnv): { file: string; first: string[] } {
  const chosen = env.RINGRAFT_BINARY;
  if (chosen !== undefined && chosen !== '') {
    const script = /\.(?:[cm]?js|ts)$/.test(chosen);
    return script ? { file: process.execPath, first: [chosen] } : { file: chosen, first: [] };
  }
  const fromSource = import.meta.url.endsWith('.ts');
  const script = new URL(fromSource ? '../ringraft.ts' : '../ringraft.js', import.meta.url);
  const loader = fromSource ? process.execArgv : [];
  return { file: process.execPath, first: [...loader, fileURLToPath(script)] };
}

export type Launched = Pick<NodeRecord, 'process' | 'startedAtMs' | 'ended' | 'logStart'>;

/** Starts the node and returns what is to be recorded about it. Throws when nothing could start. */
export async function launchNode(
  state: ClusterState,
  node: NodeRecord,
  dataDir: string,
): Promise<Launched> {
  mkdirSync(dataDir, { recursive: true });
  const log = logPath(dataDir, node.id);
  const startedAtMs = Date.now();
  appendFileSync(log, `--- node ${node.id} starts, ${new Date(startedAtMs).toISOString()}\n`);
  const logStart = logSize(log);
  const { file, first } = program(process.env);
  const output = openSync(log, 'a');
  try {
    const parameters = [...first, ...nodeArguments(state, node, dataDir)];
    const child = spawn(file, parameters, { detached: true, stdio: ['ignore', output, output] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    // A process that ended within these microseconds is reported by whoever waits for it.
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    return { process: identity ?? null, startedAtMs, ended: null, logStart };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(ExitCode.failed, `node ${node.id} cannot be started: ${reason}`, error);
  } finally {
    closeSync(output);
  }
}
