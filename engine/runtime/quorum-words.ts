/**
 * The arithmetic of a majority as a sentence: who would vote, how many must answer, who does.
 *
 * For people only.
 */

export const nodes = (ids: readonly number[]): string =>
  ids.length === 1 ? `node ${ids[0]}` : `nodes ${ids.join(', ')}`;

/** `of nodes 1, 2, 3 at least 2 must answer, and nodes 1, 3 do`. */
export function quorumInWords(quorum: {
  readonly voters: readonly number[];
  readonly needed: number;
  readonly answering: readonly number[];
}): string {
  const { voters, needed, answering } = quorum;
  const who = answering.length === 0 ? 'none' : nodes(answering);
  const verb = answering.length > 1 ? 'do' : 'does';
  return `of ${nodes(voters)} at least ${needed} must answer, and ${who} ${verb}`;
}
