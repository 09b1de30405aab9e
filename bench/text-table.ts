/**
 * Figures as columns of text. The first column is words and leans left, the others are figures and
 * lean right, unless their heading says otherwise.
 *
 * It must never measure or decide anything.
 */

export interface Column {
  readonly heading: string;
  readonly align: 'left' | 'right';
}

/** Lines without trailing blanks, heading first. Every row has a cell for each column. */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const all = [columns.map(({ heading }) => heading), ...rows];
  const widths = columns.map((_, at) => Math.max(...all.map((cells) => (cells[at] ?? '').length)));
  return all.map((cells) =>
    columns
      .map(({ align }, at) => {
        const cell = cells[at] ?? '';
        const width = widths[at] as number;
        return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** At least three digits: `412,345`, `41.2`, `4.12`, `0.412`. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return WHOLE.format(value);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return value.toPrecision(3);
}
