/**
 * Misspelt option names: which known one was most likely meant.
 *
 * It only suggests; nothing may ever be accepted by likeness.
 */

/** One row of the edit-distance table after another: O(n × m) for two short names. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The known name nearest to `name`, or null when none is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | null {
  const lower = name.toLowerCase();
  const near = known
    .map((other) => ({ other, distance: editDistance(lower, other.toLowerCase()) }))
    .filter(({ other, distance }) => {
      const holds = other.toLowerCase().includes(lower) || lower.includes(other.toLowerCase());
      return (holds && lower.length > 2) || distance <= Math.max(1, Math.floor(lower.length / 3));
    })
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.other ?? null;
}

/** One sentence for each name of `given` that is not known. */
export function unknownNames(given: object, known: readonly string[], where: string): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = nearestName(name, known);
      return `${where}${name} is not an option${near === null ? '' : `; did you mean ${near}?`}`;
    });
}
