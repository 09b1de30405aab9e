/**
 * The row of the images: what snapshots hold that nodes take while they are written to as fast as
 * they can be.
 *
 * At the index of a snapshot nothing but the log knows the state, once more was written. So each
 * state is computed here, from the snapshot before and the entries after it, and compared: with
 * the image of the newest snapshot first, then, from that image on, with the node itself at rest.
 */

import { Generator } from '../cluster/generator.js';
import { askOnce, parseInfo } from '../cluster/node-client.js';
import type { Node, Nodes } from '../cluster/nodes.js';
import { CONNECTIONS, IN_FLIGHT, problemsOf } from './load-part.js';
import { LoggedEntries } from './logged-entries.js';
import { completeFiles, type RestoredImage, restoreImage } from './snapshot-files.js';
import type { Measured } from './snapshot-rows.js';
import { takeEvery } from './take-snapshots.js';

const ASK_MS = 60_000;
/** Of each node: the second is compared with what the first and the log give. */
const SNAPSHOTS = 2;

export interface ImagePlan {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** What was found of one node. */
export interface ImageCheck {
  readonly node: number;
  /** Index of the snapshot, and entries since the one before it. */
  readonly index: number;
  readonly entries: number;
  readonly imageBytes: number;
  /** Null: the digests are the same. */
  readonly problem: string | null;
}

export async function measureImage(nodes: Nodes, plan: ImagePlan): Promise<Measured> {
  const problems = await takeUnderLoad(nodes, plan);
  await nodes.caughtUp();
  const checks: ImageCheck[] = [];
  for (const node of nodes.all) checks.push(await checkImage(node));
  const equal = checks.filter(({ problem }) => problem === null).length;
  const found = checks.flatMap(({ problem }) => problem ?? []);
  return { runs: [equal], problems: [...problems, ...found], detail: { images: checks } };
}

async function takeUnderLoad(nodes: Nodes, plan: ImagePlan): Promise<string[]> {
  const { keys, valueBytes, seconds, signal } = plan;
  const generator = new Generator({
    targets: nodes.targets,
    shape: { valueBytes, inFlight: IN_FLIGHT, connections: CONNECTIONS },
    ...{ keys, seconds, warmupSeconds: 1, signal },
  });
  await generator.warmedUp();
  let isOver = false;
  const taking = takeEvery(nodes.all, SNAPSHOTS, 0, signal).then(() => isOver);
  taking.catch(() => undefined);
  const report = await generator.report();
  isOver = true;
  return problemsOf(report, await taking, SNAPSHOTS);
}

async function checkImage(node: Node): Promise<ImageCheck> {
  const [newest, previous] = completeFiles(node);
  if (newest === undefined || previous === undefined) {
    throw new Error(`node ${node.id} has not kept two snapshots`);
  }
  const log = LoggedEntries.open(node.directory);
  const expected = digestThen(restoreImage(previous), log, newest.point.index);
  const image = restoreImage(newest);
  const { index, imageBytes, digest } = image;
  const entries = index - previous.point.index;
  const found = { node: node.id, index, entries, imageBytes };
  if (digest !== expected) {
    const problem = `node ${node.id} gave an image of ${digest} at ${index}, its log ${expected}`;
    return { ...found, problem };
  }
  const { applied, digest: live } = await atRest(node);
  const computed = digestThen(image, log, applied);
  if (computed === live) return { ...found, problem: null };
  const problem = `node ${node.id} has ${live} at ${applied}, its image and its log ${computed}`;
  return { ...found, problem };
}

/** Of the state that the image becomes with the entries up to `index`. */
function digestThen({ machine, index }: RestoredImage, log: LoggedEntries, to: number): string {
  log.applyTo(machine, index + 1, to);
  return machine.digest();
}

async function atRest({ client }: Node): Promise<{ applied: number; digest: string }> {
  const applied = Number(parseInfo(await askOnce(client, ASK_MS, 'INFO')).get('last_applied'));
  return { applied, digest: await askOnce(client, ASK_MS, 'DEBUG', 'DIGEST') };
}
