/**
 * How the text of an option becomes a value: one rule for each kind, with the words that a help
 * page and an error message need. A rule returns undefined for text it refuses; it must never
 * throw, and never read anything but its text.
 */

export interface ValueRule<T> {
  /** Stands for the value in a usage line, `N` or `HOST:PORT`. */
  readonly placeholder: string;
  /** Completes "it must be …". */
  readonly expects: string;
  /** A value to try, printed as the remedy. */
  readonly example: string;
  parse(text: string): T | undefined;
  /** A text that `parse` reads as this value. */
  print(value: T): string;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export function printAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function text(placeholder: string, expects: string, example: string): ValueRule<string> {
  return {
    placeholder,
    expects,
    example,
    parse: (given) => (given === '' ? undefined : given),
    print: (value) => value,
  };
}

export function integer(min: number, max: number, example = min): ValueRule<number> {
  return {
    placeholder: 'N',
    expects: `a whole number from ${min} to ${max}`,
    example: String(example),
    parse: (given) => {
      if (!/^\d[\d_]*$/.test(given)) return undefined;
      const value = Number(given.replaceAll('_', ''));
      return value >= min && value <= max ? value : undefined;
    },
    print: String,
  };
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes: `256`, `4k`, `1MiB`; k, m and g count in 1,024s. */
export function bytes(
  min: number,
  max: number,
  example: string,
  multipleOf = 1,
): ValueRule<number> {
  const multiple = multipleOf === 1 ? '' : `, a multiple of ${multipleOf}`;
  return {
    placeholder: 'BYTES',
    expects: `a size from ${min} to ${max} bytes${multiple}, given in bytes, k, m or g`,
    example,
    parse: (given) => {
      const match = /^(\d+)(?:([kmg])(?:i?b)?|b)?$/i.exec(given);
      if (match === null) return undefined;
      const value = Number(match[1]) * (BYTE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
      const fits = value >= min && value <= max && value % multipleOf === 0;
      return fits ? value : undefined;
    },
    print: printBytes,
  };
}

/** In the largest unit that divides it. */
function printBytes(value: number): string {
  const units = Object.entries(BYTE_UNITS).filter(([, size]) => value % size === 0);
  const [name, size] = value === 0 ? ['', 1] : (units.at(-1) as [string, number]);
  return `${value / size}${name}`;
}

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A length of time in milliseconds: `500ms`, `10s`, `2m`; a bare number counts seconds. */
export function duration(minMs: number, maxMs: number, example: string): ValueRule<number> {
  return {
    placeholder: 'TIME',
    expects: `a time from ${printMs(minMs)} to ${printMs(maxMs)}, such as 500ms, 10s or 2m`,
    example,
    parse: (given) => {
      const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(given);
      if (match === null) return undefined;
      const value = Math.round(Number(match[1]) * (TIME_UNITS[match[2] ?? 's'] ?? 0));
      return value >= minMs && value <= maxMs ? value : undefined;
    },
    print: printMs,
  };
}

/** A time that is known in milliseconds elsewhere: a bare number, here of seconds, is refused. */
export function durationInUnits(minMs: number, maxMs: number, example: string): ValueRule<number> {
  const rule = duration(minMs, maxMs, example);
  return {
    ...rule,
    expects: `a time with its unit from ${printMs(minMs)} to ${printMs(maxMs)}`,
    parse: (given) => (/[a-z]$/.test(given) ? rule.parse(given) : undefined),
  };
}

function printMs(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  return ms >= 1000 || ms === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

export function oneOf<const T extends string>(choices: readonly T[]): ValueRule<T> {
  return {
    placeholder: choices.join('|'),
    expects: `one of ${choices.join(', ')}`,
    example: choices[0] ?? '',
    parse: (given) => choices.find((choice) => choice === given),
    print: String,
  };
}

export function parseAddress(given: string): Address | undefined {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/i.exec(given);
  const port = Number(match?.[3]);
  if (match === null || !(port >= 1 && port <= 65_535)) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}

export function address(example: string): ValueRule<Address> {
  return {
    placeholder: 'HOST:PORT',
    expects: 'a host and a port from 1 to 65535',
    example,
    parse: parseAddress,
    print: printAddress,
  };
}

export function addresses(example: string): ValueRule<readonly Address[]> {
  return {
    placeholder: 'HOST:PORT,…',
    expects: 'hosts and ports, separated by commas, none twice',
    example,
    parse: (given) => {
      const list = given.split(',').map((part) => parseAddress(part.trim()));
      const distinct = new Set(list.map((one) => one && printAddress(one)));
      const valid = list.filter((one) => one !== undefined);
      return valid.length === list.length && distinct.size === list.length ? valid : undefined;
    },
    print: (list) => list.map(printAddress).join(','),
  };
}
