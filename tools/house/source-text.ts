/**
 * A source file split into what the compiler runs and what people read.
 *
 * `code` has every comment, string and regular expression blanked out and keeps each character's
 * line and column, so a rule may search it and report a place in the file. This must stay a small
 * scanner: it knows no grammar, only where text begins and ends.
 */

export interface SourceText {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** The text with comments, strings, template text and regular expressions turned to spaces. */
  readonly code: string;
}

type State = 'code' | 'line' | 'block' | 'single' | 'double' | 'template' | 'regex';

/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void))$/;

const OPENS_WITH_TWO: Readonly<Record<string, State>> = { '//': 'line', '/*': 'block' };
const OPENS_WITH_ONE: Readonly<Record<string, State>> = {
  "'": 'single',
  '"': 'double',
  '`': 'template',
};

class Masker {
  readonly #text: string;
  readonly #out: string[] = [];
  #state: State = 'code';
  #inClass = false;
  /** Brace depth inside each open `${…}`, innermost last. */
  readonly #templates: number[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  mask(): string {
    while (this.#at < this.#text.length) {
      if (this.#state === 'code') this.#code();
      else this.#inside();
    }
    return this.#out.join('');
  }

  #take(count: number, visible: boolean): void {
    const piece = this.#text.slice(this.#at, this.#at + count);
    this.#out.push(visible ? piece : piece.replace(/[^\n]/g, ' '));
    this.#at += count;
  }

  #enter(state: State, count: number): void {
    this.#state = state;
    this.#take(count, false);
  }

  #code(): void {
    const here = this.#text[this.#at] ?? '';
    const two = this.#text.slice(this.#at, this.#at + 2);
    const long = OPENS_WITH_TWO[two];
    const short = OPENS_WITH_ONE[here];
    if (long !== undefined) this.#enter(long, 2);
    else if (short !== undefined) this.#enter(short, 1);
    else if (here === '/' && this.#regexMayBegin()) this.#enter('regex', 1);
    else if (here === '{' || here === '}') this.#brace(here);
    else this.#take(1, true);
  }

  #regexMayBegin(): boolean {
    // What stands before is judged on the masked text, where a comment is already white space.
    const before = this.#out.slice(-200).join('').trimEnd();
    return BEFORE_REGEX.test(before);
  }

  #brace(here: string): void {
    const depth = this.#templates.at(-1);
    if (depth === 0 && here === '}') {
      this.#templates.pop();
      this.#enter('template', 1);
      return;
    }
    if (depth !== undefined) {
      this.#templates[this.#templates.length - 1] = depth + (here === '{' ? 1 : -1);
    }
    this.#take(1, true);
  }

  #inside(): void {
    const here = this.#text[this.#at] ?? '';
    const two = this.#text.slice(this.#at, this.#at + 2);
    const escapes = this.#state !== 'line' && this.#state !== 'block';
    if (this.#state === 'regex' && (here === '[' || here === ']')) this.#inClass = here === '[';
    const end = this.#end(here, two);
    if (escapes && here === '\\') {
      this.#take(2, false);
    } else if (this.#state === 'template' && two === '${') {
      this.#templates.push(0);
      this.#enter('code', 2);
    } else if (end > 0) {
      this.#enter('code', end);
    } else {
      this.#take(1, false);
    }
  }

  /** How many characters close the present state here; 0 when it goes on. */
  #end(here: string, two: string): number {
    switch (this.#state) {
      case 'line':
        return here === '\n' ? 1 : 0;
      case 'block':
        return two === '*/' ? 2 : 0;
      case 'single':
        return here === "'" || here === '\n' ? 1 : 0;
      case 'double':
        return here === '"' || here === '\n' ? 1 : 0;
      case 'template':
        return here === '`' ? 1 : 0;
      case 'regex':
        return (here === '/' && !this.#inClass) || here === '\n' ? 1 : 0;
      default:
        return 0;
    }
  }
}

export function readSource(path: string, text: string): SourceText {
  return { path, text, lines: text.split('\n'), code: new Masker(text).mask() };
}

/** The line (from 1) that holds the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}

export interface ImportedModule {
  readonly specifier: string;
  readonly line: number;
}

const IMPORT =
  /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew\s+URL\s*\(\s*)(['"])([^'"\n]+)\1(?=\s*[;,)\n]|\s+with\b)/g;

/** Every module a file names: static, re-exported, dynamic, and `new URL(…, import.meta.url)`. */
export function importsOf(source: SourceText): ImportedModule[] {
  const found: ImportedModule[] = [];
  for (const match of source.text.matchAll(IMPORT)) {
    // A match whose keyword lies in a comment or a string is prose about imports, not an import.
    const keyword = source.code.slice(match.index, match.index + 3);
    if (keyword.trim() === '') continue;
    found.push({ specifier: match[2] ?? '', line: lineAt(source.text, match.index) });
  }
  return found;
}
