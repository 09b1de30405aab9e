/**
 * Values as error messages show them: short, and told apart from a text that looks the same.
 *
 * It must never show what an object holds, which may be large or secret.
 */

const SHOWN_CHARACTERS_MAX = 40;

export function shown(value: unknown): string {
  if (typeof value === 'string') {
    const whole = value.length <= SHOWN_CHARACTERS_MAX;
    return JSON.stringify(whole ? value : `${value.slice(0, SHOWN_CHARACTERS_MAX)}…`);
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const kind = value.constructor?.name ?? 'Object';
  return `${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`;
}
