/**
 * The format of a scenario file: paragraphs of prose, and blocks of commands, a rule and a
 * transcript.
 *
 *   # Why the next commands are interesting.
 *
 *   campaign 1
 *   ----
 *   what happened
 *
 * Knows nothing of Raft: it takes a file apart, has each command run, and puts the file together
 * again with what the commands answered.
 */

const RULE = '----';

/** Runs one command line and answers what happened, one line each. */
export type Run = (command: string) => readonly string[];

function isProse(paragraph: readonly string[]): boolean {
  return paragraph.every((line) => line.startsWith('#'));
}

/** The paragraphs of a text; a line that only separates belongs to none. */
function paragraphsOf(text: string): string[][] {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.split('\n').filter((line) => line !== ''))
    .filter((paragraph) => paragraph.length > 0);
}

/** The commands of a block, whatever transcript follows them. */
function commandsOf(paragraph: readonly string[]): string[] {
  const rule = paragraph.indexOf(RULE);
  return rule < 0 ? [...paragraph] : paragraph.slice(0, rule);
}

function perform(paragraph: readonly string[], run: Run): string {
  if (isProse(paragraph)) return paragraph.join('\n');
  const lines = commandsOf(paragraph);
  const commands = lines.filter((line) => !line.startsWith('#'));
  const answers = commands.flatMap((command) => run(command));
  const transcript = answers.length === 0 ? ['nothing happens'] : answers;
  return [...lines, RULE, ...transcript].join('\n');
}

/** The same scenario with the transcript that its commands produce now. */
export function performFile(text: string, run: Run): string {
  const performed = paragraphsOf(text).map((paragraph) => perform(paragraph, run));
  return `${performed.join('\n\n')}\n`;
}
