/**
 * A broken house rule at a place, how it is printed, and the table of files that may break one.
 *
 * An exemption needs a reason a reviewer can judge, and one that is no longer needed is itself
 * reported: the table must never grow old.
 */

export interface Problem {
  readonly path: string;
  /** From 1; 0 when the problem is the file as a whole. */
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

export interface Exemption {
  readonly path: string;
  readonly rule: string;
  readonly reason: string;
}

export function describeProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.path}:${problem.line}` : problem.path;
  return `${place}  ${problem.rule}: ${problem.message}`;
}

/** Drops what is exempt; adds one problem for each exemption that excused nothing. */
export function applyExemptions(
  problems: readonly Problem[],
  exemptions: readonly Exemption[],
): Problem[] {
  const covers = (exemption: Exemption, problem: Problem): boolean =>
    exemption.path === problem.path && exemption.rule === problem.rule;
  const left = problems.filter((problem) => !exemptions.some((one) => covers(one, problem)));
  const unused = exemptions.filter((one) => !problems.some((problem) => covers(one, problem)));
  return [
    ...left,
    ...unused.map(({ path, rule }) => ({
      path,
      line: 0,
      rule: 'exemption',
      message: `nothing here breaks "${rule}" any more: remove the exemption`,
    })),
  ];
}

/** Prints all problems and a closing line to stderr; returns the exit code, 0 or 1. */
export function reportProblems(tool: string, problems: readonly Problem[], files: number): number {
  const sorted = [...problems].sort((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
  for (const problem of sorted) process.stderr.write(`${describeProblem(problem)}\n`);
  const verdict =
    sorted.length === 0 ? 'clean' : `${sorted.length} problem${sorted.length === 1 ? '' : 's'}`;
  process.stderr.write(`${tool}: ${files} files, ${verdict}\n`);
  return sorted.length === 0 ? 0 : 1;
}
