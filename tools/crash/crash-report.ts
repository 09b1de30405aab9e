/**
 * What a crash run found, as a line per trial, a final table, and an object for programs.
 *
 * Text only: it must never soften a finding.
 */

import type { DamageReport } from './damaged-node.js';
import type { VictimKind } from './victims.js';

export interface TrialReport {
  readonly trial: number;
  readonly kind: VictimKind;
  /** Ids of the nodes that were killed. */
  readonly killed: readonly number[];
  /** In this trial: replies that said done, that said not executed, and commands without either. */
  readonly acked: number;
  readonly refused: number;
  readonly unknown: number;
  /** From the kill to the first write, sent after it, that was acknowledged; null when all died. */
  readonly failoverMs: number | null;
  /** From the (last) restart until every node served. */
  readonly recoveryMs: number;
  /** Keys and counters read back. */
  readonly checked: number;
  /** What was done to the files of a dead node, and what came of it; null: nothing. */
  readonly damage: DamageReport | null;
  /** Snapshots of a leader that replaced the state of a node, killed or not. */
  readonly installed: number;
  readonly problems: readonly string[];
}

export interface CrashReport {
  readonly seed: number;
  readonly nodes: number;
  readonly flags: readonly string[];
  readonly data: string;
  /** The data directory is still there. */
  readonly kept: boolean;
  readonly startedAt: string;
  readonly seconds: number;
  readonly trials: readonly TrialReport[];
  readonly damage: ReturnType<typeof damageTotals>;
  /** The last look, after a clean stop and start: every key and counter, on every node. */
  readonly finalCheck: { readonly checked: number; readonly problems: readonly string[] } | null;
  readonly acked: number;
  readonly refused: number;
  readonly unknown: number;
  /** Why the run ended early, other than by a problem; null when it did not. */
  readonly failure: string | null;
  readonly passed: boolean;
}

const HEADER = [
  'trial',
  'killed',
  'acked',
  'unknown',
  'refused',
  'failover',
  'recovery',
  'checked',
];
const WIDTHS = [5, 18, 8, 8, 8, 10, 10, 9];
const PROBLEMS_SHOWN = 20;

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, at) => {
    const width = WIDTHS[at] ?? 0;
    return at === 1 ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join(' ').trimEnd();
}

export function trialHeader(): string {
  return line(HEADER);
}

/** `leader 2`, `follower 3`, `all`. */
export function describeVictims(kind: VictimKind, killed: readonly number[]): string {
  return kind === 'leader' || kind === 'follower' ? `${kind} ${killed.join(' ')}` : kind;
}

export function trialLine(report: TrialReport): string {
  const { trial, kind, killed, acked, unknown, refused, problems } = report;
  const cells = [
    String(trial),
    describeVictims(kind, killed),
    ...[acked, unknown, refused].map(String),
    report.failoverMs === null ? '-' : `${Math.round(report.failoverMs)} ms`,
    `${Math.round(report.recoveryMs)} ms`,
    String(report.checked),
  ];
  const verdict = problems.length === 0 ? '  ok' : `  ${problems.length} PROBLEMS`;
  return `${line(cells)}${verdict}${damageWords(report.damage)}`;
}

/** `, node 2 damaged, refused, repaired`. */
function damageWords(damage: DamageReport | null): string {
  if (damage === null) return '';
  const end = damage.refusal === null ? 'started' : `refused, ${damage.remedy}`;
  return `, node ${damage.node} damaged, ${end}`;
}

/**
 * How many nodes were damaged, refused to start for it, and were made new replicas; and how many
 * snapshots of a leader nodes installed, damaged or not.
 */
export function damageTotals(trials: readonly TrialReport[]): {
  readonly damaged: number;
  readonly refused: number;
  readonly repaired: number;
  readonly installed: number;
} {
  const damages = trials.flatMap(({ damage }) => (damage === null ? [] : [damage]));
  return {
    damaged: damages.length,
    refused: damages.filter(({ refusal }) => refusal !== null).length,
    repaired: damages.filter(({ remedy }) => remedy !== null).length,
    installed: trials.reduce((sum, { installed }) => sum + installed, 0),
  };
}

function damageRow(trials: readonly TrialReport[]): string {
  const { damaged, refused, repaired, installed } = damageTotals(trials);
  if (damaged === 0) return '';
  const ends = `${refused} refused to start, ${repaired} repaired`;
  return `  damage       ${damaged} nodes damaged, ${ends}, ${installed} snapshots installed`;
}

export function problemLines(problems: readonly string[]): string[] {
  const shown = problems.slice(0, PROBLEMS_SHOWN).map((problem) => `  ${problem}`);
  const more = problems.length - shown.length;
  return more > 0 ? [...shown, `  … and ${more} more`] : shown;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const high = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return (low + high) / 2;
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const worst = Math.max(...values);
  return `median ${Math.round(median(values))} ms, worst ${Math.round(worst)} ms`;
}

function kindRow(kind: VictimKind, trials: readonly TrialReport[]): string {
  const those = trials.filter((trial) => trial.kind === kind);
  if (those.length === 0) return '';
  const failovers = those.flatMap(({ failoverMs }) => (failoverMs === null ? [] : [failoverMs]));
  const failover = failovers.length === 0 ? '' : `failover ${spread(failovers)}; `;
  const recovery = `recovery ${spread(those.map(({ recoveryMs }) => recoveryMs))}`;
  const times = `${those.length} ×`.padStart(6);
  return `  ${kind.padEnd(11)}${times}   ${failover}${recovery}`;
}

/** The final table, and the verdict as its last line. */
export function describeCrashRun(report: CrashReport): string {
  const { trials, finalCheck } = report;
  const kinds: readonly VictimKind[] = ['leader', 'follower', 'all', 'all, twice'];
  const final =
    finalCheck === null
      ? 'not reached'
      : `${finalCheck.checked} reads after a clean restart, every key on every node`;
  const lines = [
    '',
    `${trials.length} trials, ${report.nodes} nodes, seed ${report.seed}, ` +
      [`${Math.round(report.seconds)} s`, ...report.flags].join(' '),
    ...kinds.map((kind) => kindRow(kind, trials)).filter((row) => row !== ''),
    `  writes       ${report.acked} acknowledged, ${report.unknown} unknown, ` +
      `${report.refused} refused`,
    ...[damageRow(trials)].filter((row) => row !== ''),
    `  final check  ${final}`,
    ...verdict(report),
  ];
  return `${lines.join('\n')}\n`;
}

function verdict(report: CrashReport): string[] {
  const where = report.kept ? `The data is kept in ${report.data}` : '';
  if (report.passed) {
    const kept = report.kept ? [where] : [];
    return ['No acknowledged write was lost, no counter was wrong.', ...kept];
  }
  const problems = [
    ...report.trials.flatMap((trial) => trial.problems),
    ...(report.finalCheck?.problems ?? []),
  ];
  const head = problems.length === 0 ? [] : [`FAILED: ${problems.length} problems`];
  const failure = report.failure === null ? [] : [`FAILED: ${report.failure}`];
  return [...head, ...problemLines(problems), ...failure, where];
}
